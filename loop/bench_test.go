package loop_test

import (
	"testing"
	"time"

	"meshsim/appender"
	"meshsim/loop"
)

// idle is a model that does nothing, for what the loop itself costs.
type idle struct{}

func (idle) Step(loop.Input, *loop.Ready) error { return nil }
func (idle) Tick(time.Duration, *loop.Ready)    {}

// logger is a model that logs one line per input.
type logger struct{ line loop.LogLine }

func (m logger) Step(_ loop.Input, out *loop.Ready) error { out.Log(m.line); return nil }
func (logger) Tick(time.Duration, *loop.Ready)            {}

var line = loop.LogLine{Daemon: 3, Message: "connection to 10.0.0.7:8080 refused, retry 2"}

// full returns a loop whose log ring is full.
func full(m loop.Model) *loop.Loop {
	l := loop.New(m, loop.Options{Node: "n1", ID: 1})
	for range loop.DefaultRing {
		l.Log(0, 0, line)
		l.Advance()
	}
	return l
}

// BenchmarkLine measures a log line in the steady state: through Log, through a
// model's Step, with its settlement, and beside them the push of the same entry
// into a bare ring, which no loop can do without.
func BenchmarkLine(b *testing.B) {
	b.Run("log", func(b *testing.B) {
		l := full(idle{})
		b.ReportAllocs()
		for b.Loop() {
			l.Log(1, 1, line)
			l.Advance()
		}
	})
	b.Run("step", func(b *testing.B) {
		l := full(logger{line})
		b.ReportAllocs()
		for b.Loop() {
			_ = l.Step(loop.Input{Now: 1, WallMs: 1})
			l.Advance()
		}
	})
	b.Run("log-settle", func(b *testing.B) {
		l := full(idle{})
		b.ReportAllocs()
		for b.Loop() {
			l.Log(1, 1, line)
			l.Advance()
			l.Settle(l.Stats().Records, appender.Appended)
		}
	})
	b.Run("ring", func(b *testing.B) {
		r := appender.NewRing[loop.Entry](loop.DefaultRing)
		var seq uint64
		b.ReportAllocs()
		for b.Loop() {
			seq++
			r.Push(loop.Entry{Record: appender.Record{Seq: seq, TimeMs: 1, Daemon: line.Daemon, Node: "n1", Message: line.Message, Incarnation: 1}, ChainPending: true})
		}
	})
}

// BenchmarkStep measures the loop's own cost of an input.
func BenchmarkStep(b *testing.B) {
	l := loop.New(idle{}, loop.Options{})
	b.ReportAllocs()
	for b.Loop() {
		_ = l.Step(loop.Input{Now: 1})
		l.Advance()
	}
}

// BenchmarkCapture measures a snapshot of a full log ring.
func BenchmarkCapture(b *testing.B) {
	l := full(idle{})
	b.ReportAllocs()
	for b.Loop() {
		l.Capture()
	}
}
