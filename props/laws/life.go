package laws

import (
	"errors"
	"fmt"
	"io"
	"time"

	"meshsim/appender"
)

var lifeLaws = []Law{
	{
		Name:  "close-idempotent",
		Says:  "Close may be called again, and returns nil where nothing stands in its way",
		lacks: needs[io.Closer]("Close"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.fill(a, d, d.Int("records", 0, 6))
			for i := range d.Int("closes", 1, 3) {
				s.say("close")
				if err := s.call("Close", a.(io.Closer).Close); err != nil {
					return fmt.Errorf("the %s Close returned %w", ordinal(i+1), err)
				}
			}
			return nil
		},
	},
	{
		Name:  "closed-refuses",
		Says:  "an append after Close fails with ErrClosed and stores nothing",
		lacks: needs[io.Closer]("Close"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records", 0, 6))
			s.say("close")
			must(s.call("Close", a.(io.Closer).Close), "closing with nothing in its way")
			more := s.records(3)
			s.say("append #%d, then a batch", more[0].Seq)
			if s.inner != nil && s.inner.closed == 0 {
				return errors.New("the appender inside was not closed")
			}
			if err := s.append(background, a, more[0]); !errors.Is(err, appender.ErrClosed) && !s.cfg.Drops {
				return fmt.Errorf("Append after Close returned %v, expected ErrClosed", err)
			}
			if n, err := s.batch(background, a, more); (n != 0 || !errors.Is(err, appender.ErrClosed)) && !s.cfg.Drops {
				return fmt.Errorf("AppendBatch after Close returned n = %d, err = %v, expected 0 and ErrClosed", n, err)
			}
			if c, ok := a.(appender.Capturer); ok {
				return same(c.CapturedInto(nil), s.last(recs, s.cfg.Capacity))
			}
			return nil
		},
	},
	{
		Name:  "no-leaks",
		Says:  "no goroutine that it started survives Close",
		lacks: needs[io.Closer]("Close"),
		slow:  true,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			s.fill(a, d, d.Int("records", 0, 6))
			s.say("close")
			_ = s.call("Close", a.(io.Closer).Close)
			for wait := time.Millisecond; ; wait *= 2 {
				left := s.goroutines()
				if len(left) == 0 {
					return nil
				}
				if wait > time.Second {
					return fmt.Errorf("%d goroutines are left, one in %s", len(left), left[0])
				}
				time.Sleep(wait)
			}
		},
	},
}

// shut ends what is open: by closing it, or as a crash does.
func (s *subject) shut(a appender.Appender, crash bool) {
	if crash {
		s.say("crash")
		s.cfg.Crash()
		return
	}
	s.say("close")
	must(s.call("Close", func() error { return appender.Close(a) }), "closing with nothing in its way")
}

// promised is how many of the last n acknowledged records must survive a crash.
func (s *subject) promised(a appender.Appender, n int, before uint64) int {
	if p, ok := a.(appender.Positioner); ok {
		_, durable := p.Position()
		return int(max(int64(durable)-int64(before), 0))
	}
	if s.cfg.Acks == AckMemory {
		return 0
	}
	return n
}

// survivors holds what is there after a crash against what was acknowledged: a
// prefix, with everything that was promised; of what is bounded, the end of one.
func survivors(got, acked []appender.Record, promised, capacity int) error {
	if capacity > 0 {
		for n := promised; n <= len(acked); n++ {
			if same(got, acked[max(0, n-max(capacity, 1)):n]) == nil {
				return nil
			}
		}
		return fmt.Errorf("held are %s; acknowledged were %s, of which the first %d are durable, the last %d are to be held", numbers(got), numbers(acked), promised, capacity)
	}
	if len(got) < promised {
		return fmt.Errorf("held are %s; acknowledged as durable were %s", numbers(got), numbers(acked[:promised]))
	}
	return same(got, acked[:min(len(got), len(acked))])
}

