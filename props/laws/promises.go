package laws

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"meshsim/appender"
)

// Retries is what a wrapper promises that tries again.
type Retries struct {
	// Attempts is how often a record is tried altogether.
	Attempts int
	// MaxBackoff bounds the time between two attempts.
	MaxBackoff time.Duration
}

// Breaks is what a circuit breaker promises.
type Breaks struct {
	// Failures in a row open it.
	Failures int
	// Probe is how long it then waits before it lets one call through.
	Probe time.Duration
}

var (
	retries = needsIf("Config.Retries is not set", func(c *Config) bool { return c.Retries != nil })
	breaks  = needsIf("Config.Breaks is not set", func(c *Config) bool { return c.Breaks != nil })
	tees    = needsIf("Config.Tee is not set", func(c *Config) bool { return c.Tee != nil })
	leaves  = needsIf("Config.Drops is not set: it leaves nothing out", func(c *Config) bool { return c.Drops })
)

var promiseLaws = []Law{
	{
		Name:  "retry-bounds",
		Says:  "what fails is tried again in place, no more often than it is said, after delays within their cap, and stored if one attempt succeeds",
		lacks: allOf(wrapper, retries),
		check: func(s *subject, d Draw) error {
			a, most := s.mustOpen(), s.cfg.Retries.Attempts
			for range d.Int("records", 1, 4) {
				var at []time.Duration
				s.inner.onCall = func() { at = append(at, s.clock.Now()) }
				k := d.Int("failures", 0, most+1)
				s.inner.moods = slices.Repeat([]mood{failing}, k)
				rec, before := s.records(1)[0], len(s.inner.held())
				s.say("append #%d, at which the appender inside fails %d times", rec.Seq, k)
				err := s.append(background, a, rec)
				s.inner.moods = nil
				switch stored := s.inner.held()[before:]; {
				case len(at) > most:
					return fmt.Errorf("it was tried %d times, at most %d are promised", len(at), most)
				case k < most && (err != nil || len(stored) != 1):
					return fmt.Errorf("of %d attempts one was to succeed; it was tried %d times, and the answer is %v", most, len(at), err)
				case k >= most && err == nil:
					return fmt.Errorf("every attempt failed, and it is acknowledged")
				}
				for i := 1; i < len(at); i++ {
					if gap := at[i] - at[i-1]; gap > s.cfg.Retries.MaxBackoff || gap <= 0 {
						return fmt.Errorf("the %s attempt came %v after the one before; above 0 and at most %v are promised", ordinal(i+1), gap, s.cfg.Retries.MaxBackoff)
					}
				}
			}
			return nil
		},
	},
	{
		Name:  "breaker",
		Says:  "it opens after so many failures in a row, then fails with ErrOpen and calls nobody; one call in an interval is let through, and one that succeeds closes it",
		lacks: allOf(wrapper, breaks),
		check: func(s *subject, d Draw) error {
			a, c := s.mustOpen(), s.cfg.Breaks
			// The model: failures in a row, and from when on a call is let through.
			row, open, from := 0, false, time.Duration(0)
			for range d.Int("calls", 1, 6*c.Failures) {
				if d.Int("time passes", 0, 2) == 2 {
					t := c.Probe / 2 * time.Duration(d.Int("half intervals", 1, 3))
					s.say("%v pass", t)
					s.clock.Advance(t)
				}
				fails := d.Int("works", 0, 3) < 3
				s.inner.then = fine
				if fails {
					s.inner.then = failing
				}
				through := !open || s.clock.Now() >= from
				before, rec := s.inner.calls, s.records(1)[0]
				err := s.append(background, a, rec)
				s.say("append #%d to one that %s: %v", rec.Seq, map[bool]string{true: "fails", false: "works"}[fails], err)
				if called := s.inner.calls > before; called != through {
					return fmt.Errorf("the appender inside was called: %t, expected %t: %d failures in a row, open: %t", called, through, row, open)
				}
				switch {
				case !through && !errors.Is(err, appender.ErrOpen):
					return fmt.Errorf("it is open and answers %v, expected ErrOpen", err)
				case through && !fails && err != nil:
					return fmt.Errorf("what the appender inside stored is answered by %w", err)
				case through && fails && !errors.Is(err, errInner):
					return fmt.Errorf("what the appender inside failed at is answered by %v", err)
				}
				switch {
				case through && !fails:
					row, open = 0, false
				case through:
					if row++; open || row >= c.Failures {
						open, from = true, s.clock.Now()+c.Probe
					}
				}
			}
			return nil
		},
	},
	{
		Name:  "tee-isolation",
		Says:  "a sink that fails or panics changes no sibling: each of the others stores everything, once and in order, and the error joins what every one says",
		lacks: tees,
		check: func(s *subject, d Draw) error {
			sinks := make([]*inner, d.Int("sinks", 2, 4))
			inside := make([]appender.Appender, len(sinks))
			for i := range sinks {
				sinks[i] = &inner{env: s.clock, cause: fmt.Errorf("sink %d fails", i+1)}
				inside[i] = sinks[i]
			}
			a := s.cfg.Tee(inside, s.env())
			s.all = append(s.all, a)
			var all []appender.Record
			sound := make([]bool, len(sinks))
			for i := range sinks {
				m := []mood{fine, failing, panicking}[d.Int("mood", 0, 2)]
				sinks[i].then, sound[i] = m, m == fine
				s.say("sink %d %s", i+1, map[mood]string{fine: "works", failing: "fails", panicking: "panics"}[m])
			}
			for range d.Int("calls", 1, 4) {
				recs := s.records(d.Int("batch", 1, 3))
				all = append(all, recs...)
				s.say("append %s as a batch", numbers(recs))
				// A panic that a sink's error tells is one thing, one that comes
				// through is another.
				var through any
				err := s.call("AppendBatch", func() (err error) {
					defer func() { through = recover() }()
					_, err = appender.AppendBatch(background, a, recs)
					return err
				})
				if errors.Is(err, errHangs) {
					return err
				}
				if through != nil {
					return fmt.Errorf("a panic comes through: %v", through)
				}
				for i := range sinks {
					if !sound[i] && !errors.Is(err, sinks[i].cause) {
						return fmt.Errorf("the error is %v: what sink %d said is not in it", err, i+1)
					}
				}
				if err != nil && !slices.Contains(sound, false) {
					return fmt.Errorf("every sink works, and the answer is %w", err)
				}
			}
			for i := range sinks {
				if sound[i] {
					if err := same(sinks[i].held(), all); err != nil {
						return fmt.Errorf("in sink %d, which works: %w", i+1, err)
					}
				}
			}
			return nil
		},
	},
	{
		Name:  "left-out-counted",
		Says:  "of what it acknowledges it stores what it does not leave out, and counts each: Dropped is what was acknowledged and not stored",
		lacks: allOf(wrapper, leaves, needs[appender.Statser]("Stats")),
		check: func(s *subject, d Draw) error {
			a, acked := s.mustOpen(), uint64(0)
			s.moodsOf(d, fine, failing)
			for range d.Int("batches", 1, 6) {
				recs := s.records(d.Int("batch", 1, 8))
				n, err := s.batch(background, a, recs)
				s.say("append %s as a batch: n = %d, %v", numbers(recs), n, err)
				acked += uint64(n)
				held := s.inner.held()
				if st := a.(appender.Statser).Stats(); st.Accepted != acked || st.Dropped != acked-uint64(len(held)) || st.Delivered != uint64(len(held)) {
					return fmt.Errorf("%d were acknowledged and %d of them stored, and Stats is %+v", acked, len(held), st)
				}
			}
			return nil
		},
	},
	{
		Name:  "left-out-same",
		Says:  "which records are left out depends on them, the seed and the time alone: not on how they are batched, nor on chance",
		lacks: allOf(wrapper, leaves),
		check: func(s *subject, d Draw) error {
			recs := s.records(d.Int("records", 1, 40))
			var kept [2][]appender.Record
			for i := range kept {
				s.inner = &inner{}
				a := s.mustOpen()
				s.opens-- // the same Env
				for rest := recs; len(rest) > 0; {
					n := 1
					if i == 1 {
						n = d.Int("batch", 1, len(rest))
					}
					_, err := s.batch(background, a, rest[:n])
					must(err, "a batch with nothing in its way")
					rest = rest[n:]
				}
				kept[i] = s.inner.held()
			}
			s.say("append %s one by one, and then to another in batches", numbers(recs))
			if !slices.Equal(kept[0], kept[1]) {
				return fmt.Errorf("one by one %s are stored, in batches %s", numbers(kept[0]), numbers(kept[1]))
			}
			return nil
		},
	},
}
