package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"meshsim/sim"
)

// Set changes one field as "key=value" says, with the keys of a scenario file
// joined by dots and the entries of lists counted from 0:
//
//	nodes=7
//	host.deadline=200ms
//	faults.0.at=2s
//	load.0.nodes=[n1, n2]
//
// The entry after a list's last one is added. The value is read as in a file;
// only its form is checked: [sim.Config.Resolve] checks what it means once
// everything is set. Its error is an [*sim.InputError] without a line, and c
// is then as it was. Files are relative to the working directory.
func Set(c *sim.Config, assignment string) error {
	key, text, ok := strings.Cut(assignment, "=")
	p := &places{file: clip(strconv.QuoteToGraphic(assignment)), at: make(map[string]place)}
	p.file = p.file[1 : len(p.file)-1]
	if !ok || key == "" {
		return p.fail(place{}, "no key and value", "key=value, such as nodes=7 or faults.0.at=2s")
	}
	root := reflect.New(reflect.TypeFor[sim.Config]()).Elem()
	root.Set(reflect.ValueOf(*c))
	if err := p.descend(root, strings.Split(key, "."), "", text); err != nil {
		return err
	}
	*c = root.Interface().(sim.Config)
	return nil
}

// descend follows the keys to a field and sets it. What it passes is copied,
// so that nothing is shared with the configuration as it was.
func (p *places) descend(v reflect.Value, keys []string, path, text string) error {
	if len(keys) == 0 {
		return p.assign(v, path, text)
	}
	key, rest := keys[0], keys[1:]
	what := "a scenario"
	if path != "" {
		what = fmt.Sprintf("%q", path)
	}
	switch {
	case v.Kind() == reflect.Struct && v.Type() != distType:
		i, known := fieldIndex(v.Type(), key)
		if !known {
			return p.fail(place{}, fmt.Sprintf("unknown key %q", clip(key)), expectedKey(key, v.Type(), what))
		}
		return p.descend(v.Field(i), rest, join(path, key), text)
	case v.Kind() == reflect.Slice:
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i > v.Len() {
			return p.fail(place{}, fmt.Sprintf("entry %q of %s", clip(key), what),
				fmt.Sprintf("a number from 0 to %d", v.Len()))
		}
		list := reflect.MakeSlice(v.Type(), max(v.Len(), i+1), max(v.Len(), i+1))
		reflect.Copy(list, v)
		if err := p.descend(list.Index(i), rest, join(path, key), text); err != nil {
			return err
		}
		v.Set(list)
		return nil
	}
	return p.fail(place{}, fmt.Sprintf("key %q in %s", clip(key), what), expectation(v.Type()))
}

// assign reads the text into v.
func (p *places) assign(v reflect.Value, path, text string) error {
	composite := v.Kind() == reflect.Slice || v.Kind() == reflect.Struct && v.Type() != distType
	if none(v, path, text) {
		return nil
	}
	if !composite {
		expected, ok := setText(v, text, false)
		if !ok {
			found := strconv.Quote(clip(text))
			if text == "" {
				found = "nothing"
			}
			return p.fail(place{}, found, expected)
		}
		return nil
	}
	node, err := p.parse([]byte(text))
	if err != nil {
		return pointless(err, v)
	}
	fresh := reflect.New(v.Type()).Elem()
	if err := p.value(node, fresh, path, fmt.Sprintf("%q", path)); err != nil {
		return pointless(err, v)
	}
	v.Set(fresh)
	return nil
}

// pointless takes the line and column from an error: they count within the
// value alone.
func pointless(err error, v reflect.Value) error {
	var bad *sim.InputError
	if !errors.As(err, &bad) {
		return err
	}
	e := *bad
	e.Line, e.Column = 0, 0
	if strings.HasPrefix(e.Found, "an empty file") {
		e.Found, e.Expected = "nothing", expectation(v.Type())
	}
	return &e
}

// Keys lists every key that [Set] knows, those of list entries with "N" for
// their number: for help texts and completion.
func Keys() []string {
	var keys []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		switch {
		case t.Kind() == reflect.Struct && t != distType:
			for i := range t.NumField() {
				if key, ok := keyOf(t.Field(i)); ok {
					walk(t.Field(i).Type, join(path, key))
				}
			}
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			walk(t.Elem(), path+".N")
		default:
			keys = append(keys, path)
		}
	}
	walk(reflect.TypeFor[sim.Config](), "")
	slices.Sort(keys)
	return keys
}