var durableLaws = []Law{
	{
		Name:  "position",
		Says:  "Position grows by what is acknowledged, durable <= end, and neither ever falls",
		lacks: needs[appender.Positioner]("Position"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			n, last := uint64(0), uint64(0)
			for range d.Int("rounds", 1, 6) {
				n += uint64(len(s.fill(a, d, d.Int("records", 0, 9))))
				end, durable := a.(appender.Positioner).Position()
				switch {
				case end != n:
					return fmt.Errorf("after %d records Position says %d", n, end)
				case durable > end || durable < last:
					return fmt.Errorf("durable went from %d to %d, of %d", last, durable, end)
				case s.cfg.Acks >= AckDisk && durable != end:
					return fmt.Errorf("an acknowledgement means %s, but %d of %d are durable", s.cfg.Acks, durable, end)
				}
				last = durable
			}
			return nil
		},
	},
	{
		Name:  "survives-close",
		Says:  "everything acknowledged is there after closing and opening again, in order, once",
		lacks: allOf(durable, readable),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			var all []appender.Record
			for range d.Int("openings", 1, 4) {
				all = append(all, s.fill(a, d, d.Int("records", 0, 15))...)
				s.shut(a, false)
				a = s.mustReopen()
				if err := same(s.mustHold(a), s.last(all, s.cfg.Capacity)); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "counters-survive",
		Says:  "what it counts as dropped, and its position, are as they were after opening again",
		lacks: allOf(durable, needs[interface{ Dropped() uint64 }]("Dropped")),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			n := 30
			if c := s.cfg.Capacity; c > 0 {
				n = 3*c + 3
			}
			s.fill(a, d, d.Int("records", 0, n))
			was, _ := dropped(a)
			s.shut(a, false)
			b := s.mustReopen()
			if is, _ := dropped(b); is != was {
				return fmt.Errorf("%d were dropped before it was closed, %d now", was, is)
			}
			return nil
		},
	},
	{
		Name:  "survives-crash",
		Says:  "after a crash what is there is a prefix of what was acknowledged, with everything that was acknowledged as durable; and it takes records again",
		lacks: allOf(durable, crashes, readable),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			var all []appender.Record
			before := uint64(0)
			for range d.Int("crashes", 1, 4) {
				all = append(all, s.fill(a, d, d.Int("records", 0, 15))...)
				if _, ok := a.(appender.Flusher); ok && d.Int("flush", 0, 2) == 2 {
					s.say("flush")
					must(s.call("Flush", func() error { return appender.Flush(background, a) }), "a flush with nothing in its way")
				}
				promised := s.promised(a, len(all), before)
				s.shut(a, true)
				a = s.mustReopen()
				got := s.mustHold(a)
				if err := survivors(got, all, promised, s.cfg.Capacity); err != nil {
					return err
				}
				if n := len(got); n > 0 && s.cfg.Capacity > 0 {
					last := got[n-1].Seq
					for len(all) > 0 && all[len(all)-1].Seq > last {
						all = all[:len(all)-1]
					}
				} else {
					all = all[:n]
				}
			}
			return nil
		},
	},
	{
		Name:  "second-opener",
		Says:  "while it is open a second opener gets an error, and does no harm; once it is closed the next one gets in",
		lacks: allOf(durable, needsIf("Config.Exclusive is not set", func(c *Config) bool { return c.Exclusive })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records", 0, 6))
			s.say("open a second one beside it")
			if _, err := s.by(s.cfg.Reopen); err == nil {
				return errors.New("a second opener got in")
			} else if errors.Is(err, errHangs) {
				return err
			}
			recs = append(recs, s.fill(a, d, d.Int("later records", 0, 6))...)
			s.shut(a, false)
			b := s.mustReopen()
			if readable(s.cfg, b) != "" {
				return nil
			}
			return same(s.mustHold(b), s.last(recs, s.cfg.Capacity))
		},
	},
	{
		Name:  "stale-fenced",
		Says:  "once a later opening has taken over, the earlier one stores nothing and says so, nor gets in again",
		lacks: allOf(durable, readable, needsIf("Config.TakesOver is not set", func(c *Config) bool { return c.TakesOver })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.fill(a, d, d.Int("records", 0, 6))
			s.say("open a second one beside it, which takes over")
			b, err := s.by(s.cfg.Reopen)
			if err != nil {
				return fmt.Errorf("taking over: %w", err)
			}
			for range d.Int("rounds", 1, 3) {
				stale := s.records(d.Int("stale", 1, 4))
				s.say("append #%d to #%d to the first", stale[0].Seq, stale[len(stale)-1].Seq)
				if n, err := s.batch(background, a, stale); n > 0 || err == nil {
					return fmt.Errorf("the first acknowledges %d of %d records though the second is open, with the error %v", n, len(stale), err)
				}
				recs = append(recs, s.fill(b, d, d.Int("later records", 0, 6))...)
			}
			s.say("open one under the epoch of the first")
			if _, err := s.under(s.cfg.Reopen, 1); err == nil {
				return errors.New("an opening of an epoch that was taken over gets in")
			} else if errors.Is(err, errHangs) {
				return err
			}
			recs = append(recs, s.fill(b, d, d.Int("last records", 0, 3))...)
			return same(s.mustHold(b), s.last(recs, s.cfg.Capacity))
		},
	},
	{
		Name:  "stored-once",
		Says:  "a record that is appended again, as after an unknown outcome, is stored once: in the same opening and in the next",
		lacks: allOf(readable, needsIf("Config.Ids is not set", func(c *Config) bool { return c.Ids })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			var recs []appender.Record
			for range d.Int("rounds", 1, 3) {
				recs = append(recs, s.fill(a, d, d.Int("records", 1, 6))...)
				if s.cfg.Reopen != nil && d.Int("open again", 0, 2) == 2 {
					s.shut(a, false)
					a = s.mustReopen()
				}
				again := recs[len(recs)-d.Int("again", 1, min(len(recs), 5)):]
				if c := s.cfg.Capacity; c > 0 { // what was dropped is not there to be recognised
					again = s.last(again, c)
				}
				s.say("append #%d to #%d again", again[0].Seq, again[len(again)-1].Seq)
				_, err := s.batch(background, a, again)
				must(err, "appending again what was stored")
			}
			return same(s.mustHold(a), s.last(recs, s.cfg.Capacity))
		},
	},
}

