package sim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// The kinds of a [Load].
const (
	LoadConstant = "constant"
	LoadPoisson  = "poisson"
	LoadBurst    = "burst"
	LoadRamp     = "ramp"
	LoadReplay   = "replay"
)

// Line is one log line that reaches a node's loop.
type Line struct {
	At   time.Duration // since the start of the run
	Node int           // from 1
	Log  loop.LogLine
}

// Source yields the lines of one entry of the load, in order of time. It makes
// each line when it is asked for, so that a long run costs no more memory than
// a short one. One goroutine at a time uses it.
type Source interface {
	// Next is the next line; false when there is none any more.
	Next() (Line, bool)
	// Prolongs reports whether the safety phase lasts until this source ends.
	Prolongs() bool
	// Err is why the source ended before its time: a log file that could not
	// be read any further.
	Err() error
}

// Workload is all that a run's nodes are given to log.
type Workload struct {
	// Sources are independent of each other: one per entry and node, except
	// that a replay has one for all of its nodes.
	Sources []Source
	files   []io.Closer
}

// Close closes the log files under replay.
func (w *Workload) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	w.files = nil
	return errors.Join(errs...)
}

// NewWorkload makes the load of a resolved configuration. The lines are a
// function of the configuration and the seed, and those of one entry and node
// do not depend on any other entry or node. The error is a [*FieldError] about
// a log file that cannot be opened. The caller closes the workload.
func NewWorkload(cfg *Config, seed uint64) (*Workload, error) {
	w := new(Workload)
	m, err := cfg.matrix()
	if err != nil {
		return nil, err
	}
	for i := range cfg.Load {
		if err := w.add(cfg, m, i, mix(mix(seed, rootLoad), uint64(i))); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

func (w *Workload) add(cfg *Config, m *Matrix, i int, key uint64) error {
	l := &cfg.Load[i]
	nodes, err := NodesOf(l.Nodes, cfg.Nodes, m)
	if err != nil {
		return within(fmt.Sprintf("load[%d].nodes", i), err)
	}
	if l.Kind == LoadReplay {
		f, err := os.Open(l.File)
		if err != nil {
			return unreadable(fmt.Sprintf("load[%d].file", i), l.File, "a log file", err)
		}
		w.files = append(w.files, f)
		w.Sources = append(w.Sources, newReplay(l, nodes, f))
		return nil
	}
	text := filler(l.Bytes)
	for _, node := range nodes {
		k := mix(key, uint64(node))
		w.Sources = append(w.Sources, &generator{
			load: l, node: node, key: k, text: text,
			daemons: max(0, cfg.Mesh.Daemons),
			phase:   unit(k, purposeLoadPhase, 0),
		})
	}
	return nil
}

// rootLoad and rootSwarm are roots of random keys beside the world's; see
// draws.go.
const (
	rootLoad  uint64 = 101
	rootSwarm uint64 = 102
)

// The purposes of a generator's random draws, keyed by the line's number.
const (
	purposeLoadPhase uint64 = iota + 1
	purposeLoadGap
	purposeLoadText
	purposeLoadLevel
	purposeLoadDaemon
)

// generator is the source of a synthetic load at one node.
type generator struct {
	load    *Load
	node    int
	key     uint64
	text    string
	daemons int
	phase   float64       // in [0, 1) of a gap: keeps the nodes out of step
	made    uint64        // lines so far
	at      time.Duration // of the last line, since the entry began; poisson's
}

func (g *generator) Prolongs() bool { return false }
func (g *generator) Err() error     { return nil }

func (g *generator) Next() (Line, bool) {
	since, ok := g.next()
	if !ok || since >= g.load.Until-g.load.From {
		return Line{}, false
	}
	num := g.made
	g.made++
	return Line{At: g.load.From + since, Node: g.node, Log: g.line(num)}, true
}

// next is when the next line is due, since the entry began. Each product and
// sum is rounded on its own, so that the result is the same on every machine
// (see quantile.go).
func (g *generator) next() (time.Duration, bool) {
	l := g.load
	n := float64(g.made) + g.phase
	switch l.Kind {
	case LoadConstant:
		return seconds(n / l.Rate)
	case LoadPoisson:
		// The mean is not rounded to a nanosecond: at 100,000 lines a second
		// that would show.
		gap := -ln(upperTail(bitsOf(g.key, purposeLoadGap, g.made)))
		d, ok := seconds(gap / l.Rate)
		if !ok || d > math.MaxInt64-g.at {
			return 0, false
		}
		g.at += d
		return g.at, true
	case LoadBurst:
		hi := g.made / uint64(l.Size)
		if hi > uint64((l.Until-l.From)/l.Every) {
			return 0, false
		}
		return time.Duration(hi) * l.Every, true
	case LoadRamp:
		return rampTime(n, l.Rate, l.To, (l.Until - l.From).Seconds())
	}
	panic("sim: load of unknown kind " + l.Kind)
}

// rampTime is when the n-th line of a ramp is due: the t at which the integral
// of the rate, r*t + (to-r)/span * t*t/2, reaches n. The root is taken in the
// form that loses no digits when the ramp is flat.
func rampTime(n, r, to, span float64) (time.Duration, bool) {
	if n == 0 {
		return 0, true
	}
	slope := (to - r) / span
	square := float64(r*r) + float64(float64(2*slope)*n)
	if !(square >= 0) {
		return 0, false // a falling ramp never gets that far
	}
	return seconds(float64(2*n) / (r + math.Sqrt(square)))
}

// seconds is s in nanoseconds; false beyond any run's end.
func seconds(s float64) (time.Duration, bool) {
	ns := math.Floor(float64(s * 1e9))
	if !(ns < math.MaxInt64/2) {
		return 0, false
	}
	return time.Duration(ns), true
}

// line makes line num without allocating: its text is a slice of the filler
// that begins with a word.
func (g *generator) line(num uint64) loop.LogLine {
	at := below(fillerWindow, g.key, purposeLoadText, num)
	for g.text[at] != ' ' {
		at++
	}
	at++
	return loop.LogLine{
		Level:   levelMix[bitsOf(g.key, purposeLoadLevel, num)>>60],
		Daemon:  uint64(below(g.daemons+1, g.key, purposeLoadDaemon, num)),
		Message: g.text[at : at+g.load.Bytes],
	}
}

// levelMix is the share of the levels among 16 lines.
var levelMix = [16]appender.Level{
	appender.Error, appender.Warn, appender.Warn, appender.Debug, appender.Debug, appender.Trace,
	appender.Info, appender.Info, appender.Info, appender.Info, appender.Info,
	appender.Info, appender.Info, appender.Info, appender.Info, appender.Info,
}

// fillerWindow is where in a filler a message may begin.
const fillerWindow = 4096

// fillerPhrases have words of at most 16 bytes.
var fillerPhrases = []string{
	"peer answered in time; ", "queue drained; ", "lease renewed for slot 7; ", "snapshot written; ",
	"retrying the upstream call; ", "connection accepted; ", "cache warmed; ", "checkpoint 42 reached; ",
	"worker idle; ", "route recomputed; ", "quota refreshed; ", "index compacted; ", "session closed by peer; ",
}

// filler is a text long enough that a message of the given length can begin
// anywhere in its window, or up to a word later. It is the same for every
// load: what varies is where the messages begin.
func filler(bytes int) string {
	var b strings.Builder
	for i := uint64(0); b.Len() < fillerWindow+bytes+32; i++ {
		b.WriteString(fillerPhrases[below(len(fillerPhrases), 0, purposeLoadText, i)])
	}
	return b.String()
}

// replay is the source of a real log: its lines go to the nodes in turn.
type replay struct {
	load  *Load
	nodes []int
	log   *LogReader
	made  int
	at    time.Duration
	last  LogEntry // the last line that had a time
	timed bool
	err   error
	done  bool
}

func newReplay(l *Load, nodes []int, r io.Reader) *replay {
	return &replay{load: l, nodes: nodes, log: NewLogReader(r), at: l.From}
}

func (r *replay) Prolongs() bool { return r.load.Until == 0 }
func (r *replay) Err() error     { return r.err }

func (r *replay) Next() (Line, bool) {
	if r.done {
		return Line{}, false
	}
	e, err := r.log.Next()
	if err != nil {
		r.done = true
		if !errors.Is(err, io.EOF) {
			r.err = fmt.Errorf("sim: replaying %s: %w", r.load.File, err)
		}
		return Line{}, false
	}
	r.at += r.gap(e)
	if r.load.Until > 0 && r.at >= r.load.Until {
		r.done = true
		return Line{}, false
	}
	node := r.nodes[r.made%len(r.nodes)]
	r.made++
	return Line{At: r.at, Node: node, Log: loop.LogLine{Level: e.Level, Message: e.Text}}, true
}

// gap is how long after the line before it e is due. A line without a time
// comes with the line before it; so does one whose time went back.
func (r *replay) gap(e LogEntry) time.Duration {
	if !e.HasTime {
		return 0
	}
	was, had := r.last, r.timed
	r.last, r.timed = e, true
	if !had {
		return 0
	}
	real := e.Time.Sub(was.Time)
	if real <= 0 {
		return 0
	}
	scaled := float64(real) / r.load.Speed
	if scaled >= float64(r.load.MaxGap) {
		return r.load.MaxGap
	}
	return time.Duration(scaled)
}
