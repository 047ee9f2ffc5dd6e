package appendertest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"meshsim/appender"
	"meshsim/props/laws"
)

// store is a plain durable appender in memory, right in everything, with places
// where it can be broken. It keeps what it holds in a medium that outlives it.
type store struct {
	m      *medium
	broken string
	epoch  uint64
	mu     sync.Mutex
	closed bool
	failed bool
	stats  appender.Stats
	recent []appender.Record // what the last batch was, for those that alias
	shot   []appender.Record
	calls  int
}

// medium is what a store writes to: synced survives a crash, the rest does not.
type medium struct {
	all      []appender.Record
	dropped  uint64
	end      uint64
	synced   int
	capacity int
	full     bool
	room     int // records that a full one still takes
	failSync bool
	poisoned bool
	open     bool
	// takesOver: a later opening takes over from an earlier one, and a record is
	// stored once; owner is the epoch of the latest.
	takesOver bool
	owner     uint64
}

// maxStore is the largest message that a store takes.
const maxStore = 3000

func (s *store) is(broken string) bool { return s.broken == broken }

func (s *store) Append(ctx context.Context, rec appender.Record) error {
	_, err := s.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (s *store) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if err := ctx.Err(); err != nil && !s.is("ignores a cancelled context") {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !s.is("takes records after close") {
		return 0, &appender.AppendError{Sink: "store", Seq: first(recs), Err: appender.ErrClosed}
	}
	if s.m.takesOver && s.epoch != s.m.owner && !s.is("an earlier opening stores on") {
		if s.is("an earlier opening says nothing") {
			return len(recs), nil
		}
		return 0, errors.New("another has taken over")
	}
	if s.is("allocates") {
		s.recent = append([]appender.Record(nil), recs...)
	}
	if s.is("panics at the third call") {
		if s.calls++; s.calls == 3 {
			panic("third")
		}
	}
	if s.is("sleeps for real without end") {
		time.Sleep(time.Hour)
	}
	if s.is("ends the goroutine") {
		if s.calls++; s.calls == 2 {
			select {}
		}
	}
	for i := range recs {
		if err := s.one(recs[i]); err != nil {
			switch s.broken {
			case "n is one too few":
				return max(i-1, 0), err
			case "short without an error":
				return i, nil
			case "takes those behind a refused one":
				for j := i + 1; j < len(recs); j++ {
					_ = s.one(recs[j])
				}
			}
			return i, err
		}
	}
	if s.is("n is always zero") && len(recs) > 1 {
		return 0, io.ErrShortWrite
	}
	if s.is("one record in a batch is lost") && len(recs) == 4 {
		s.m.all = slices.Delete(s.m.all, len(s.m.all)-2, len(s.m.all)-1)
	}
	if s.is("a batch is reversed") && len(recs) > 1 {
		slices.Reverse(s.m.all[len(s.m.all)-len(recs):])
	}
	if s.is("aliases the batch") && len(recs) > 0 && len(s.m.all) >= len(recs) {
		s.recent = recs
	}
	if err := s.sync(); err != nil {
		return 0, err
	}
	return len(recs), nil
}

func first(recs []appender.Record) uint64 {
	if len(recs) == 0 {
		return 0
	}
	return recs[0].Seq
}

// sync makes everything durable.
func (s *store) sync() error {
	m := s.m
	switch {
	case s.is("acknowledges before it syncs"):
		return nil
	case m.failSync && s.is("a failed sync is a success"):
		m.poisoned = true
		return nil
	case m.failSync && s.is("a failed sync is tried again"):
		m.poisoned = true
		m.synced = len(m.all)
		return nil
	case m.failSync:
		// What was not synced is taken back: its outcome is unknown.
		m.end -= uint64(len(m.all) - m.synced)
		s.stats.Accepted -= uint64(len(m.all) - m.synced)
		m.all = m.all[:m.synced]
		err := errors.New("sync failed")
		if s.is("unknown reported as refused and stored") {
			m.synced = len(m.all)
			return nil
		}
		return fmt.Errorf("%w: %w", appender.ErrUnknownOutcome, err)
	}
	m.synced = len(m.all)
	return nil
}

func (s *store) one(rec appender.Record) error {
	m := s.m
	if len(rec.Message) > maxStore {
		return errors.New("too large")
	}
	if m.full && m.room > 0 {
		m.room--
	} else if m.full {
		if s.is("full is an error for ever") {
			s.failed = true
		}
		if s.is("full is acknowledged") {
			return nil
		}
		if s.is("full panics") {
			panic("no space")
		}
		return &appender.AppendError{Sink: "store", Seq: rec.Seq, Err: appender.ErrFull}
	}
	if s.failed {
		return errors.New("failed before")
	}
	if m.takesOver && !s.is("what is appended again is stored again") && s.knows(&rec) {
		return nil
	}
	switch s.broken {
	case "cuts a message at a zero byte":
		rec.Message, _, _ = strings.Cut(rec.Message, "\x00")
	case "repairs UTF-8":
		rec.Message = strings.ToValidUTF8(rec.Message, "?")
	case "clips the level":
		rec.Level = min(rec.Level, appender.Error)
	case "loses the flags":
		rec.Flags = 0
	case "numbers are 63 bits":
		rec.Daemon &= 1<<63 - 1
	case "stores a record twice at times":
		if rec.Seq%7 == 0 {
			m.all = append(m.all, rec)
			m.end++
			s.stats.Accepted++
		}
	case "drops an empty message":
		if rec.Message == "" {
			return nil
		}
	case "swaps neighbours":
		if n := len(m.all); n > 0 && rec.Seq%5 == 0 {
			rec, m.all[n-1] = m.all[n-1], rec
		}
	case "sorts by time":
		defer func() {
			slices.SortStableFunc(m.all, func(a, b appender.Record) int { return int(int64(a.TimeMs) - int64(b.TimeMs)) })
		}()
	}
	c := m.capacity
	switch s.broken {
	case "holds one too many":
		c++
	case "holds one too few":
		c = max(c-1, 1)
	}
	m.all = append(m.all, rec)
	m.end++
	s.stats.Accepted++
	if m.capacity > 0 && len(m.all) > c {
		switch s.broken {
		case "drops the newest":
			m.all = m.all[:len(m.all)-1]
		case "drops two at once":
			m.all = m.all[2:]
		case "drops everything when full":
			m.all = m.all[len(m.all)-1:]
		default:
			m.all = m.all[1:]
		}
		m.synced = max(m.synced-1, 0)
		if m.dropped++; s.is("the drop counter is an int8") {
			m.dropped &= 0xf
		}
		if s.is("does not count drops") {
			m.dropped = 0
		}
	}
	return nil
}

// knows reports whether it holds a record.
func (s *store) knows(rec *appender.Record) bool {
	known := s.m.all
	if s.is("forgets with each opening what it has") {
		known = known[len(known)-min(int(s.stats.Accepted), len(known)):]
	}
	return slices.ContainsFunc(known, func(r appender.Record) bool {
		return r.Node == rec.Node && r.Incarnation == rec.Incarnation && r.Stream == rec.Stream && r.Seq == rec.Seq
	})
}

func (s *store) CapturedInto(dst []appender.Record) []appender.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.is("the counter falls by reading"):
		s.m.dropped = 0
	case s.is("a snapshot replaces what was in the slice"):
		dst = dst[:0]
	case s.is("a snapshot is the store itself") && len(dst) == 0:
		return s.m.all
	case s.is("a snapshot is kept up to date"):
		s.shot = append(dst, s.m.all...)
		return s.shot
	case s.is("a snapshot is newest first"):
		all := slices.Clone(s.m.all)
		slices.Reverse(all)
		return append(dst, all...)
	case s.is("a snapshot misses the newest"):
		return append(dst, s.m.all[:max(len(s.m.all)-1, 0)]...)
	case s.is("aliases the batch") && len(s.recent) > 0 && len(s.m.all) >= len(s.recent):
		copy(s.m.all[len(s.m.all)-len(s.recent):], s.recent)
	}
	return append(dst, s.m.all...)
}

