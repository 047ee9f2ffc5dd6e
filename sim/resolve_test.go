package sim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestZeroConfigResolvesToTheDocumentedDefaults(t *testing.T) {
	c, err := Config{}.Resolve()
	require.NoError(t, err)
	require.Equal(t, Config{
		Nodes: 3, Duration: 10 * time.Second, Recovery: 30 * time.Second,
		Loop:     Loop{Tick: 500 * time.Millisecond, Ring: 2048, Inbox: 4096},
		Mesh:     Mesh{Heartbeat: 500 * time.Millisecond, Daemons: 2},
		Appender: Appender{Kind: "buffering", Capacity: 16384},
		Host: Host{Inbox: 1024, Batch: 128, Attempts: 3, Abandoned: 4, Deadline: time.Second,
			Grace: 250 * time.Millisecond, Backoff: 50 * time.Millisecond, MaxBackoff: 5 * time.Second, Probe: time.Second},
		Network:  Network{Latency: Uniform(time.Millisecond, 5*time.Millisecond), InFlight: "deliver"},
		Schedule: Schedule{Kind: "default"},
		Heal:     HealPolicy{Hangs: "release"},
		Shadows:  0.2, Incarnation: 1,
	}, c)
	c, err = Config{Appender: Appender{Kind: "filelog"}}.Resolve()
	require.NoError(t, err)
	require.Equal(t, Appender{Kind: "filelog", Capacity: 16384, Sync: "always", SegmentBytes: 64 << 10}, c.Appender)
	require.Equal(t, Disk{Write: Uniform(10*time.Microsecond, 100*time.Microsecond),
		Sync: Uniform(500*time.Microsecond, 2*time.Millisecond), Sector: 512, Loss: "draw"}, c.Disk)
}

func TestResolveResolvesToItselfAndSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		written := Config{Swarm: true}.Draw(rapid.Uint64().Draw(t, "seed"))
		before := fmt.Sprintf("%+v", written)
		once, err := written.Resolve()
		require.NoError(t, err)
		require.Equal(t, before, fmt.Sprintf("%+v", written), "Resolve does not change what it is called on")
		twice, err := once.Resolve()
		require.NoError(t, err)
		require.Equal(t, once, twice)
		for i := range twice.Load {
			twice.Load[i].Rate = -1
		}
		for i := range twice.Chaos {
			twice.Chaos[i].Kind = "x"
		}
		again, err := once.Resolve()
		require.NoError(t, err)
		require.Equal(t, once, again)
	})
}

// full is a valid configuration in which every field is used.
func full() Config {
	return Config{
		Nodes: 5, Duration: 10 * time.Second,
		Service:  Uniform(0, 1000),
		Appender: Appender{Kind: "filelog", Capacity: 10, Latency: Constant(1), Sync: "every 64", SegmentBytes: 4096},
		Disk:     Disk{Read: Constant(1), Write: Constant(1), Sync: Constant(1), Sector: 512, Loss: "all", Capacity: 1 << 20},
		Network:  Network{Matrix: "ibm-cloud", Regions: []string{"dallas", "tokyo"}},
		Load: []Load{
			{Kind: LoadConstant, Rate: 1},
			{Kind: LoadBurst, Size: 2, Every: time.Second},
			{Kind: LoadRamp, Rate: 1, To: 2},
			{Kind: LoadReplay, File: "testdata/logs/quorum.log", Until: 5 * time.Second},
		},
		Faults: []Fault{
			{Kind: kindCrash, At: time.Second, For: time.Second, Nodes: []string{"n1"}},
			{Kind: kindSlow, Nodes: []string{"tokyo"}, Factor: 2},
			{Kind: kindSkew, Nodes: []string{"n2"}, Factor: 1.1},
			{Kind: kindJump, Nodes: []string{"n2"}, By: -time.Hour},
			{Kind: kindLatency, By: time.Millisecond, Prob: 0.5},
			{Kind: kindAppendError, Nodes: []string{"all"}, Record: 3},
			{Kind: kindDiskError, Nodes: []string{"all"}, Prob: 0.5},
			{Kind: kindPartition, Groups: [][]string{{"n1"}, {"n2", "n4"}}},
		},
		Chaos: []Chaos{
			{Kind: kindPause, Every: time.Second},
			{Kind: kindSlow, Every: time.Second, Factor: 2},
			{Kind: kindDiskSlow, Every: time.Second, Factor: 2},
			{Kind: kindAppendLatency, Every: time.Second, By: time.Second},
		},
		Schedule: Schedule{Kind: "random", Hold: time.Millisecond},
	}
}

