package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"meshsim/sim"
)

// place is where something stands, counted from 1.
type place struct{ line, column int }

// places decodes a file, and remembers where each field stands by its path,
// written as in [sim.FieldError].
type places struct {
	file string
	at   map[string]place
}

// fail makes the error for a mistake at a place.
func (p *places) fail(at place, found, expected string) error {
	return &sim.InputError{File: p.file, Line: at.line, Column: at.column, Found: found, Expected: expected, Err: ErrScenario}
}

// locate says where in the file a wrong field stands: at its value, or, if it
// is missing, at what it is missing from.
func (p *places) locate(err error) error {
	var f *sim.FieldError
	if !errors.As(err, &f) {
		return err
	}
	found, path := f.Found, f.Path
	at, ok := p.at[path]
	if !ok {
		found = fmt.Sprintf("no %q", path[strings.LastIndexAny(path, ".")+1:])
	}
	for !ok && path != "" {
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
		at, ok = p.at[path]
	}
	return &sim.InputError{File: p.file, Line: at.line, Column: at.column, Found: found, Expected: f.Expected,
		Err: errors.Join(ErrScenario, err)}
}

// fields decodes the root of a file.
func (p *places) fields(root ast.Node, c *sim.Config) error {
	p.at[""] = placeOf(root)
	return p.value(root, reflect.ValueOf(c).Elem(), "", "a scenario")
}

// value decodes node into v, the field at path.
func (p *places) value(node ast.Node, v reflect.Value, path, what string) error {
	if _, ok := p.at[path]; !ok {
		p.at[path] = placeOf(node)
	}
	switch node := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return p.fail(placeOf(node), describe(node), plain)
	case *ast.CommentGroupNode, *ast.NullNode, nil:
		return p.fail(placeOf(node), "nothing", expectation(v.Type()))
	}
	if text, ok := scalar(node); ok && v.Kind() == reflect.Struct && v.Type() != distType {
		return p.fail(placeOf(node), show(node, text), what+": keys with values")
	} else if ok {
		return p.scalar(node, text, v, path)
	}
	if v.Type() == distType {
		return p.fail(placeOf(node), describe(node), expectation(v.Type()))
	}
	switch v.Kind() {
	case reflect.Struct:
		entries, ok := mapping(node)
		if !ok {
			return p.fail(placeOf(node), describe(node), what+": keys with values")
		}
		return p.mapping(entries, v, path, what)
	case reflect.Slice:
		seq, ok := node.(*ast.SequenceNode)
		if !ok {
			return p.fail(placeOf(node), describe(node), expectation(v.Type()))
		}
		return p.sequence(seq, v, path, what)
	}
	return p.fail(placeOf(node), describe(node), expectation(v.Type()))
}

// mapping decodes a struct.
func (p *places) mapping(entries []*ast.MappingValueNode, v reflect.Value, path, what string) error {
	seen := make(map[string]place)
	for _, e := range entries {
		at := placeOf(e.Key)
		key, ok := scalar(e.Key)
		if !ok {
			return p.fail(at, describe(e.Key), plain)
		}
		i, known := fieldIndex(v.Type(), key)
		if !known {
			return p.fail(at, fmt.Sprintf("unknown key %q", clip(key)), expectedKey(key, v.Type(), what))
		}
		if first, twice := seen[key]; twice {
			return p.fail(at, fmt.Sprintf("key %q again (first in line %d)", key, first.line), "each key once")
		}
		seen[key] = at
		sub := join(path, key)
		if _, ok := scalar(e.Value); !ok {
			p.at[sub] = at // a list or mapping is best pointed at by its key
		}
		if null(e.Value) {
			return p.fail(at, fmt.Sprintf("no value for %q", key), expectation(v.Type().Field(i).Type))
		}
		if err := p.value(e.Value, v.Field(i), sub, fmt.Sprintf("%q", key)); err != nil {
			return err
		}
	}
	return nil
}

// sequence decodes a list.
func (p *places) sequence(seq *ast.SequenceNode, v reflect.Value, path, what string) error {
	list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, node := range seq.Values {
		sub := fmt.Sprintf("%s[%d]", path, i)
		if null(node) {
			return p.fail(p.at[path], fmt.Sprintf("an empty entry %d", i), expectation(v.Type().Elem()))
		}
		if err := p.value(node, list.Index(i), sub, "an entry of "+what); err != nil {
			return err
		}
	}
	if len(seq.Values) > 0 {
		v.Set(list)
	}
	return nil
}

// scalar decodes a scalar. A list of texts may be a single one.
func (p *places) scalar(node ast.Node, text string, v reflect.Value, path string) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
		p.at[path+"[0]"] = placeOf(node)
		v.Set(reflect.ValueOf([]string{text}))
		return nil
	}
	if none(v, path, text) {
		return nil
	}
	expected, ok := setText(v, text, quoted(node))
	if !ok {
		return p.fail(placeOf(node), show(node, text), expected)
	}
	return nil
}

