package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"meshsim/sim"
)

// ErrScenario is wrapped by every error about a scenario's content.
var ErrScenario = errors.New("scenario: invalid scenario")

// bytesMax bounds a scenario file. The built-in ones have about 1 KiB.
const bytesMax = 64 << 10

// nestingMax bounds how deep brackets nest; a scenario needs four.
const nestingMax = 16

// Load parses the scenario file at path. Log and matrix files that it names
// are relative to its directory.
func Load(path string) (sim.Config, error) {
	data, err := read(path)
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return sim.Config{}, &sim.InputError{File: path, Found: "no scenario (" + err.Error() + ")",
			Expected: "a scenario file that can be read", Err: errors.Join(ErrScenario, err)}
	}
	return Parse(path, data)
}

// read reads a file, or so much of it as Parse needs to refuse it.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, bytesMax+1))
}

// Parse reads a scenario and checks it, opening the log and matrix files that
// it names, which are relative to the directory of name. What it returns is as
// written: [sim.Config.Resolve] fills in the defaults. Its error is an
// [*sim.InputError]; where a field's value is wrong, [errors.As] finds the
// [*sim.FieldError] as well.
func Parse(name string, data []byte) (sim.Config, error) {
	c, places, err := decode(name, data)
	if err != nil {
		return sim.Config{}, err
	}
	relocate(&c, filepath.Dir(name))
	if _, err := c.Resolve(); err != nil {
		return sim.Config{}, places.locate(err)
	}
	return c, nil
}

// relocate takes the files that c names as relative to dir.
func relocate(c *sim.Config, dir string) {
	join := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if !slices.Contains(sim.BuiltinMatrices(), c.Network.Matrix) {
		c.Network.Matrix = join(c.Network.Matrix)
	}
	for i := range c.Load {
		c.Load[i].File = join(c.Load[i].File)
	}
}

// Marshal writes c as YAML, leaving out the fields at their zero.
func Marshal(c sim.Config) ([]byte, error) {
	data, err := yaml.MarshalWithOptions(c, yaml.IndentSequence(true), yaml.CustomMarshaler(quote))
	if err != nil {
		return nil, fmt.Errorf("scenario: writing %q: %w", c.Name, err)
	}
	return data, nil
}

// plainText is what needs no quotes in YAML, wherever it stands.
var plainText = regexp.MustCompile(`^[a-z][a-z0-9]*([-_./ ,]+[a-z0-9]+)*$`)

// quote writes a text so that it reads back the same: the encoder's own forms
// lose carriage returns and line ends.
func quote(text string) ([]byte, error) {
	switch text {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainText.MatchString(text) {
			return []byte(text), nil
		}
	}
	return []byte(strconv.Quote(text)), nil // YAML knows all of Go's escapes
}

// decode reads what is written, without checking what it means.
func decode(name string, data []byte) (sim.Config, *places, error) {
	p := &places{file: name, at: make(map[string]place)}
	root, err := p.parse(data)
	if err != nil {
		return sim.Config{}, nil, err
	}
	var c sim.Config
	if err := p.fields(root, &c); err != nil {
		return sim.Config{}, nil, err
	}
	return c, p, nil
}

// parse is the root mapping of a file's only document.
func (p *places) parse(data []byte) (ast.Node, error) {
	if len(data) > bytesMax {
		return nil, p.fail(place{1, 1}, "more than 64 KiB", "a scenario of at most 64 KiB")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if at, ok := tooDeep(data); ok {
		return nil, p.fail(at, "brackets nested too deep", fmt.Sprintf("at most %d levels", nestingMax))
	}
	if at, ok := binary(data); ok {
		return nil, p.fail(at, "a NUL byte or invalid UTF-8", "a text file in UTF-8")
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, p.syntax(err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType:
			return nil, p.fail(placeOf(doc.Body), "a directive (%)", plain)
		case root != nil:
			return nil, p.fail(placeOf(doc.Body), "a second document", "one scenario per file")
		default:
			root = doc.Body
		}
	}
	if root == nil {
		return nil, p.fail(place{1, 1}, "an empty file", "a scenario: keys such as nodes, load and faults")
	}
	return root, nil
}

// syntax turns the YAML parser's error into one line.
func (p *places) syntax(err error) error {
	var bad yaml.Error
	if !errors.As(err, &bad) || bad.GetToken() == nil || bad.GetToken().Position == nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return p.fail(place{1, 1}, "invalid YAML ("+line+")", "a scenario in YAML")
	}
	at := place{bad.GetToken().Position.Line, bad.GetToken().Position.Column}
	line, _, _ := strings.Cut(bad.GetMessage(), "\n")
	if strings.Contains(line, "'\t'") {
		return p.fail(at, "a tab", "spaces for indentation")
	}
	return p.fail(at, "invalid YAML ("+line+")", "a scenario in YAML")
}

// tooDeep finds where brackets nest too deep: the parser's time and stack grow
// with their depth. A quoted bracket counts too; no scenario has that many.
func tooDeep(data []byte) (place, bool) {
	depth, at := 0, place{1, 0}
	for _, c := range data {
		at.column++
		switch c {
		case '\n':
			at = place{at.line + 1, 0}
		case '[', '{':
			if depth++; depth > nestingMax {
				return at, true
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return place{}, false
}

// binary finds a byte that no text has.
func binary(data []byte) (place, bool) {
	for i, line := range bytes.Split(data, []byte{'\n'}) {
		column := 0
		for j, r := range string(line) {
			column++
			if r == 0 || r == '\uFFFD' && !bytes.HasPrefix(line[j:], []byte("\uFFFD")) {
				return place{i + 1, column}, true
			}
		}
	}
	return place{}, false
}