// Every number that a user can write has a bound, and beyond it the error
// names its field.
func TestEveryNumberIsCheckedAndItsFieldNamed(t *testing.T) {
	_, err := full().Resolve()
	require.NoError(t, err)

	checked := 0
	var walk func(v reflect.Value, path string, root *Config)
	spoil := func(v reflect.Value, path string, root *Config) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		defer v.Set(old)
		switch {
		case v.Type() == reflect.TypeFor[Dist]():
			v.Set(reflect.ValueOf(Dist{Kind: DistExp, A: -1}))
		case v.Type() == reflect.TypeFor[time.Duration]():
			v.SetInt(-int64(DurationMax) - 7)
		case v.Kind() == reflect.Int:
			v.SetInt(-7)
		case v.Kind() == reflect.Float64:
			v.SetFloat(-7)
		case v.Kind() == reflect.Uint64:
			v.SetUint(1 << 63)
		case v.Kind() == reflect.String && path != "name" && path != "about":
			v.SetString("no such thing")
		default:
			return
		}
		checked++
		_, err := root.Resolve()
		var f *FieldError
		require.ErrorAs(t, err, &f, "%s spoilt", path)
		require.Equal(t, path, f.Path, "%v", err)
		require.ErrorIs(t, err, ErrConfig)
		require.NotEmpty(t, f.Found)
		require.NotEmpty(t, f.Expected)
	}
	walk = func(v reflect.Value, path string, root *Config) {
		switch {
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[Dist]():
			for i := range v.NumField() {
				key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
				if key != "" && key != "-" {
					walk(v.Field(i), strings.TrimPrefix(path+"."+key, "."), root)
				}
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), root)
			}
		default:
			spoil(v, path, root)
		}
	}
	c := full()
	walk(reflect.ValueOf(&c).Elem(), "", &c)
	require.Greater(t, checked, 100)
}