var damageLaws = []Law{
	{
		Name:  "full-survived",
		Says:  "a full medium is an error, never a panic or a lie; with room again records are taken, and opening again shows what was acknowledged",
		lacks: allOf(durable, readable, needsIf("no Config.Full", func(c *Config) bool { return c.Full != nil })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			acked := s.fill(a, d, d.Int("records", 0, 10))
			s.say("the medium is full")
			s.cfg.Full(true)
			refused := 0
			for range d.Int("appends while full", 1, 8) {
				recs := s.records(d.Int("batch", 1, 4))
				n, err := s.batch(background, a, recs)
				s.say("append %s: n = %d, %v", numbers(recs), n, err)
				acked = append(acked, recs[:n]...)
				if errors.Is(err, appender.ErrUnknownOutcome) {
					s.cfg.Full(false)
					return nil // what comes now may or may not hold it
				}
				if err != nil {
					refused++
				}
			}
			s.say("there is room again")
			s.cfg.Full(false)
			acked = append(acked, s.fill(a, d, d.Int("records after", 1, 6))...)
			if err := same(s.mustHold(a), s.last(acked, s.cfg.Capacity)); err != nil {
				return err
			}
			s.shut(a, false)
			return same(s.mustHold(s.mustReopen()), s.last(acked, s.cfg.Capacity))
		},
	},
	{
		Name:  "failed-sync",
		Says:  "a sync that fails is never turned into a success by trying again: what is then acknowledged as durable survives a crash",
		lacks: allOf(durable, crashes, readable, needsIf("no Config.FailSync", func(c *Config) bool { return c.FailSync != nil })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			type tried struct {
				rec   appender.Record
				state byte // a: acknowledged, r: refused, u: unknown
			}
			var all []tried
			note := func(recs []appender.Record, n int, err error) {
				s.say("append %s: n = %d, %v", numbers(recs), n, err)
				for i, r := range recs {
					t := tried{r, 'r'}
					if i < n {
						t.state = 'a'
					} else if errors.Is(err, appender.ErrUnknownOutcome) {
						t.state = 'u'
					}
					all = append(all, t)
				}
			}
			appending := func(rounds int) {
				for range rounds {
					recs := s.records(d.Int("batch", 1, 4))
					n, err := s.batch(background, a, recs)
					note(recs, n, err)
				}
			}
			appending(d.Int("before", 0, 4))
			s.say("syncs fail")
			s.cfg.FailSync(true)
			appending(d.Int("while they fail", 1, 4))
			s.cfg.FailSync(false)
			s.say("syncs work")
			appending(d.Int("after", 0, 4))
			durable := len(all)
			if _, ok := a.(appender.Flusher); ok {
				err := s.call("Flush", func() error { return appender.Flush(background, a) })
				s.say("flush: %v", err)
				if err != nil {
					durable = 0
				}
			} else if s.cfg.Acks < AckDisk {
				durable = 0
			}
			s.shut(a, true)
			got, err := s.held(s.mustReopen())
			if err != nil {
				return nil // it says that something is lost
			}
			i := 0
			for k, t := range all {
				there := i < len(got) && got[i] == t.rec
				if there {
					i++
				}
				switch {
				case there && t.state == 'r':
					return fmt.Errorf("#%d is held, which was refused", t.rec.Seq)
				case !there && t.state == 'a' && k < durable && s.cfg.Capacity == 0:
					return fmt.Errorf("#%d is gone, which was acknowledged and flushed (held %s)", t.rec.Seq, numbers(got))
				}
			}
			if i < len(got) {
				return fmt.Errorf("%v is held, out of order or twice", brief(got[i]))
			}
			return nil
		},
	},
	{
		Name:  "flip-reported",
		Says:  "one bit that turns in what is stored is reported, or does no harm: never a wrong record, never silently fewer",
		lacks: allOf(durable, readable, needsIf("no Config.Flip", func(c *Config) bool { return c.Flip != nil })),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			acked := s.last(s.fill(a, d, d.Int("records", 1, 12)), s.cfg.Capacity)
			s.shut(a, false)
			s.say("one bit turns")
			if !s.cfg.Flip(d.Uint64("bit")) {
				return nil
			}
			b, err := s.by(s.cfg.Reopen)
			if err != nil {
				return nil // it refuses, and says why
			}
			got, err := s.held(b)
			if e := subsequence(got, acked); e != nil {
				return e
			}
			if len(got) < len(acked) && err == nil && (s.cfg.Reports == nil || !s.cfg.Reports(b)) {
				return fmt.Errorf("held are %s of %s, and nothing is reported", numbers(got), numbers(acked))
			}
			return nil
		},
	},
}
