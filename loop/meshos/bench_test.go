package meshos_test

import (
	"testing"
	"time"

	"meshsim/loop"
	"meshsim/loop/meshos"
)

// mesh30 is a node among thirty, with its loop.
func mesh30() *loop.Loop {
	o := meshos.Options{Self: 1}
	for id := range uint64(30) {
		o.Peers = append(o.Peers, id+1)
	}
	return loop.New(meshos.New(o), loop.Options{Node: "n1", ID: 1})
}

func step(b *testing.B, l *loop.Loop, in loop.Input) {
	if err := l.Step(in); err != nil {
		b.Fatal(err)
	}
	l.Advance()
}

// BenchmarkHeartbeat measures a loop step for what a mesh exchanges most, in a
// mesh of thirty nodes: a peer's heartbeat, which is answered, and an own one
// that comes back, which gives a round trip.
func BenchmarkHeartbeat(b *testing.B) {
	b.Run("answer", func(b *testing.B) {
		l := mesh30()
		var now time.Duration
		var msg any = meshos.Heartbeat{Origin: 7}
		b.ReportAllocs()
		for b.Loop() {
			now += time.Microsecond
			step(b, l, loop.Input{Now: now, From: 7, Msg: msg})
		}
	})
	b.Run("measure", func(b *testing.B) {
		l := mesh30()
		var now time.Duration
		var msg any = meshos.Heartbeat{Origin: 1}
		b.ReportAllocs()
		for b.Loop() {
			now += time.Nanosecond
			step(b, l, loop.Input{Now: now, From: 7, Msg: msg})
		}
	})
	b.Run("send-29", func(b *testing.B) {
		l := mesh30()
		var now time.Duration
		b.ReportAllocs()
		for b.Loop() {
			now += 500 * time.Millisecond
			l.Tick(now, 0)
			l.Advance()
		}
	})
}

// BenchmarkDigest measures what a shadowed node pays at every step, after a
// heartbeat.
func BenchmarkDigest(b *testing.B) {
	l := mesh30()
	var now time.Duration
	var msg any = meshos.Heartbeat{Origin: 7}
	b.ReportAllocs()
	for b.Loop() {
		now += time.Microsecond
		step(b, l, loop.Input{Now: now, From: 7, Msg: msg})
		l.Digest(0)
	}
}
