package props

import (
	"fmt"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// FIFODrop holds when whatever is dropped is the oldest that waits, and only
// a full queue drops:
//
//   - a record settles as dropped only while it is the oldest one queued at
//     its host, and only with the inbox full (records in hand or waiting for a
//     retry do not wait in the inbox);
//   - a log line is dropped only while it is the oldest one that waits for the
//     loop;
//   - the loop's log ring of capacity c holds exactly the last min(k, c) of k
//     records, and counts max(0, k - c) as dropped (shadowed nodes, at some ticks).
//
// The same law of an appender's buffer is a property test of Buffering.
func FIFODrop() trace.Checker {
	return &fifoDrop{judge: always("fifo-drop",
		trace.NodeStarted, trace.RecordEmitted, trace.RecordSettled,
		trace.AttemptStarted, trace.AttemptEnded,
		trace.LineIn, trace.LineLogged, trace.LineDropped, trace.LoopInput)}
}

type fifoDrop struct {
	judge
	lives lives[drops]
}

type drops struct {
	limits  *trace.Limits
	records []window
	lines   window
	ticks   uint64
}

func (d *drops) stream(i uint8) *window {
	for int(i) >= len(d.records) {
		d.records = append(d.records, window{})
	}
	return &d.records[i]
}

func (c *fifoDrop) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	if err := c.observe(&l.v, e); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *fifoDrop) observe(d *drops, e *trace.Event) error {
	switch e.Kind {
	case trace.NodeStarted:
		d.limits = limits(e)
	case trace.RecordEmitted:
		d.stream(e.Stream).emit(e.Seq)
	case trace.AttemptStarted:
		d.stream(e.Stream).start(e.Seq, e.Count)
	case trace.AttemptEnded:
		d.stream(e.Stream).end(e.Seq, e.Count)
	case trace.RecordSettled:
		return c.settle(d, e)
	case trace.LineIn:
		d.lines.emit(e.Seq)
	case trace.LineLogged:
		d.lines.settle(e.Seq)
	case trace.LineDropped:
		c.checked++
		oldest, ok := d.lines.oldestQueued()
		d.lines.settle(e.Seq)
		if ok && e.Seq != oldest {
			return fmt.Errorf("line %d dropped, but the oldest one waiting is %d", e.Seq, oldest)
		}
	case trace.LoopInput:
		if f, ok := e.Data.(*loop.Folded); ok && f.Call == loop.CallTick {
			return c.ring(d, f)
		}
	}
	return nil
}

func (c *fifoDrop) settle(d *drops, e *trace.Event) error {
	w := d.stream(e.Stream)
	if appender.Outcome(e.Outcome) != appender.Dropped {
		w.settle(e.Seq)
		return nil
	}
	c.checked++
	waiting := d.waiting()
	oldest, ok := w.oldestQueued()
	w.settle(e.Seq)
	if !ok {
		return fmt.Errorf("record %d dropped from an empty queue", e.Seq)
	}
	if e.Seq != oldest {
		return fmt.Errorf("record %d dropped, but the oldest one queued is %d", e.Seq, oldest)
	}
	if c := orDefault(d.limits).Inbox; waiting < uint64(c) {
		return fmt.Errorf("record %d dropped with %d records in an inbox of %d", e.Seq, waiting, c)
	}
	return nil
}

// waiting is how many records are queued, in all streams.
func (d *drops) waiting() (n uint64) {
	for i := range d.records {
		n += d.records[i].counts[queued]
	}
	return n
}

func (c *fifoDrop) ring(d *drops, f *loop.Folded) error {
	if d.ticks++; !captured(d.ticks) { // a look copies the ring
		return nil
	}
	c.checked++
	return ringLaw(f.Loop.Capture(), uint64(orDefault(d.limits).Ring))
}

// ringLaw holds a loop's log ring of the given size against its own count of
// what was logged.
func ringLaw(s *loop.Snapshot, size uint64) error {
	k, held := s.Stats.Records, uint64(len(s.Log))
	if want := min(k, size); held != want {
		return fmt.Errorf("a ring of %d holds %d of %d records", size, held, k)
	}
	if want := k - held; s.Stats.RingDropped != want {
		return fmt.Errorf("a ring of %d counts %d of %d records as dropped", size, s.Stats.RingDropped, k)
	}
	for i := range s.Log {
		if seq, want := s.Log[i].Record.Seq, k-held+1+uint64(i); seq != want {
			return fmt.Errorf("a ring of %d holds record %d where %d belongs", size, seq, want)
		}
	}
	return nil
}
