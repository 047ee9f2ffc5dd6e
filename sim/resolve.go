package sim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// The bounds of a configuration: beyond them a run could not end.
const (
	NodesMax    = 100_000
	DurationMax = 10_000 * time.Hour
	RateMax     = 1e6     // lines per second and node
	BytesMax    = 1 << 16 // of a log line
	QueueMax    = 1 << 24 // of every ring, inbox and buffer
)

// None says, for Mesh.Daemons and Mesh.Heartbeat, that there are none; 0 means
// the default.
const None = -1

// Resolve returns c with every default filled in, after checking every field.
// It opens the files that c names. Its error is a [*FieldError] for the first
// wrong field in the order of the struct, or the [*InputError] of a matrix.
// What it returns shares no slice with c and resolves to itself.
//
// A swarm configuration is checked as far as it is set, and returned as it is:
// Draw it first.
func (c Config) Resolve() (Config, error) {
	r := c.clone()
	if c.Swarm {
		r.openSwarm()
	}
	r.fill()
	k := checks{c: &r}
	k.all()
	if k.err != nil {
		return c, k.err
	}
	if c.Swarm {
		return c.clone(), nil
	}
	return r, nil
}

// clone copies c as deep as Resolve and Draw write to it.
func (c Config) clone() Config {
	c.Load = slices.Clone(c.Load)
	c.Faults = slices.Clone(c.Faults)
	c.Chaos = slices.Clone(c.Chaos)
	c.Sometimes = slices.Clone(c.Sometimes)
	c.Network.Regions = slices.Clone(c.Network.Regions)
	return c
}

// matrix loads the matrix that c names, limited to its regions; nil if it
// names none.
func (c *Config) matrix() (*Matrix, error) {
	if c.Network.Matrix == "" {
		return nil, nil
	}
	m, err := LoadMatrix(c.Network.Matrix)
	if err != nil {
		var bad *InputError
		if errors.As(err, &bad) {
			return nil, err
		}
		return nil, unreadable("network.matrix", c.Network.Matrix,
			fmt.Sprintf("a matrix file, or a built-in one of %v", BuiltinMatrices()), err)
	}
	if len(c.Network.Regions) == 0 {
		return m, nil
	}
	s, err := m.Select(c.Network.Regions)
	if err != nil {
		return nil, within("network.regions", err)
	}
	return s, nil
}

// unreadable says that a file which a field names cannot be read. The cause
// comes without the path, which stands before it.
func unreadable(path, file, what string, err error) error {
	cause := err
	var perr *os.PathError
	if errors.As(err, &perr) {
		cause = perr.Err
	}
	return &FieldError{Path: path, Found: fmt.Sprintf("%q (%v)", file, cause), Expected: what + " that can be read", Err: err}
}

// readableLog checks that a log file can be replayed.
func readableLog(path, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return unreadable(path, file, "a log file", err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return &FieldError{Path: path, Found: fmt.Sprintf("%q (an empty file)", file), Expected: "a log file with at least one line"}
	} else if err != nil {
		return unreadable(path, file, "a log file", err)
	}
	return nil
}

// within puts a path before that of a field error.
func within(path string, err error) error {
	var f *FieldError
	if errors.As(err, &f) {
		g := *f
		g.Path = path + f.Path
		return &g
	}
	return err
}

// orElse fills in a default.
func orElse[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// fill sets every field that is zero to its default.
func (c *Config) fill() {
	orElse(&c.Nodes, 3)
	orElse(&c.Duration, 10*time.Second)
	orElse(&c.Recovery, 30*time.Second)
	orElse(&c.Loop.Tick, 500*time.Millisecond)
	orElse(&c.Loop.Ring, 2048)
	orElse(&c.Loop.Inbox, 4096)
	orElse(&c.Mesh.Heartbeat, 500*time.Millisecond)
	if c.Mesh.Peers >= c.Nodes-1 {
		c.Mesh.Peers = 0 // all
	}
	orElse(&c.Mesh.Daemons, 2)
	orElse(&c.Appender.Kind, "buffering")
	if c.Appender.Kind != appenderNoOp {
		orElse(&c.Appender.Capacity, 16384)
	}
	if c.Appender.Kind == appenderFilelog {
		orElse(&c.Appender.Sync, syncAlways)
		orElse(&c.Appender.SegmentBytes, segmentDefault)
		c.Disk.fill()
	}
	c.Host.fill()
	if c.Network.Matrix == "" {
		orElse(&c.Network.Latency, Uniform(time.Millisecond, 5*time.Millisecond))
	}
	orElse(&c.Network.InFlight, "deliver")
	if c.Schedule.Hold > 0 {
		orElse(&c.Schedule.Kind, "random") // the one that can
	}
	orElse(&c.Schedule.Kind, "default")
	orElse(&c.Heal.Hangs, "release")
	orElse(&c.Shadows, 0.2)
	orElse(&c.Incarnation, 1)
	for i := range c.Load {
		c.Load[i].fill(c.Duration)
	}
	for i := range c.Faults {
		c.Faults[i].fill()
	}
	for i := range c.Chaos {
		c.Chaos[i].fill()
	}
}

func (d *Disk) fill() {
	orElse(&d.Write, Uniform(10*time.Microsecond, 100*time.Microsecond))
	orElse(&d.Sync, Uniform(500*time.Microsecond, 2*time.Millisecond))
	orElse(&d.Sector, sectorDefault)
	orElse(&d.Loss, lossDraw)
}

func (h *Host) fill() {
	orElse(&h.Inbox, 1024)
	orElse(&h.Batch, 128)
	orElse(&h.Attempts, 3)
	orElse(&h.Abandoned, 4)
	orElse(&h.Deadline, time.Second)
	orElse(&h.Grace, 250*time.Millisecond)
	orElse(&h.Backoff, 50*time.Millisecond)
	orElse(&h.MaxBackoff, max(5*time.Second, h.Backoff))
	orElse(&h.Probe, time.Second)
}

func (l *Load) fill(end time.Duration) {
	if len(l.Nodes) == 0 {
		l.Nodes = []string{allNodes}
	}
	if l.Kind == LoadReplay {
		orElse(&l.Speed, 1)
		orElse(&l.MaxGap, 2*time.Second)
		return
	}
	orElse(&l.Until, end)
	orElse(&l.Bytes, 48)
}

func (f *Fault) fill() {
	t := traits[f.Kind]
	if len(f.Nodes) == 0 && t.class == classLink && f.Kind != kindClog {
		f.Nodes = []string{allNodes}
	}
	if t.prob {
		orElse(&f.Prob, 1)
	}
	if f.Kind == kindPartition {
		orElse(&f.Shape, shapeSymmetric)
	}
}

func (c *Chaos) fill() {
	t := traits[c.Kind]
	if len(c.Nodes) == 0 {
		c.Nodes = []string{allNodes}
	}
	if t.prob {
		orElse(&c.Prob, 1)
	}
	if c.For.IsZero() && t.lasts {
		c.For = Constant(time.Second)
	}
}