func TestWrongConfigNamesFieldFoundAndExpected(t *testing.T) {
	base := func(change func(*Config)) Config {
		c := Config{Nodes: 3}
		change(&c)
		return c
	}
	for _, x := range []struct {
		c    Config
		want string
	}{
		{base(func(c *Config) { c.Nodes = -1 }), `sim: nodes: found -1, expected a number from 1 to 100000`},
		{base(func(c *Config) { c.Mesh.Daemons = -2 }), `sim: mesh.daemons: found -2, expected a number from 1 to 10000, or none`},
		{base(func(c *Config) { c.Network.Loss = 1.01 }), `sim: network.loss: found 1.01, expected a probability from 0 to 1`},
		{base(func(c *Config) { c.Appender.Kind = "bufering" }), `sim: appender.kind: found "bufering", expected "buffering" (did you mean that?)`},
		{base(func(c *Config) { c.Host.MaxBackoff, c.Host.Backoff = time.Second, 2*time.Second }),
			`sim: host.max_backoff: found 1s, expected at least host.backoff, 2s`},
		{base(func(c *Config) { c.Appender.Sync = "always" }),
			`sim: appender.sync: found "sync", expected no such field: buffering does not take it`},
		{base(func(c *Config) { c.Appender = Appender{Kind: "filelog", Sync: "sometimes"} }),
			`sim: appender.sync: found "sometimes", expected "always", "never", "every N" (records) or "interval D" such as "interval 100ms"`},
		{base(func(c *Config) { c.Disk.Sector = 512 }),
			`sim: disk.sector: found "sector", expected no such field: buffering does not take it`},
		{base(func(c *Config) { c.Appender.Kind, c.Disk.Sector = "filelog", 500 }),
			`sim: disk.sector: found 500, expected a power of two from 16 to 65536`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindDiskFull, Nodes: []string{"n1"}}} }),
			`sim: faults[0].kind: found "disk-full", expected no such fault: it strikes the disk under appender.kind filelog`},
		{base(func(c *Config) { c.Network.Regions = []string{"dallas"} }),
			`sim: network.regions: found 1 region, expected network.matrix beside them`},
		{base(func(c *Config) { c.Network = Network{Matrix: "ibm-cloud", Regions: []string{"dallas", "tokio"}} }),
			`sim: network.regions[1]: found unknown region "tokio", expected "tokyo" (did you mean that?)`},
		{base(func(c *Config) { c.Network = Network{Matrix: "ibm-cloud", Regions: []string{"dallas", "dallas"}} }),
			`sim: network.regions[1]: found region "dallas" a second time, expected each region once`},
		{base(func(c *Config) { c.Load = []Load{{Kind: LoadPoisson}} }),
			`sim: load[0].rate: found 0, expected lines per second, from 0.001 to 1000000`},
		{base(func(c *Config) { c.Load = []Load{{Kind: LoadBurst, Size: 3, Every: time.Second, Rate: 4}} }),
			`sim: load[0].rate: found "rate", expected no such field: burst does not take it`},
		{base(func(c *Config) { c.Load = []Load{{Kind: LoadReplay}} }),
			`sim: load[0].file: found nothing, expected the log file to replay`},
		{base(func(c *Config) {
			c.Load = []Load{{Kind: LoadConstant, Rate: 1, From: 5 * time.Second, Until: 4 * time.Second}}
		}),
			`sim: load[0].until: found 4s, expected a time after from, 5s`},
		{base(func(c *Config) { c.Load = []Load{{Kind: LoadConstant, Rate: 1, Until: 11 * time.Second}} }),
			`sim: load[0].until: found 11s, expected a time until the end, 10s`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindCrash}} }),
			`sim: faults[0].nodes: found no nodes, expected node names such as "n1", region names, or "all"`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindCrash, Nodes: []string{"n2", "n4"}}} }),
			`sim: faults[0].nodes[1]: found unknown node "n4", expected a node from n1 to n3, or "all"`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindCrash, At: 10 * time.Second, Nodes: []string{"n2"}}} }),
			`sim: faults[0].at: found 10s, expected a time before the end, 10s`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: "crush", Nodes: []string{"n2"}}} }),
			`sim: faults[0].kind: found "crush", expected "crash" (did you mean that?)`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindPartition}} }),
			`sim: faults[0].groups: found 0 groups, expected from 1 to 3 groups of nodes`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindPartition, Groups: [][]string{{"n1"}, {"n9"}}}} }),
			`sim: faults[0].groups[1][0]: found unknown node "n9", expected a node from n1 to n3, or "all"`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindPartition, Groups: [][]string{{"n1"}, {"n2", "n1"}}}} }),
			`sim: faults[0].groups[1]: found n1, which is in groups[0], expected each node in one group`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindPartition, Groups: [][]string{{"all"}}}} }),
			`sim: faults[0].groups: found one group of every node, expected somebody to cut it off from`},
		{base(func(c *Config) {
			c.Faults = []Fault{{Kind: kindPartition, Shape: shapePartial, Groups: [][]string{{"n1"}}}}
		}), `sim: faults[0].groups: found 1 group, expected from 2 to 3 groups of nodes`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindJump, Nodes: []string{"n1"}, By: 1, For: 1}} }),
			`sim: faults[0].for: found "for", expected no such field: jump does not take it`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindOpenError, Nodes: []string{"n1"}, Record: 4}} }),
			`sim: faults[0].record: found "record", expected no such field: open-error does not take it`},
		{base(func(c *Config) { c.Faults = []Fault{{Kind: kindLoss, Prob: 1.5}} }),
			`sim: faults[0].prob: found 1.5, expected a probability above 0, at most 1`},
		{base(func(c *Config) { c.Chaos = []Chaos{{Kind: kindSlow, Every: time.Second}} }),
			`sim: chaos[0].factor: found 0, expected how many times slower, from 1 to 1e6`},
		{base(func(c *Config) { c.Chaos = []Chaos{{Kind: kindPause}} }),
			`sim: chaos[0].every: found 0s, expected a duration from 1ms to 24h0m0s`},
		{base(func(c *Config) { c.Schedule = Schedule{Kind: "default", Hold: 1} }),
			`sim: schedule.hold: found 1ns, expected no hold: only a random schedule keeps steps back`},
		{base(func(c *Config) { c.Sometimes = []string{"record-dropped", "record-droped"} }),
			`sim: sometimes[1]: found "record-droped", expected "record-dropped" (did you mean that?)`},
		{base(func(c *Config) { c.Sometimes = []string{"record-dropped", "record-dropped"} }),
			`sim: sometimes[1]: found "record-dropped" a second time, expected each mark once`},
	} {
		_, err := x.c.Resolve()
		require.EqualError(t, err, x.want)
	}
}

