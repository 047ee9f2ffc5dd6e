package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim"
)

// Each file in testdata/wrong is a list of inputs and the exact error of each.
// Run with -rewrite after a change, and read the difference.
func TestWrongInput(t *testing.T) {
	datadriven.Walk(t, "testdata/wrong", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var err error
			switch d.Cmd {
			case "parse":
				_, err = Parse("mesh.yaml", []byte(d.Input))
			case "set":
				c := sim.Config{Load: []sim.Load{{Kind: "constant", Rate: 1}}}
				err = Set(&c, d.Input)
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			if err == nil {
				d.Fatalf(t, "no error")
			}
			requireOneLine(t, err)
			return err.Error() + "\n"
		})
	})
}

// requireOneLine checks what every error about a scenario has.
func requireOneLine(t require.TestingT, err error) {
	var bad *sim.InputError
	require.ErrorAs(t, err, &bad)
	require.NotContains(t, err.Error(), "\n")
	require.NotEmpty(t, bad.Found)
	require.NotEmpty(t, bad.Expected)
	require.True(t, errors.Is(err, ErrScenario) || errors.Is(err, sim.ErrMatrix), "%v", err)
}

// What an editor does not show cannot stand in a golden file.
func TestInvisibleWrongInput(t *testing.T) {
	for input, want := range map[string]string{
		"host:\n\tinbox: 3":         `mesh.yaml:2:1: found a tab, expected spaces for indentation`,
		"nodes: 3\nabout: a\x00b":   `mesh.yaml:2:9: found a NUL byte or invalid UTF-8, expected a text file in UTF-8`,
		"about: \xff":               `mesh.yaml:1:8: found a NUL byte or invalid UTF-8, expected a text file in UTF-8`,
		strings.Repeat("#\n", 4e4):  `mesh.yaml:1:1: found more than 64 KiB, expected a scenario of at most 64 KiB`,
		strings.Repeat("- ", 20000): `mesh.yaml:1:1: found a list, expected a scenario: keys with values`,
	} {
		_, err := Parse("mesh.yaml", []byte(input))
		require.EqualError(t, err, want)
		requireOneLine(t, err)
	}
	c, err := Parse("mesh.yaml", []byte("\ufeffnodes: 4\r\nduration: 5s\r\n"))
	require.NoError(t, err, "a byte order mark and Windows' line ends are fine")
	require.Equal(t, sim.Config{Nodes: 4, Duration: 5 * time.Second}, c)
}

func TestEveryFieldIsRead(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	require.NoError(t, err)
	require.Equal(t, sim.Config{
		Name: "full", About: "every key once\n", Nodes: 6, Duration: 30 * time.Second, Recovery: time.Minute,
		Loop:     sim.Loop{Tick: 250 * time.Millisecond, Ring: 512, Inbox: 77},
		Mesh:     sim.Mesh{Heartbeat: sim.None, Peers: 2, Daemons: sim.None, Crash: 3 * time.Second},
		Appender: sim.Appender{Kind: "filelog", Capacity: 4, Latency: sim.Exponential(time.Millisecond), Sync: "every 64", SegmentBytes: 4096},
		Disk: sim.Disk{Read: sim.Constant(time.Microsecond), Write: sim.Uniform(2*time.Microsecond, 3*time.Microsecond),
			Sync: sim.Exponential(time.Millisecond), Sector: 64, Tear: true, Loss: "all", Capacity: 100_000},
		Host: sim.Host{Inbox: 9, Batch: 8, Attempts: 7, Abandoned: 6, Deadline: 5 * time.Second, Grace: 4 * time.Second,
			Backoff: 3 * time.Second, MaxBackoff: 7 * time.Second, Probe: 2 * time.Second},
		Network: sim.Network{Latency: sim.Constant(time.Millisecond), Jitter: sim.Pareto(time.Microsecond, 1.5), Loss: 0.25,
			Duplicate: 1e-3, Reorder: 1, Matrix: "testdata/two.csv", Regions: []string{"west", "east"}, InFlight: "drop"},
		Service: sim.Uniform(0, 10*time.Microsecond),
		Load: []sim.Load{
			{Kind: "ramp", Nodes: []string{"n1", "west"}, Rate: 1, To: 20, Bytes: 10, From: time.Second, Until: 9 * time.Second},
			{Kind: "burst", Size: 5, Every: time.Second},
			{Kind: "replay", Nodes: []string{"all"}, File: "testdata/some.log", Speed: 2, MaxGap: time.Second},
		},
		Faults: []sim.Fault{
			{At: time.Second, For: 2 * time.Second, Kind: "partition", Groups: [][]string{{"n1"}, {"n2", "n3"}}, Shape: "one-way"},
			{At: 0, Kind: "append-latency", Nodes: []string{"n1"}, By: time.Second, Prob: 0.5, Record: 3},
			{At: 4 * time.Second, Kind: "skew", Nodes: []string{"n2"}, Factor: 1.01},
		},
		Chaos:     []sim.Chaos{{Kind: "latency", Every: 3 * time.Second, For: sim.Normal(2, 1), Nodes: []string{"n1"}, By: 4, Prob: 0.1}},
		Schedule:  sim.Schedule{Kind: "random", Hold: time.Millisecond},
		Heal:      sim.HealPolicy{Hangs: "keep"},
		Sometimes: []string{"message-cut"},
		Shadows:   0.5,
	}, c)

	// Every key that there is stands in that file.
	data, err := os.ReadFile("testdata/full.yaml")
	require.NoError(t, err)
	for _, key := range Keys() {
		last := key[strings.LastIndex(key, ".")+1:]
		require.Contains(t, string(data), last+":", key)
	}
}

