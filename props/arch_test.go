package props_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the module's, seen from this package's directory.
const root = ".."

// mayImport is the picture of the architecture: what of this module each
// package may import, and which other modules. Everything may import the
// standard library.
var mayImport = map[string]struct{ own, others []string }{
	"appender":                    {},
	"appender/filelog":            {own: []string{"appender"}, others: []string{flock}},
	"appender/jetstream":          {own: []string{"appender"}, others: []string{"github.com/nats-io/nats.go"}},
	"appender/jetstream/embedded": {others: []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", flock}},
	"sim/kernel":                  {},
	"sim/trace":                   {},
	"loop":                        {own: []string{"appender"}},
	"loop/meshos":                 {own: []string{"loop", "appender"}},
	"actors":                      {own: []string{"loop", "appender", "sim/trace"}, others: []string{protoactor, "github.com/orcaman/concurrent-map"}},
	"sim":                         {own: []string{"actors", "loop", "loop/meshos", "appender", "appender/filelog", "sim/disk", "sim/kernel", "sim/trace"}},
	"sim/disk":                    {own: []string{"appender", "appender/filelog"}},
	"sim/torture":                 {own: []string{"appender", "appender/filelog", "sim/disk"}},
	"props/laws":                  {own: []string{"appender"}},
	"props/appendertest":          {own: []string{"appender", "props/laws"}, others: []string{"pgregory.net/rapid"}},
	"props":                       {own: []string{"sim", "sim/trace", "loop", "appender"}},
	"props/gen":                   {own: []string{"sim"}, others: []string{"pgregory.net/rapid"}},
	"sim/explore":                 {own: []string{"sim", "sim/trace"}},
	"sim/report":                  {own: []string{"sim/trace", "appender"}},
	"sim/scenario":                {own: []string{"sim"}, others: []string{"github.com/goccy/go-yaml"}},
	"sim/simtest":                 {own: []string{"sim/explore", "sim/report", "sim/scenario", "sim", "sim/trace", "props"}},
	"sim/cmd/meshsim":             {own: []string{"sim/explore", "sim/report", "sim/scenario", "sim", "sim/trace", "sim/disk", "sim/torture", "props", "props/laws", "appender", "appender/filelog", "appender/jetstream", "appender/jetstream/embedded"}, others: []string{"github.com/spf13/", "github.com/schollz/progressbar", "golang.org/x/term"}},
}

const (
	protoactor = "github.com/asynkron/protoactor-go"
	flock      = "github.com/gofrs/flock"
)

// pure are the packages that reach the standard library alone, read no clock,
// start no goroutine and touch nothing outside of themselves.
var pure = []string{"appender", "loop", "loop/meshos", "sim/kernel", "sim/trace"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
	Export     string
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	// With the command's profile, its packages would be listed under other paths.
	cmd := exec.Command("go", append([]string{"list", "-pgo=off", "-json=ImportPath,Imports,Deps,Standard,Export"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%v: %s", cmd.Args, stderr.String())
	var ps []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return ps
		}
		require.NoError(t, err)
		ps = append(ps, p)
	}
}

// own returns an import path within the module, and whether it is one.
func own(path string) (string, bool) { return strings.CutPrefix(path, "meshsim/") }

var standardLibrary = sync.OnceValue(func() map[string]bool {
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		panic(err)
	}
	std := map[string]bool{"C": true, "unsafe": true}
	for _, p := range strings.Fields(string(out)) {
		std[p] = true
	}
	return std
})

func TestImportsRunStrictlyDownwards(t *testing.T) {
	for _, p := range goList(t, "./...") {
		name, ok := own(p.ImportPath)
		require.True(t, ok, p.ImportPath)
		may, known := mayImport[name]
		require.True(t, known, "%s has no place in the picture of the architecture", name)
		for _, imp := range p.Imports {
			if mine, ok := own(imp); ok {
				require.Contains(t, may.own, mine, "%s imports %s", name, mine)
			} else if !standardLibrary()[imp] {
				require.True(t, slices.ContainsFunc(may.others, func(o string) bool { return strings.HasPrefix(imp, o) }),
					"%s imports %s", name, imp)
			}
		}
	}
}

func TestThePureCoreReachesTheStandardLibraryAlone(t *testing.T) {
	for _, name := range pure {
		for _, p := range goList(t, "./"+name) {
			for _, dep := range p.Deps {
				_, mine := own(dep)
				require.True(t, mine || standardLibrary()[dep] || strings.HasPrefix(dep, "vendor/"), "%s reaches %s", name, dep)
			}
			require.NotContains(t, p.Deps, "meshsim/actors")
			require.NotContains(t, p.Deps, "meshsim/sim")
		}
	}
}

// TestTheCommandLinksNoTestLibrary: rapid registers flags, and neither it nor
// testify belongs in a binary.
func TestTheCommandLinksNoTestLibrary(t *testing.T) {
	for _, p := range goList(t, "-deps", "./sim/cmd/meshsim") {
		for _, banned := range []string{"pgregory.net/rapid", "github.com/stretchr/testify", "testing"} {
			require.NotEqual(t, banned, p.ImportPath, "the command links %s", banned)
			require.False(t, strings.HasPrefix(p.ImportPath, banned+"/") && banned != "testing", "the command links %s", p.ImportPath)
		}
	}
}

// banned are the functions that a pure package may not call, by package.
var banned = map[string][]string{
	"time": {"Now", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Since", "Until"},
}

// bannedImports are the packages that a pure one may not use at all.
var bannedImports = []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "log", "runtime/debug", "io/ioutil", "unsafe"}

func TestThePureCoreHasNoClockNoDiceAndNoGoroutine(t *testing.T) {
	for _, name := range pure {
		for path, file := range sources(t, name) {
			names := map[string]string{} // the local name of an import: its path
			for _, imp := range file.Imports {
				p, err := strconv.Unquote(imp.Path.Value)
				require.NoError(t, err)
				require.NotContains(t, bannedImports, p, "%s imports %s", path, p)
				local := p[strings.LastIndex(p, "/")+1:]
				if p == "math/rand/v2" {
					local = "rand"
				}
				if imp.Name != nil {
					local = imp.Name.Name
				}
				require.NotEqual(t, ".", local, path)
				names[local] = p
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", path)
				case *ast.SelectorExpr:
					id, ok := n.X.(*ast.Ident)
					if !ok {
						break
					}
					p := names[id.Name]
					if slices.Contains(banned[p], n.Sel.Name) {
						t.Errorf("%s uses %s.%s", path, p, n.Sel.Name)
					}
					if strings.HasPrefix(p, "math/rand") && globalDraw.MatchString(n.Sel.Name) {
						t.Errorf("%s draws from the global source by %s.%s", path, p, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// globalDraw are the functions of math/rand that draw from its global source.
var globalDraw = regexp.MustCompile(`^(Int|Uint|Float|Norm|Exp|Perm|Shuffle|Read|Seed|N$)`)

// sources parses the files of a package that are not tests.
func sources(t *testing.T, name string) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	paths, err := filepath.Glob(filepath.Join(root, name, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, paths, name)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		files[path] = f
	}
	return files
}

// TestNoProtoactorTypeLeavesActors looks at every exported name of package
// actors, at the fields and methods of its types, embedded ones included.
func TestNoProtoactorTypeLeavesActors(t *testing.T) {
	exports := map[string]string{}
	for _, p := range goList(t, "-export", "-deps", "./actors") {
		exports[p.ImportPath] = p.Export
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	pkg, err := imp.Import("meshsim/actors")
	require.NoError(t, err)
	seen := 0
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		seen++
		if leak := leaks(obj.Type(), map[types.Type]bool{}); leak != "" {
			t.Errorf("actors.%s shows %s", name, leak)
		}
	}
	require.NotZero(t, seen)
}

// leaks returns the protoactor type that a user of typ can get hold of.
func leaks(typ types.Type, seen map[types.Type]bool) string {
	if typ == nil || seen[typ] {
		return ""
	}
	seen[typ] = true
	var parts []types.Type
	switch x := typ.(type) {
	case *types.Named:
		if p := x.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), protoactor) {
			return x.String()
		} else if p == nil || p.Path() != "meshsim/actors" {
			return ""
		}
		for _, t := range []types.Type{x, types.NewPointer(x)} {
			set := types.NewMethodSet(t)
			for i := range set.Len() {
				if m := set.At(i).Obj(); m.Exported() {
					parts = append(parts, m.Type())
				}
			}
		}
		parts = append(parts, x.Underlying())
	case *types.Alias:
		parts = append(parts, types.Unalias(x))
	case *types.Struct:
		for i := range x.NumFields() {
			if f := x.Field(i); f.Exported() {
				parts = append(parts, f.Type())
			}
		}
	case *types.Interface:
		for i := range x.NumMethods() {
			if m := x.Method(i); m.Exported() {
				parts = append(parts, m.Type())
			}
		}
	case *types.Signature:
		parts = append(parts, x.Params(), x.Results())
	case *types.Tuple:
		for i := range x.Len() {
			parts = append(parts, x.At(i).Type())
		}
	case *types.Map:
		parts = append(parts, x.Key(), x.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		parts = append(parts, x.Elem())
	}
	for _, p := range parts {
		if leak := leaks(p, seen); leak != "" {
			return leak
		}
	}
	return ""
}

func TestTheTopLevelHoldsWhatTheDesignNames(t *testing.T) {
	allowed := []string{"go.mod", "go.sum", "actors", "loop", "appender", "sim", "props", "README.md"}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".test") || strings.HasSuffix(e.Name(), ".out") {
			continue // what go test leaves, not part of the repository
		}
		require.True(t, strings.HasPrefix(e.Name(), ".") || slices.Contains(allowed, e.Name()), "unexpected %s", e.Name())
	}
}

// longest is how many lines a source file may have.
const longest = 500

// unwanted is text that no file of the module may hold: open ends, and places
// that exist on one machine only. The patterns are written so that they do not
// match themselves.
var unwanted = regexp.MustCompile(`TO[D]O|FIX[M]E|XX[X]\b|\.\./share[d]|/wor[k]/|/roo[t]/|/hom[e]/|/tm[p]/`)

func TestFilesAreShortAndFinished(t *testing.T) {
	for path, text := range texts(t) {
		if strings.HasSuffix(path, ".go") {
			lines := strings.Count(text, "\n")
			require.LessOrEqual(t, lines, longest, "%s has %d lines", path, lines)
		}
		for i, line := range strings.Split(text, "\n") {
			if m := unwanted.FindString(line); m != "" {
				t.Errorf("%s:%d says %q", path, i+1, m)
			}
		}
	}
}

// texts reads the module's own files, but not data, generated files and .git.
func texts(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "data" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".yaml", ".yml", "":
			text, err := os.ReadFile(path)
			files[path] = string(text)
			return err
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

var testName = regexp.MustCompile(`\b(Test|Fuzz|Example|Benchmark)[A-Z]\w*`)

var code = regexp.MustCompile(`(?m)^//\t.*$`)

// TestEveryPackageSaysWhatItGuarantees: each has a doc.go, and each test that a
// guarantee names exists.
func TestEveryPackageSaysWhatItGuarantees(t *testing.T) {
	exists := map[string]bool{}
	all := texts(t)
	declared := regexp.MustCompile(`(?m)^func ((Test|Fuzz|Example|Benchmark)[A-Z]\w*)\(`)
	for path, text := range all {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range declared.FindAllStringSubmatch(text, -1) {
				exists[m[1]] = true
			}
		}
	}
	for name := range mayImport {
		doc, ok := all[filepath.Join(root, name, "doc.go")]
		require.True(t, ok, "%s has no doc.go", name)
		doc = code.ReplaceAllString(doc, "") // examples of what a user writes
		for _, named := range testName.FindAllString(doc, -1) {
			require.True(t, exists[named], "the documentation of %s names %s, which does not exist", name, named)
		}
	}
}