// What a replay's length decides cannot be checked before.
func TestTimesBeyondTheDurationAreFineWhereAReplayProlongs(t *testing.T) {
	c := Config{
		Load:   []Load{{Kind: LoadReplay, File: "testdata/logs/quorum.log"}, {Kind: LoadConstant, Rate: 1, Until: time.Minute}},
		Faults: []Fault{{Kind: kindCrash, At: 30 * time.Second, Nodes: []string{"n1"}}},
	}
	_, err := c.Resolve()
	require.NoError(t, err)
}

func TestNearestFindsTyposAndNothingElse(t *testing.T) {
	words := FaultKinds()
	for typo, want := range map[string]string{
		"crahs": "crash", "partitoin": "partition", "append_hang": "append-hang", "Crash": "crash", "jmp": "jump",
		"": "", "x": "", "disk": "", "restart": "", strings.Repeat("x", 1000): "",
	} {
		require.Equal(t, want, Nearest(typo, words), "%q", typo)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[ab]{0,6}`).Draw(t, "a"), rapid.StringMatching(`[ab]{0,6}`).Draw(t, "b")
		require.Equal(t, editDistance(a, b), editDistance(b, a))
		require.Equal(t, a == b, editDistance(a, b) == 0)
		require.LessOrEqual(t, editDistance(a, b), max(len(a), len(b)))
	})
}

func ExampleConfig_Resolve() {
	c, err := Config{Nodes: 5}.Resolve()
	fmt.Println(c.Nodes, c.Duration, c.Network.Latency, err)
	_, err = Config{Faults: []Fault{{Kind: "partition", Groups: [][]string{{"n1"}, {"n7"}}}}}.Resolve()
	fmt.Println(err)
	// Output:
	// 5 10s uniform 1ms 5ms <nil>
	// sim: faults[0].groups[1][0]: found unknown node "n7", expected a node from n1 to n3, or "all"
}

func BenchmarkResolve(b *testing.B) {
	swarm := Config{Swarm: true}.Draw(3)
	regions := Config{Nodes: 10, Network: Network{Matrix: "ibm-cloud"}}
	for name, c := range map[string]Config{"swarm": swarm, "matrix": regions} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Resolve(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("draw", func(b *testing.B) {
		b.ReportAllocs()
		seed := uint64(0)
		for b.Loop() {
			seed++
			Config{Swarm: true}.Draw(seed)
		}
	})
}