func (s *store) Replay(ctx context.Context, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return func(yield func(appender.Record, error) bool) {
		passed, next := false, s.m.dropped
		for {
			s.mu.Lock()
			held, dropped := slices.Clone(s.m.all), s.m.dropped
			s.mu.Unlock()
			for i, rec := range held {
				if pos := dropped + uint64(i); pos < next {
					continue
				}
				next = dropped + uint64(i) + 1
				at := from.Seq
				if s.is("a replay begins one too late") {
					at++
				}
				if passed = passed || rec.Incarnation > from.Incarnation || rec.Incarnation == from.Incarnation && rec.Seq >= at; !passed {
					continue
				}
				if !yield(rec, nil) {
					return
				}
			}
			runtime.Gosched()
			if ctx.Err() != nil || !follow || s.is("does not follow") {
				if follow && s.is("following ends with an error") {
					yield(appender.Record{}, ctx.Err())
				}
				return
			}
		}
	}
}

func (s *store) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is("flush does nothing") {
		return nil
	}
	if s.is("flush fails the first time") {
		if s.calls++; s.calls == 1 {
			return errors.New("not yet")
		}
	}
	return s.sync()
}

func (s *store) Position() (end, durable uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, durable = s.m.end, s.m.dropped+uint64(s.m.synced)
	if s.is("all is said to be durable") || s.is("acknowledges before it syncs") {
		durable = end
	}
	if s.is("more is durable than there is") {
		durable++
	}
	if s.is("the position is of this opening alone") {
		end = s.stats.Accepted / 2
	}
	return end, min(durable, end+uint64(len(s.broken)&1))
}

