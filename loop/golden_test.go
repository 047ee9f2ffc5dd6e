package loop_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop"
)

// TestGoldenScripts runs the protocol between a loop and its owner, call by
// call, as written down in testdata. Run with -rewrite to write what it is now.
//
// Commands: new, step, log, tick, settle, next, ready, advance, snapshot,
// capture. Times are durations. The lines under step and under on-tick are what
// the model does then: log TEXT, send TO TEXT, do KIND TARGET, refuse TEXT,
// next DURATION|never.
func TestGoldenScripts(t *testing.T) {
	paths := must(filepath.Glob("testdata/*.txt"))
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			datadriven.RunTest(t, path, (&golden{}).run)
		})
	}
}

type golden struct {
	model *scripted
	loop  *loop.Loop
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	var b strings.Builder
	switch d.Cmd {
	case "new":
		g.open(t, d)
	case "on-tick":
		g.model.onTick = parseWish(t, d)
	case "step":
		in := loop.Input{Now: span(t, d, "now"), WallMs: num(t, d, "wall"), From: num(t, d, "from"), Action: num(t, d, "action"), Msg: parseWish(t, d)}
		if text(t, d, "err") != "" {
			in.Err = errors.New(text(t, d, "err"))
		}
		if err := g.loop.Step(in); err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
		}
	case "log":
		level := appender.Info
		if s := text(t, d, "level"); s != "" {
			level = must(appender.ParseLevel(s))
		}
		g.loop.Log(span(t, d, "now"), num(t, d, "wall"), loop.LogLine{Level: level, Daemon: num(t, d, "daemon"), Message: d.Input})
	case "tick":
		g.loop.Tick(span(t, d, "now"), num(t, d, "wall"))
	case "settle":
		g.loop.Settle(num(t, d, "seq"), outcome(t, d))
	case "next":
		if at, ok := g.loop.NextTick(); ok {
			fmt.Fprintf(&b, "%v\n", at)
		} else {
			b.WriteString("never\n")
		}
	case "ready":
		showReady(&b, g.loop.Ready())
	case "advance":
		g.loop.Advance()
	case "snapshot":
		showSnapshot(&b, g.loop.Snapshot())
	case "capture":
		showSnapshot(&b, g.loop.Capture())
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	if b.Len() == 0 {
		return "ok"
	}
	return b.String()
}

func (g *golden) open(t *testing.T, d *datadriven.TestData) {
	o := loop.Options{Node: "n1", ID: 1, Start: span(t, d, "start"), Tick: span(t, d, "tick"),
		Ring: int(num(t, d, "ring")), Emissions: int(num(t, d, "emissions")), Incarnation: uint32(num(t, d, "incarnation"))}
	if d.HasArg("idler") {
		i := &idling{}
		g.model, g.loop = &i.scripted, loop.New(i, o)
		return
	}
	g.model = &scripted{}
	g.loop = loop.New(g.model, o)
}

func parseWish(t *testing.T, d *datadriven.TestData) (w wish) {
	for l := range strings.Lines(d.Input) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
		first, second, _ := strings.Cut(rest, " ")
		switch verb {
		case "":
		case "log":
			w.lines = append(w.lines, loop.LogLine{Message: rest})
		case "send":
			w.messages = append(w.messages, loop.Message{To: must(strconv.ParseUint(first, 10, 64)), Msg: second})
		case "do":
			w.actions = append(w.actions, loop.Action{Kind: first, Target: must(strconv.ParseUint(second, 10, 64))})
		case "refuse":
			w.refuse = rest
		case "next":
			w.next = -1
			if rest != "never" {
				w.next = must(time.ParseDuration(rest))
			}
		default:
			d.Fatalf(t, "unknown wish %q", l)
		}
	}
	return w
}

func showReady(b *strings.Builder, r *loop.Ready) {
	for _, a := range r.Actions {
		fmt.Fprintf(b, "action %d: %s %d\n", a.ID, a.Kind, a.Target)
	}
	for _, m := range r.Messages {
		fmt.Fprintf(b, "message to %d: %v\n", m.To, m.Msg)
	}
	for _, rec := range r.Records {
		fmt.Fprintf(b, "record %v\n", rec)
	}
	if b.Len() == 0 {
		b.WriteString("nothing\n")
	}
}

func showSnapshot(b *strings.Builder, s *loop.Snapshot) {
	fmt.Fprintf(b, "%s@%d tick %d at %v\n", s.Node, s.Incarnation, s.Tick, s.Now)
	for _, e := range s.Log {
		fmt.Fprintf(b, "  %v", e.Record)
		if e.ChainPending {
			b.WriteString(" pending")
		}
		b.WriteByte('\n')
	}
	for _, e := range s.Emissions {
		fmt.Fprintf(b, "  action %d: %s %d at %v", e.Action.ID, e.Action.Kind, e.Action.Target, e.At)
		if e.Done {
			b.WriteString(" done")
		}
		b.WriteByte('\n')
	}
	st := s.Stats
	fmt.Fprintf(b, "  steps=%d refused=%d lines=%d ticks=%d records=%d actions=%d messages=%d ring-dropped=%d emissions-dropped=%d settled=%v evicted=%d\n",
		st.Steps, st.Refused, st.Lines, st.Ticks, st.Records, st.Actions, st.Messages, st.RingDropped, st.EmissionsDropped, st.Settled[1:], st.SettledEvicted)
}

func text(t *testing.T, d *datadriven.TestData, key string) (s string) {
	d.MaybeScanArgs(t, key, &s)
	return s
}

func num(t *testing.T, d *datadriven.TestData, key string) (n uint64) {
	d.MaybeScanArgs(t, key, &n)
	return n
}

func span(t *testing.T, d *datadriven.TestData, key string) time.Duration {
	if s := text(t, d, key); s != "" {
		return must(time.ParseDuration(s))
	}
	return 0
}

func outcome(t *testing.T, d *datadriven.TestData) appender.Outcome {
	s := text(t, d, "outcome")
	for o := range appender.Outcome(appender.NumOutcomes) {
		if o.String() == s {
			return o
		}
	}
	d.Fatalf(t, "unknown outcome %q", s)
	return 0
}

// must is for what a script says: a script that cannot be read is a bug.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