// none sets the fields that know [sim.None] from the word.
func none(v reflect.Value, path, text string) bool {
	if text != "none" || path != "mesh.heartbeat" && path != "mesh.daemons" {
		return false
	}
	v.SetInt(sim.None)
	return true
}

var (
	distType     = reflect.TypeFor[sim.Dist]()
	durationType = reflect.TypeFor[time.Duration]()
)

// setText sets v from its text form; else it says what was expected. Quotes
// make a text of what looks like a number.
func setText(v reflect.Value, text string, quoted bool) (expected string, ok bool) {
	expected = expectation(v.Type())
	var err error
	switch {
	case v.Type() == distType:
		var d sim.Dist
		if d, err = sim.ParseDist(text); err == nil {
			v.Set(reflect.ValueOf(d))
			return "", true
		}
		if _, after, cut := strings.Cut(err.Error(), ", expected "); cut {
			expected = after
		}
	case v.Type() == durationType:
		var d time.Duration
		if d, err = time.ParseDuration(text); err == nil {
			v.SetInt(int64(d))
		}
	case v.Kind() == reflect.String:
		v.SetString(text)
	case quoted:
		return expected, false
	case v.Kind() == reflect.Bool:
		switch text {
		case "true", "false":
			v.SetBool(text == "true")
		default:
			return expected, false
		}
	case v.Kind() == reflect.Int:
		var n int64
		if n, err = strconv.ParseInt(text, 10, 64); err == nil {
			v.SetInt(n)
		}
	case v.Kind() == reflect.Uint64:
		var n uint64
		if n, err = strconv.ParseUint(text, 10, 64); err == nil {
			v.SetUint(n)
		}
	case v.Kind() == reflect.Float64:
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err == nil && f-f != 0 {
			return expected, false // infinite or not a number
		} else if err == nil {
			v.SetFloat(f)
		}
	default:
		return expected, false
	}
	return expected, err == nil
}

// expectation says in words what a field holds.
func expectation(t reflect.Type) string {
	switch {
	case t == distType:
		return `a distribution such as "10ms", "uniform 1ms 5ms", "exp 5ms", "normal 10ms 2ms" or "pareto 1ms 1.5"`
	case t == durationType:
		return "a duration such as 1.5s or 200ms"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "a list of entries"
		}
		return "a list"
	}
	return "keys with values"
}

// expectedKey says which keys there are, or which one was probably meant.
func expectedKey(key string, t reflect.Type, what string) string {
	var keys []string
	for i := range t.NumField() {
		if name, ok := keyOf(t.Field(i)); ok {
			keys = append(keys, name)
		}
	}
	if meant := sim.Nearest(key, keys); meant != "" {
		return fmt.Sprintf("%q (did you mean that?)", meant)
	}
	return "a key of " + what + ": " + strings.Join(keys, ", ")
}

// keyOf is a struct field's key in YAML.
func keyOf(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name, name != "" && name != "-"
}

func fieldIndex(t reflect.Type, key string) (int, bool) {
	for i := range t.NumField() {
		if name, ok := keyOf(t.Field(i)); ok && name == key {
			return i, true
		}
	}
	return 0, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// plain says what is expected where YAML's rarer constructs stand.
const plain = "plain YAML: keys, values and lists"

// mapping lists the entries of a mapping node.
func mapping(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch node := node.(type) {
	case *ast.MappingNode:
		return node.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{node}, true
	}
	return nil, false
}

// scalar is a scalar node's text.
func scalar(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func null(node ast.Node) bool {
	if node == nil {
		return true
	}
	_, ok := node.(*ast.NullNode)
	return ok
}

func quoted(node ast.Node) bool {
	switch node.GetToken().Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		return true
	}
	_, block := node.(*ast.LiteralNode)
	return block
}

// describe names the kind of a node.
func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode:
		return "an anchor (&)"
	case *ast.AliasNode:
		return "an alias (*)"
	case *ast.TagNode:
		return "a tag (!)"
	case *ast.MergeKeyNode:
		return "a merge key (<<)"
	case *ast.MappingKeyNode:
		return "a complex key (?)"
	}
	if text, ok := scalar(node); ok {
		return show(node, text)
	}
	return "something else"
}

// show quotes a scalar as an error cites it.
func show(node ast.Node, text string) string {
	if text == "" {
		return "an empty text"
	}
	if quoted(node) {
		return "the text " + strconv.Quote(clip(text))
	}
	return strconv.Quote(clip(text))
}

// clip shortens what an error quotes.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// placeOf is where a node begins.
func placeOf(node ast.Node) place {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return placeOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key)
	case nil:
		return place{1, 1}
	}
	tk := node.GetToken()
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}
