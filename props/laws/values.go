package laws

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"meshsim/appender"
)

var valueLaws = []Law{
	{
		Name:  "round-trip",
		Says:  "any record comes back as it was: empty, large, with zero bytes, invalid UTF-8, the largest numbers",
		lacks: readable,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			var recs []appender.Record
			for i := range d.Int("records", 1, 5) {
				rec := anyRecord(d)
				if s.cfg.OneNode {
					rec.Node, rec.Incarnation, rec.Stream, rec.Seq = "n1", 1, 0, uint64(i+1)
				}
				if c := s.cfg.MaxRecordBytes; c > 0 && len(rec.Message)+len(rec.Node) > c {
					rec.Message, rec.Node = "", "n1"
				}
				s.say("append %v", brief(rec))
				must(s.append(background, a, rec), "an append with nothing in its way")
				recs = append(recs, rec)
			}
			if s.cfg.Drops {
				return subsequence(s.mustHold(a), recs)
			}
			return s.kept(s.mustHold(a), recs)
		},
	},
	{
		Name:  "no-aliasing",
		Says:  "the caller may reuse its slice as soon as the call has returned",
		lacks: readable,
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			buf := s.records(d.Int("batch", 1, 6))
			recs := slices.Clone(buf)
			s.say("append a batch of %d, then write to the slice", len(buf))
			_, err := s.batch(background, a, buf)
			must(err, "a batch with nothing in its way")
			for i := range buf {
				buf[i] = appender.Record{Seq: 999, Node: "overwritten", Message: "overwritten"}
			}
			if s.cfg.Drops {
				return subsequence(s.mustHold(a), recs)
			}
			return s.kept(s.mustHold(a), recs)
		},
	},
	{
		Name:  "snapshot",
		Says:  "a snapshot is one moment: later appends do not change it, and writing to it changes nothing that is held",
		lacks: needs[appender.Capturer]("CapturedInto"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			c := a.(appender.Capturer)
			recs := s.fill(a, d, d.Int("records", 0, 12))
			front := appender.Record{Seq: 77, Node: "in front"}
			s.say("take a snapshot behind what is in a slice")
			got := c.CapturedInto([]appender.Record{front})
			if len(got) == 0 || got[0] != front {
				return fmt.Errorf("CapturedInto did not append to its slice: what was in it is gone")
			}
			shot := got[1:]
			if d.Int("another, in a slice of its own", 0, 1) == 1 {
				s.say("take another into a slice of its own")
				shot = c.CapturedInto(nil)
			}
			if err := s.kept(shot, recs); err != nil {
				return err
			}
			more := s.fill(a, d, d.Int("later records", 1, 12))
			if err := s.kept(shot, recs); err != nil {
				return fmt.Errorf("after later appends the snapshot has changed: %w", err)
			}
			s.say("write to the snapshot")
			for i := range shot {
				shot[i] = appender.Record{Node: "overwritten"}
			}
			return s.kept(c.CapturedInto(nil), append(slices.Clone(recs), more...))
		},
	},
	{
		Name:  "replay-cursor",
		Says:  "a replay begins at the first record that is not below its cursor, and leaves out none behind it",
		lacks: needs[appender.Replayer]("Replay"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			recs := s.last(s.fill(a, d, d.Int("records", 0, 20)), s.cfg.Capacity)
			from := uint64(d.Int("from", 0, 22))
			s.say("replay from incarnation 1, #%d", from)
			var got []appender.Record
			err := s.call("Replay", func() error {
				for rec, err := range a.(appender.Replayer).Replay(background, appender.Cursor{Incarnation: 1, Seq: from}, false) {
					if err != nil {
						return err
					}
					got = append(got, rec)
				}
				return nil
			})
			must(err, "a replay with nothing in its way")
			i := slices.IndexFunc(recs, func(r appender.Record) bool { return r.Seq >= from })
			if i < 0 {
				i = len(recs)
			}
			if err := same(got, recs[i:]); err != nil {
				return err
			}
			// A consumer may stop at any time.
			return s.call("Replay", func() error {
				for range a.(appender.Replayer).Replay(background, appender.Cursor{}, false) {
					break
				}
				return nil
			})
		},
	},
	{
		Name:  "follow",
		Says:  "a replay that follows goes on to records that are appended later, and ends without an error when its context does",
		lacks: needs[appender.Replayer]("Replay"),
		check: func(s *subject, d Draw) error {
			a := s.mustOpen()
			early := s.fill(a, d, d.Int("records before", 0, 5))
			late := s.records(d.Int("records later", 1, 5))
			if c := s.cfg.Capacity; c > 0 && len(early)+len(late) > c {
				return nil // retention may be faster than any reader
			}
			want := append(slices.Clone(early), late...)
			s.say("follow; append #%d to #%d; cancel once all have come", late[0].Seq, late[len(late)-1].Seq)
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			var got []appender.Record
			return s.call("Replay that follows", func() error {
				if len(early) == 0 {
					if err := a.Append(background, late[0]); err != nil {
						return err
					}
					late = late[1:]
				}
				for rec, err := range a.(appender.Replayer).Replay(ctx, appender.Cursor{}, true) {
					if err != nil {
						return fmt.Errorf("following: %w", err)
					}
					got = append(got, rec)
					if len(late) > 0 {
						if err := a.Append(background, late[0]); err != nil {
							return err
						}
						late = late[1:]
					}
					if len(got) >= len(want) {
						cancel()
					}
				}
				return same(got, want)
			})
		},
	},
}

// anyRecord draws one with values at the edges.
func anyRecord(d Draw) appender.Record {
	number := func(label string) uint64 {
		return []uint64{0, 1, 1 << 32, 1<<63 - 1, 1 << 63, ^uint64(0), d.Uint64(label)}[d.Int(label+" kind", 0, 6)]
	}
	text := func(label string) string {
		switch d.Int(label+" kind", 0, 6) {
		case 0:
			return ""
		case 1:
			return "plain"
		case 2:
			return "zero\x00byte\x00"
		case 3:
			return "invalid \xff\xfe\xc3"
		case 4:
			return "línea ✓ \n\t\r\u2028"
		case 5:
			return strings.Repeat("x", d.Int(label+" length", 1, 5000))
		}
		b := make([]byte, d.Int(label+" bytes", 1, 40))
		x := d.Uint64(label)
		for i := range b {
			b[i] = byte(x >> (i % 8 * 8))
		}
		return string(b)
	}
	rec := appender.Record{
		Seq: number("seq"), TimeMs: number("time"), Daemon: number("daemon"), Node: text("node"), Message: text("message"),
		Incarnation: uint32(number("incarnation")), Level: appender.Level(d.Int("level", 0, 255)),
		Stream: uint8(d.Int("stream", 0, 255)), Flags: uint8(d.Int("flags", 0, 255)),
	}
	if d.Int("huge", 0, 40) == 40 {
		rec.Message = strings.Repeat("m", 1<<20)
	}
	return rec
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// allocations is how often f allocates, on average.
func allocations(f func()) float64 {
	const rounds = 200
	f()
	least := 1e9
	for range 3 { // other goroutines may allocate as well
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/rounds)
	}
	return least
}
