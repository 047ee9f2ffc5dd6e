package laws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/appender"
)

// moodsOf draws what the appender inside does with its next calls.
func (s *subject) moodsOf(d Draw, of ...mood) {
	s.inner.env = s.clock
	for range d.Int("calls that may fail", 1, 6) {
		m := of[d.Int("mood", 0, len(of)-1)]
		s.inner.moods = append(s.inner.moods, m)
		s.say("the appender inside will %s", [...]string{"store", "fail", "store and not know it", "hang", "panic"}[m])
	}
}

var wrapperLaws = []Law{
	{
		Name:  "no-lie",
		Says:  "a wrapper acknowledges a record only if the appender inside has stored it, once and in order; one whose failure it reports without an unknown outcome is not stored",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.moodsOf(d, fine, failing)
			acked := 0
			for range d.Int("records", 1, 12) {
				rec := s.records(1)[0]
				before := len(s.inner.held())
				err := s.append(background, a, rec)
				held := s.inner.held()
				s.say("append #%d: %v", rec.Seq, err)
				stored := held[min(before, len(held)):]
				switch {
				case len(stored) > 1 && !s.cfg.AtLeastOnce:
					return fmt.Errorf("#%d is stored %d times", rec.Seq, len(stored))
				case len(stored) > 0 && stored[0] != rec:
					return fmt.Errorf("stored is %v, appended was %v", brief(stored[0]), brief(rec))
				case err == nil && len(stored) == 0 && !s.cfg.Drops:
					return fmt.Errorf("#%d is acknowledged, but not stored", rec.Seq)
				case err != nil && len(stored) > 0 && !errors.Is(err, appender.ErrUnknownOutcome):
					return fmt.Errorf("#%d is stored, but its append failed: %w", rec.Seq, err)
				}
				if err == nil {
					acked++
				}
			}
			if st, ok := a.(appender.Statser); ok && st.Stats().Accepted != uint64(acked) {
				return fmt.Errorf("%d records were acknowledged, Stats counts %d as accepted", acked, st.Stats().Accepted)
			}
			return nil
		},
	},
	{
		Name:  "not-sticky",
		Says:  "once the appender inside is healthy again, and what waits has been waited for, every record is taken and stored",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.then = failing
			for range d.Int("failures", 1, 12) {
				rec := s.records(1)[0]
				s.say("append #%d, which fails", rec.Seq)
				_ = s.append(background, a, rec)
			}
			s.inner.then = fine
			s.say("the appender inside is healthy; an hour passes")
			s.clock.Advance(time.Hour)
			before := len(s.inner.held())
			recs := s.fill(a, d, d.Int("records", 1, 6))
			got := s.inner.held()[before:]
			if s.cfg.Drops {
				return subsequence(got, recs)
			}
			return same(got, recs)
		},
	},
	{
		Name:  "after-panic",
		Says:  "after the appender inside has panicked the wrapper works: no lock is left held, no state half changed",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.moods = []mood{panicking}
			rec := s.records(1)[0]
			s.say("append #%d, at which the appender inside panics", rec.Seq)
			err := s.append(background, a, rec)
			var p *appender.PanicError
			if err == nil && !s.cfg.Drops {
				return fmt.Errorf("an append whose inside panicked is acknowledged")
			}
			if s.cfg.Contains && (!errors.As(err, &p) || !errors.Is(err, appender.ErrUnknownOutcome) || !errors.Is(err, errInner)) {
				return fmt.Errorf("a panic inside became %v: expected a *PanicError with ErrUnknownOutcome and the panic's own error in it", err)
			}
			s.inner.moods = nil // where a wrapper that drops kept the record to itself
			s.clock.Advance(time.Hour)
			before := len(s.inner.held())
			recs := s.fill(a, d, d.Int("records", 1, 4))
			if s.cfg.Drops {
				return subsequence(s.inner.held()[before:], recs)
			}
			return same(s.inner.held()[before:], recs)
		},
	},
	{
		Name:  "panic-contained",
		Says:  "a panic inside becomes a *PanicError with ErrUnknownOutcome, and the process lives",
		lacks: allOf(wrapper, needsIf("Config.Contains is not set", func(c *Config) bool { return c.Contains })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.then = panicking
			recs := s.records(d.Int("batch", 1, 4))
			s.say("append a batch of %d at which the appender inside panics", len(recs))
			var n int
			var err error
			got := s.call("AppendBatch", func() error {
				defer func() {
					if v := recover(); v != nil {
						err = fmt.Errorf("the panic came through: %v", v)
					}
				}()
				n, err = appender.AppendBatch(background, a, recs)
				return nil
			})
			must(got, "calling it")
			var p *appender.PanicError
			if !errors.As(err, &p) || !errors.Is(err, appender.ErrUnknownOutcome) || n != 0 {
				return fmt.Errorf("n = %d, err = %v; expected 0 and a *PanicError with ErrUnknownOutcome in it", n, err)
			}
			return nil
		},
	},
	{
		Name:  "unknown-kept",
		Says:  "an outcome that the appender inside left open stays open: the error has ErrUnknownOutcome in it, unless a later attempt stored the record",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.moods = []mood{unknown}
			s.inner.then = failing
			rec := s.records(1)[0]
			s.say("append #%d: the appender inside stores it and does not know, then fails", rec.Seq)
			err := s.append(background, a, rec)
			if s.cfg.Drops && err == nil && len(s.inner.held()) == 0 {
				return nil
			}
			if !errors.Is(err, appender.ErrUnknownOutcome) {
				return fmt.Errorf("the error is %v, without ErrUnknownOutcome", err)
			}
			return nil
		},
	},
	{
		Name:  "error-chain",
		Says:  "errors.Is and errors.As reach through the wrapper the cause and the *AppendError that names sink, node and number",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.then = failing
			recs := s.records(d.Int("batch", 1, 4))
			s.inner.partial = d.Int("stored before failing", 0, len(recs)-1)
			s.say("append a batch of %d; the appender inside fails behind %d", len(recs), s.inner.partial)
			n, err := s.batch(background, a, recs)
			if err == nil && s.cfg.Drops {
				return nil
			}
			var at *appender.AppendError
			switch {
			case !errors.Is(err, errInner):
				return fmt.Errorf("errors.Is does not find the cause in %v", err)
			case !errors.As(err, &at):
				return fmt.Errorf("errors.As finds no *AppendError in %v", err)
			case at.Seq != recs[n].Seq:
				return fmt.Errorf("n = %d says that the error concerns #%d, the *AppendError in it says #%d", n, recs[n].Seq, at.Seq)
			}
			return nil
		},
	},
	{
		Name:  "deadline",
		Says:  "when the appender inside hangs until its context ends, the call returns by then, with an error",
		lacks: wrapper,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.env, s.inner.then = s.clock, hanging
			limit := time.Duration(d.Int("deadline ms", 1, 500)) * time.Millisecond
			ctx, cancel := s.clock.WithTimeout(background, limit)
			defer cancel()
			rec := s.records(1)[0]
			began := s.clock.Now()
			s.say("append #%d with %v to go, while the appender inside hangs", rec.Seq, limit)
			err := s.append(ctx, a, rec)
			if err == nil && !s.cfg.Drops {
				return fmt.Errorf("it is acknowledged")
			}
			if over := s.clock.Now() - began - limit; over > 100*time.Millisecond {
				return fmt.Errorf("it returned %v after its deadline, with %w", over, err)
			}
			return nil
		},
	},
	{
		Name:  "no-lock-over-sleep",
		Says:  "while a call sleeps, and while the appender inside is at work, Stats answers and an ended call returns: no lock is held",
		lacks: allOf(wrapper, needs[appender.Statser]("Stats")),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.inner.env = s.clock
			s.inner.moods = []mood{[...]mood{failing, hanging}[d.Int("mood", 0, 1)], failing}
			var blocked error
			s.clock.onSleep = func() {
				done := make(chan struct{})
				go func() {
					_ = a.(appender.Statser).Stats()
					ended, cancel := context.WithCancel(background)
					cancel()
					_ = a.Append(ended, appender.Record{Node: "n1"})
					close(done)
				}()
				select {
				case <-done:
				case <-time.After(s.patience()):
					blocked = errors.New("while a call sleeps, Stats or a call that has ended waits for it: a lock is held over a sleep")
				}
			}
			ctx, cancel := s.clock.WithTimeout(background, time.Second)
			defer cancel()
			rec := s.records(1)[0]
			s.say("append #%d while the appender inside fails or hangs; ask for Stats meanwhile", rec.Seq)
			_ = s.append(ctx, a, rec)
			return blocked
		},
	},
	{
		Name:  "virtual-time",
		Says:  "it waits by the clock of its Env alone: where that clock stands still for nobody, no call takes real time",
		lacks: allOf(wrapper, needsIf("it has the machine's clock", func(c *Config) bool { return !c.RealClock })),
		check: func(s *subject, d Draw) error {
			// A real sleep shows every time, a busy machine does not.
			least := time.Hour
			for range 4 {
				a := s.mustOpen()
				s.inner.moods = []mood{failing, failing, failing}
				rec := s.records(1)[0]
				began := time.Now()
				_ = s.append(background, a, rec)
				if least = min(least, time.Since(began)); least < time.Millisecond {
					return nil
				}
			}
			return fmt.Errorf("a call whose inside fails takes %v or more of real time, each time", least.Round(time.Millisecond))
		},
	},
}

// patience is how long a law waits for what is to come at once.
func (s *subject) patience() time.Duration {
	if s.cfg.Hang > 0 {
		return s.cfg.Hang
	}
	return 5 * time.Second
}
