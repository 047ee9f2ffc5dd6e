package laws

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"meshsim/appender"
)

var orderLaws = []Law{
	{
		Name:  "order",
		Says:  "what was acknowledged is read back once each, in the order in which it was appended",
		lacks: readable,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records", 0, 40))
			got := s.mustHold(a)
			if s.cfg.Drops {
				return subsequence(got, recs)
			}
			return s.kept(got, recs)
		},
	},
	{
		Name:  "fifo-drop",
		Says:  "at capacity c exactly the newest max(c, 1) are held: the oldest are dropped, first in first out",
		lacks: allOf(bounded, readable),
		check: func(s *subject, d Draw) error {
			a, c := s.openOf(d)
			n := d.Int("records", 0, min(3*max(c, 1)+2, 4*64))
			if c > 64 {
				n = c + d.Int("beyond", 0, 20)
			}
			recs := s.fillUp(a, d, c, n)
			return same(s.mustHold(a), recs[max(0, len(recs)-max(c, 1)):])
		},
	},
	{
		Name: "dropped-exact",
		Says: "what it counts as dropped is max(0, n - capacity), never falls, and does not change by reading",
		lacks: allOf(bounded, func(_ *Config, a appender.Appender) string {
			if _, ok := dropped(a); !ok {
				return "neither Dropped nor Stats"
			}
			return ""
		}),
		check: func(s *subject, d Draw) error {
			a, c := s.openOf(d)
			n := uint64(0)
			if c > 64 {
				n = uint64(len(s.fill(a, d, c-5)))
			}
			for range d.Int("rounds", 1, 8) {
				n += uint64(len(s.fill(a, d, d.Int("records", 0, 20))))
				if d.Int("read", 0, 1) == 1 {
					s.say("read")
					_, _ = s.held(a)
				}
				want := n - min(n, uint64(max(c, 1)))
				for range 2 {
					if got, _ := dropped(a); got != want {
						return fmt.Errorf("after %d records at capacity %d, %d are counted as dropped, expected %d", n, c, got, want)
					}
				}
			}
			return nil
		},
	},
	{
		Name:  "stats",
		Says:  "Accepted counts what was acknowledged, is Delivered + Dropped + Depth when nothing is under way, and no count but Depth ever falls",
		lacks: needs[appender.Statser]("Stats"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			before, n := appender.Stats{}, uint64(0)
			for range d.Int("rounds", 1, 6) {
				n += uint64(len(s.fill(a, d, d.Int("records", 0, 20))))
				st := a.(appender.Statser).Stats()
				if st.Accepted != n || st.Accepted != st.Delivered+st.Dropped+uint64(st.Depth) {
					return fmt.Errorf("after %d acknowledged records Stats is %+v", n, st)
				}
				if st.Accepted < before.Accepted || st.Delivered < before.Delivered || st.Dropped < before.Dropped ||
					st.Failed < before.Failed || st.Retried < before.Retried {
					return fmt.Errorf("its Stats went from %+v to %+v", before, st)
				}
				before = st
			}
			return nil
		},
	},
	{
		Name:  "writers",
		Says:  "with several writers every record is there once, and each writer's are in its order",
		lacks: allOf(readable, needsIf("Config.Concurrent is not set", func(c *Config) bool { return c.Concurrent })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			w, each := d.Int("writers", 2, 4), d.Int("records of each", 1, 20)
			if c := s.cfg.Capacity; c > 0 && w*each > c {
				w, each = 2, max(c/2, 1)
			}
			s.say("%d goroutines append %d records each", w, each)
			return s.call("appending from several goroutines", func() error {
				var wg sync.WaitGroup
				errs := make([]error, w)
				for i := range w {
					wg.Go(func() {
						for k := range each {
							rec := appender.Record{Node: "n1", Incarnation: 1, Stream: uint8(i + 1), Seq: uint64(k + 1)}
							if err := a.Append(background, rec); err != nil {
								errs[i] = fmt.Errorf("an append with nothing in its way: %w", err)
								return
							}
						}
					})
				}
				wg.Wait()
				for _, err := range errs {
					if err != nil {
						return err
					}
				}
				got, err := s.held(a)
				if err != nil {
					return err
				}
				next := make([]uint64, w+1)
				for _, r := range got {
					if next[r.Stream]++; r.Seq != next[r.Stream] {
						return fmt.Errorf("of writer %d #%d is held where #%d is to be", r.Stream, r.Seq, next[r.Stream])
					}
				}
				if len(got) != min(w*each, max(s.cfg.Capacity, w*each)) {
					return fmt.Errorf("%d records are held of the %d appended", len(got), w*each)
				}
				return nil
			})
		},
	},
	{
		Name:  "batch-prefix",
		Says:  "a batch stores a prefix, and n is its length: recs[:n] is held, in order, and n < len(recs) only with an error",
		lacks: allOf(anyBatch, readable),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			var want []appender.Record
			failed := false // an open circuit may refuse even an empty batch
			if s.inner != nil {
				s.inner.partial = d.Int("stored before failing", 0, 5)
				for range d.Int("calls that may fail", 0, 6) {
					s.inner.moods = append(s.inner.moods, mood(d.Int("fails", 0, 1)))
				}
				s.say("the appender inside fails in some of its next %d calls, each after storing %d", len(s.inner.moods), s.inner.partial)
			}
			for range d.Int("batches", 1, 5) {
				recs := s.records(d.Int("size", 0, 12))
				s.say("append a batch of %d", len(recs))
				n, err := s.batch(background, a, recs)
				if err != nil && s.inner == nil {
					return fmt.Errorf("a batch with nothing in its way: %w", err)
				}
				if failed = failed || err != nil && len(recs) > 0; len(recs) == 0 && err != nil && !failed {
					return fmt.Errorf("an empty batch: %w", err)
				}
				want = append(want, recs[:n]...)
				if s.cfg.Drops {
					if err := subsequence(s.mustHold(a), want); err != nil {
						return err
					}
					continue
				}
				if err := s.kept(s.mustHold(a), want); err != nil {
					return fmt.Errorf("after n = %d, err = %v: %w", n, err, err)
				}
			}
			return nil
		},
	},
	{
		Name:  "oversized-alone",
		Says:  "a record beyond the size limit is refused alone: those before it in its batch are stored, and later ones are taken",
		lacks: allOf(readable, needsIf("no Config.MaxRecordBytes", func(c *Config) bool { return c.MaxRecordBytes > 0 })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.records(d.Int("batch", 1, 6))
			big := d.Int("the big one", 0, len(recs)-1)
			recs[big].Message = string(make([]byte, s.cfg.MaxRecordBytes+1))
			s.say("append a batch of %d, the %s too large", len(recs), ordinal(big+1))
			n, err := s.batch(background, a, recs)
			if err == nil || n != big {
				return fmt.Errorf("n = %d, err = %v; expected n = %d and an error", n, err, big)
			}
			want := append(slices.Clone(recs[:big]), s.fill(a, d, d.Int("later", 0, 4))...)
			return s.kept(s.mustHold(a), want)
		},
	},
}