func TestFilesAreRelativeToTheScenario(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "logs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "logs", "a.log"), []byte("x\n"), 0o600))
	path := filepath.Join(dir, "mesh.yaml")
	require.NoError(t, os.WriteFile(path, []byte("load:\n  - kind: replay\n    file: logs/a.log\nnetwork:\n  matrix: ibm-cloud\n"), 0o600))
	c, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "logs", "a.log"), c.Load[0].File)
	require.Equal(t, "ibm-cloud", c.Network.Matrix, "a built-in matrix is no file")

	_, err = Load(filepath.Join(dir, "none.yaml"))
	require.EqualError(t, err, filepath.Join(dir, "none.yaml")+
		": found no scenario (no such file or directory), expected a scenario file that can be read")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(dir)
	require.ErrorContains(t, err, "found no scenario (is a directory)")
}

// genConfig draws any valid configuration that a file can hold.
func genConfig(t *rapid.T) sim.Config {
	c := sim.Config{Swarm: true}.Draw(rapid.Uint64().Draw(t, "seed"))
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", " ", "a: b", "- x", "# no comment", "yes", "null", "~", "3", "1.5s", "'", `"`, "two\nlines", "\ttab", "a\r\nb", "x \n", "\n",
		"{", "[", "&a", "*a", "!t", "%d", "@", "`", "|", ">", "?", ":", "-", "a #b", "é", "\u0085", "\u2028", "\ufeff", "0x10", "=", "<<",
	}))
	plain := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "") }
	c.Name, c.About = plain(text.Draw(t, "name")), plain(text.Draw(t, "about"))
	switch rapid.IntRange(0, 3).Draw(t, "more") {
	case 0:
		c.Sometimes = rapid.Permutation(sim.Marks()).Draw(t, "marks")[:3]
	case 1:
		c.Network.Matrix, c.Network.Latency = "ibm-cloud", sim.Dist{}
		c.Network.Regions = []string{"tokyo", "london"}
		c.Load = append(c.Load, sim.Load{Kind: "constant", Rate: 0.001, Nodes: []string{"london", "n1"}})
	case 2:
		c.Faults = append(c.Faults, sim.Fault{Kind: "partition", Shape: "partial", Groups: [][]string{{"n1"}, {"n2"}}})
		c.Mesh.Daemons, c.Mesh.Heartbeat = sim.None, sim.None
	case 3:
		c.Shadows = rapid.Float64Range(0, 1).Draw(t, "shadows")
		c.Network.Loss = rapid.Float64Range(0, 1).Draw(t, "loss")
		c.Faults = append(c.Faults, sim.Fault{Kind: "append-panic", Nodes: []string{"all"},
			Record: rapid.Uint64Range(0, 1<<63-1).Draw(t, "record")})
	}
	return c
}

func TestMarshalledConfigParsesBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genConfig(t)
		data, err := Marshal(c)
		require.NoError(t, err)
		back, err := Parse("mesh.yaml", data)
		require.NoError(t, err, "%s", data)
		require.Equal(t, c, back, "%s", data)
	})
}

func TestBuiltinsResolve(t *testing.T) {
	files, err := filepath.Glob("builtin/*.yaml")
	require.NoError(t, err)
	require.Len(t, Names(), len(files), "every file is listed")
	for _, name := range Names() {
		c, err := Builtin(name)
		require.NoError(t, err)
		require.Equal(t, name, c.Name)
		require.NotEmpty(t, c.About)
		_, err = c.Draw(1).Resolve()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(Source(name)), "# "), "%s begins with a comment", name)
	}
	require.Nil(t, Source("../doc.go"))
	_, err = Builtin("quikstart")
	require.EqualError(t, err, `quikstart: found no built-in scenario of this name, expected "quickstart" (did you mean that?)`)
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		f.Add(Source(name))
	}
	for _, s := range []string{
		"", "nodes: &a 3\nb: *a", "? {a: [b]}\n: c", "a: !!binary x", "---\n---\n", "a:\n\t- b", "- - - -", "nodes: |+\n 3\n\n",
		"{nodes: 3, load: [{kind: constant, rate: 1}]}", "%TAG ! x\n---\na", "a: 'b", "\"\\x", "<<: [a]", "nodes: 3 # x\n...\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "file") || strings.Contains(string(data), "matrix") {
			return // opens what the machine has
		}
		c, err := Parse("mesh.yaml", data)
		if err != nil {
			requireOneLine(t, err)
			return
		}
		again, err := Marshal(c)
		require.NoError(t, err)
		back, err := Parse("mesh.yaml", again)
		require.NoError(t, err, "%s", again)
		require.Equal(t, c, back)
	})
}

func ExampleParse() {
	c, err := Parse("mesh.yaml", []byte(`
nodes: 5
network:
  latency: normal 10ms 2ms
faults:
  - at: 2s
    for: 3s
    kind: partition
    groups: [[n1, n2], [n3]]
`))
	fmt.Println(c.Nodes, c.Network.Latency, c.Faults[0].Groups, err)
	_, err = Parse("mesh.yaml", []byte("nodes: 5\nnetwrok:\n  loss: 0.1\n"))
	fmt.Println(err)
	// Output:
	// 5 normal 10ms 2ms [[n1 n2] [n3]] <nil>
	// mesh.yaml:2:1: found unknown key "netwrok", expected "network" (did you mean that?)
}

func ExampleMarshal() {
	data, err := Marshal(sim.Config{Nodes: 5, Network: sim.Network{Latency: sim.Exponential(5 * time.Millisecond)}})
	fmt.Print(string(data), err)
	// Output:
	// nodes: 5
	// network:
	//   latency: exp 5ms
	// <nil>
}
