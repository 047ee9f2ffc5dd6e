package props

import (
	"fmt"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// Order holds when, per node, incarnation and stream, nothing goes back:
//
//   - records are emitted with the numbers 1, 2, 3 and so on;
//   - every attempt begins at the oldest unsettled record, so that a retry
//     starts where the attempt before it did, or where that one's
//     acknowledgements ended, and nothing is skipped but what was settled;
//   - acknowledgements strictly increase;
//   - within one attempt the sink stores in ascending order, and only what is
//     in hand;
//   - what is stored outside the attempt in hand is the late effect of an
//     abandoned epoch, or of a node that crashed, and lies within what that
//     epoch had in hand when it was given up;
//   - log lines are folded in the order in which they were handed over.
func Order() trace.Checker {
	return &order{judge: always("order",
		trace.NodeCrashed,
		trace.RecordEmitted, trace.RecordSettled,
		trace.AttemptStarted, trace.AttemptEnded, trace.SinkStored,
		trace.WorkerAbandoned, trace.LineLogged)}
}

type order struct {
	judge
	lives lives[sequence]
}

// sequence is one incarnation's order.
type sequence struct {
	streams []streamOrder
	hands   []hand // one per epoch that attempted something, ascending
	line    uint64 // the last one logged
}

type streamOrder struct {
	window window
	acked  uint64 // the last one acknowledged
}

// hand is what an epoch's latest attempt has in hand, and how far the sink got.
type hand struct {
	epoch       uint64
	stream      uint8
	first, last uint64
	stored      uint64 // the last one stored in this attempt
	ended       bool   // the attempt was answered
	abandoned   bool
}

func (s *sequence) stream(i uint8) *streamOrder {
	for int(i) >= len(s.streams) {
		s.streams = append(s.streams, streamOrder{})
	}
	return &s.streams[i]
}

// hand returns the epoch's, nil if it never attempted anything.
func (s *sequence) hand(epoch uint64) *hand {
	for i := len(s.hands) - 1; i >= 0; i-- {
		if s.hands[i].epoch == epoch {
			return &s.hands[i]
		}
	}
	return nil
}

func (c *order) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	if err := c.observe(l, e); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

func (c *order) observe(l *life[sequence], e *trace.Event) error {
	s := &l.v
	switch e.Kind {
	case trace.NodeCrashed:
		l.ended = true
		return nil
	case trace.WorkerAbandoned:
		if h := s.hand(e.Epoch); h != nil {
			h.abandoned = true
		}
		return nil
	case trace.AttemptEnded:
		if h := s.hand(e.Epoch); h != nil {
			h.ended = true
			h.abandoned = h.abandoned || e.Result == trace.ResultHang
		}
		return nil
	}
	c.checked++
	switch e.Kind {
	case trace.LineLogged:
		if e.Seq <= s.line {
			return fmt.Errorf("line %d logged after line %d", e.Seq, s.line)
		}
		s.line = e.Seq
	case trace.RecordEmitted:
		w := &s.stream(e.Stream).window
		if next := w.next(); e.Seq != next {
			return fmt.Errorf("record %d emitted where %d is next", e.Seq, next)
		}
		w.emit(e.Seq)
	case trace.RecordSettled:
		return s.settle(e)
	case trace.AttemptStarted:
		return s.attempt(e)
	case trace.SinkStored:
		return s.store(l, e)
	}
	return nil
}

func (s *sequence) settle(e *trace.Event) error {
	st := s.stream(e.Stream)
	st.window.settle(e.Seq)
	if appender.Outcome(e.Outcome) != appender.Appended {
		return nil
	}
	if e.Seq <= st.acked {
		return fmt.Errorf("record %d acknowledged after record %d", e.Seq, st.acked)
	}
	st.acked = e.Seq
	return nil
}

func (s *sequence) attempt(e *trace.Event) error {
	st := s.stream(e.Stream)
	if oldest := st.window.first(); e.Seq != oldest {
		return fmt.Errorf("an attempt on record %d, but the oldest unsettled one is %d", e.Seq, oldest)
	}
	if e.Count == 0 || e.Count > st.window.next()-e.Seq {
		return fmt.Errorf("an attempt on %d records from %d, but the last one emitted is %d",
			e.Count, e.Seq, st.window.next()-1)
	}
	h := s.hand(e.Epoch)
	if h == nil {
		if n := len(s.hands); n > 0 && s.hands[n-1].epoch > e.Epoch {
			return fmt.Errorf("an attempt under epoch %d after one under epoch %d", e.Epoch, s.hands[n-1].epoch)
		}
		s.forget()
		s.hands = append(s.hands, hand{})
		h = &s.hands[len(s.hands)-1]
	}
	*h = hand{epoch: e.Epoch, stream: e.Stream, first: e.Seq, last: e.Seq + e.Count - 1, stored: e.Seq - 1}
	return nil
}

// forget drops the hands of epochs that ended with their attempt answered: no
// effect of theirs can come any more, except by a mistake that is then told as
// a store without an attempt.
func (s *sequence) forget() {
	kept := s.hands[:0]
	for _, h := range s.hands {
		if h.abandoned || !h.ended {
			kept = append(kept, h)
		}
	}
	s.hands = kept
}

func (s *sequence) store(l *life[sequence], e *trace.Event) error {
	h := s.hand(e.Epoch)
	if h == nil {
		return fmt.Errorf("record %d stored under epoch %d, which has nothing in hand", e.Seq, e.Epoch)
	}
	if h.stream != e.Stream || e.Seq < h.first || e.Seq > h.last {
		return fmt.Errorf("record %d stored under epoch %d, which has records %d to %d in hand",
			e.Seq, e.Epoch, h.first, h.last)
	}
	if h.ended && !h.abandoned && !l.ended {
		return fmt.Errorf("record %d stored under epoch %d after its attempt had ended", e.Seq, e.Epoch)
	}
	if e.Seq <= h.stored {
		return fmt.Errorf("record %d stored after record %d in one attempt", e.Seq, h.stored)
	}
	h.stored = e.Seq
	return nil
}