// openOf opens one of a capacity drawn, or of the one that there is.
func (s *subject) openOf(d Draw) (appender.Appender, int) {
	if s.cfg.NewOf == nil {
		return s.mustOpen(), s.cfg.Capacity
	}
	c := d.Int("capacity", -1, 9)
	s.say("open one of capacity %d", c)
	a, err := s.by(s.cfg.NewOf(c))
	must(err, "opening a fresh one")
	return a, c
}

// fillUp is fill, in one batch up to where a large capacity is full.
func (s *subject) fillUp(a appender.Appender, d Draw, capacity, n int) []appender.Record {
	var recs []appender.Record
	if first := min(n, capacity); first > 64 {
		recs = s.records(first)
		s.say("append #1 to #%d as a batch", first)
		_, err := s.batch(background, a, recs)
		must(err, "a batch with nothing in its way")
	}
	return append(recs, s.fill(a, d, n-len(recs))...)
}

// subsequence reports whether what is held is some of recs, in their order.
func subsequence(got, recs []appender.Record) error {
	for _, g := range got {
		i := slices.Index(recs, g)
		if i < 0 {
			return fmt.Errorf("%v is held, out of order, twice, or never appended (held %s, appended %s)", brief(g), numbers(got), numbers(recs))
		}
		recs = recs[i+1:]
	}
	return nil
}

var callLaws = []Law{
	{
		Name:  "cancelled-first",
		Says:  "a call whose context has ended before returns that context's error, stores nothing and counts nothing as accepted",
		lacks: always,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records before", 0, 5))
			ctx, cancel := context.WithCancel(background)
			cancel()
			more := s.records(2)
			s.say("append #%d and then a batch with a context that is cancelled", more[0].Seq)
			if err := s.append(ctx, a, more[0]); !isContext(err) {
				return fmt.Errorf("Append with a cancelled context returned %v, expected %w", err, context.Canceled)
			}
			if n, err := s.batch(ctx, a, more); n != 0 || !isContext(err) {
				return fmt.Errorf("AppendBatch with a cancelled context returned n = %d, err = %v, expected 0 and %w", n, err, context.Canceled)
			}
			if st, ok := a.(appender.Statser); ok && st.Stats().Accepted != uint64(len(recs)) {
				return fmt.Errorf("%d records are counted as accepted, expected %d", st.Stats().Accepted, len(recs))
			}
			if readable(s.cfg, a) == "" && !s.cfg.Drops {
				return s.kept(s.mustHold(a), recs)
			}
			return nil
		},
	},
	{
		Name:  "flush-settles",
		Says:  "Flush returns nil only when everything accepted is settled; it changes nothing of what is held, and a cancelled one says so",
		lacks: needs[appender.Flusher]("Flush"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records", 0, 12))
			s.say("flush")
			must(s.call("Flush", func() error { return appender.Flush(background, a) }), "a flush with nothing in its way")
			if s.inner != nil && s.inner.flushed == 0 {
				return fmt.Errorf("the appender inside was not flushed")
			}
			if p, ok := a.(appender.Positioner); ok {
				// One that never says what is durable promises no more by a flush.
				if end, durable := p.Position(); durable != end && (durable > 0 || s.cfg.Acks >= AckDisk || s.cfg.Crash != nil) {
					return fmt.Errorf("after a flush %d of %d records are durable", durable, end)
				}
			}
			if readable(s.cfg, a) == "" && !s.cfg.Drops {
				return s.kept(s.mustHold(a), recs)
			}
			return nil
		},
	},
}

var costLaws = []Law{{
	Name:  "no-allocations",
	Says:  "an append allocates nothing",
	lacks: needsIf("Config.NoAllocs is not set", func(c *Config) bool { return c.NoAllocs }),
	check: func(s *subject, d Draw) error {
		a := s.mustOpen()
		recs := s.records(16)
		if n := allocations(func() { _ = a.Append(background, recs[0]) }); n >= 1 {
			return fmt.Errorf("an Append allocates %.1f times", n)
		}
		if b, ok := a.(appender.BatchAppender); ok {
			if n := allocations(func() { _, _ = b.AppendBatch(background, recs) }); n >= 1 {
				return fmt.Errorf("an AppendBatch of 16 allocates %.1f times", n)
			}
		}
		return nil
	},
}}