func (s *store) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is("the counter is reset by reading") {
		defer func() { s.m.dropped = 0 }()
	}
	return s.m.dropped
}

func (s *store) Stats() appender.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Delivered = st.Accepted
	switch s.broken {
	case "stats count batches":
		st.Accepted /= 2
		st.Delivered = st.Accepted
	case "what is delivered is still in the depth":
		st.Depth = len(s.m.all)
	case "stats are reset by reading":
		s.stats = appender.Stats{}
	}
	return st
}

func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.is("a second close fails") {
		return errors.New("already closed")
	}
	if s.is("leaks a goroutine") {
		go func() { select {} }()
	}
	s.closed, s.m.open = true, false
	if s.is("close does not sync") {
		s.m.all = s.m.all[:len(s.m.all)-min(len(s.m.all), 1)]
		return nil
	}
	if s.is("close loses the counter") {
		s.m.dropped = 0
	}
	_ = s.sync()
	return nil
}

// crash is what a power failure leaves.
func (m *medium) crash(broken string) {
	m.open = false
	if m.poisoned {
		m.synced = max(m.synced-1, 0)
	}
	m.end -= uint64(len(m.all) - min(m.synced, len(m.all)))
	m.all = m.all[:min(m.synced, len(m.all))]
	switch {
	case broken == "a torn tail is accepted" && len(m.all) > 0:
		last := m.all[len(m.all)-1]
		last.Message = "torn"
		m.all = append(m.all, last)
	case broken == "the last record is written again after a crash" && len(m.all) > 0:
		m.all = append(m.all, m.all[len(m.all)-1])
	case broken == "a crash loses the first":
		m.all = m.all[min(len(m.all), 1):]
	case broken == "a crash loses everything":
		m.all, m.synced = nil, 0
	case broken == "a crash leaves a hole" && len(m.all) > 3:
		m.all = slices.Delete(slices.Clone(m.all), 1, 2)
	}
	m.synced = len(m.all)
}

// stores is a store, broken, as a subject: one that keeps a second opener out, or
// that lets it take over and stores every record once.
func stores(broken string, capacity int, takesOver bool) laws.Config {
	var m *medium
	open := func(_ context.Context, env appender.Env) (appender.Appender, error) {
		if m.open && !m.takesOver && broken != "a second opener gets in" {
			return nil, errors.New("in use")
		}
		if env.Epoch < m.owner && broken != "an earlier epoch gets in again" {
			return nil, errors.New("a later one has taken over")
		}
		m.owner = env.Epoch
		if broken == "opening fails after a crash" && m.end > 5 {
			return nil, errors.New("corrupt")
		}
		if broken == "opening again appends the last" && len(m.all) > 0 {
			m.all = append(m.all, m.all[len(m.all)-1])
		}
		if broken == "opening again forgets the limit" {
			m.capacity = 0
		}
		m.open = true
		s := &store{m: m, broken: broken, epoch: env.Epoch}
		if broken == "a second opener gets in" && len(m.all) > 0 {
			m.all = m.all[:len(m.all)-1]
		}
		return s, nil
	}
	return laws.Config{
		Name: broken, Capacity: capacity, Acks: laws.AckDisk, Exclusive: !takesOver, TakesOver: takesOver, Ids: takesOver, OneNode: takesOver, Concurrent: true, Hang: 100 * time.Millisecond,
		New: func(ctx context.Context, env appender.Env) (appender.Appender, error) {
			m = &medium{capacity: capacity, takesOver: takesOver}
			return open(ctx, env)
		},
		Reopen:         open,
		Crash:          func() { m.crash(broken) },
		Full:           func(full bool) { m.full, m.room = full, 2 },
		MaxRecordBytes: maxStore,
		FailSync:       func(fails bool) { m.failSync = fails },
		Flip: func(x uint64) bool {
			if len(m.all) == 0 {
				return false
			}
			i := int(x % uint64(len(m.all)))
			if broken == "a flipped bit is not noticed" {
				m.all[i].Message += "x"
			} else if broken == "what is damaged is left out" {
				m.all = slices.Delete(slices.Clone(m.all), i, i+1)
				m.synced = len(m.all)
			} else {
				m.poisoned = true
			}
			return true
		},
		Reports: func(appender.Appender) bool { return m.poisoned && broken != "what is damaged is left out" },
	}
}
