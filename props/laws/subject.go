package laws

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"time"

	"meshsim/appender"
)

// subject is what a law is asked of, in one case: it opens, calls and closes it,
// and tells the story. No call of it can take the checking down: a panic, a hang
// and a runtime.Goexit become what is wrong.
type subject struct {
	cfg   *Config
	clock *clock
	inner *inner // of a wrapper
	app   appender.Appender
	all   []appender.Appender
	opens uint64
	story []string
	seq   uint64
	// label is on every goroutine that a call starts, and labelled its value.
	label    context.Context
	labelled string
}

func newSubject(cfg *Config) *subject {
	s := &subject{cfg: cfg, clock: &clock{}}
	s.label, s.labelled = newLabel()
	if cfg.RealClock {
		s.clock.real = time.Now()
	}
	if cfg.Wrap != nil {
		s.inner = &inner{}
	}
	return s
}

func (s *subject) say(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

// end closes what is open, whatever it says.
func (s *subject) end() {
	defer func() { _ = recover() }()
	for _, a := range s.all {
		_ = s.call("Close", func() error { return appender.Close(a) })
	}
}

var background = context.Background()

func (s *subject) env() appender.Env {
	s.opens++
	return appender.Env{Node: "n1", Incarnation: 1, Epoch: s.opens, Seed: 42, Clock: s.clock}
}

// open opens a fresh one.
func (s *subject) open() (appender.Appender, error) {
	if s.cfg.Wrap != nil {
		s.inner = &inner{env: s.clock}
		env := s.env()
		err := s.call("Config.Wrap", func() error {
			s.app = s.cfg.Wrap(s.inner, env)
			return nil
		})
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, s.app)
		return s.app, nil
	}
	return s.by(s.cfg.New)
}

func (s *subject) by(open appender.Opener) (appender.Appender, error) {
	return s.under(open, s.opens+1)
}

// under opens it under an epoch.
func (s *subject) under(open appender.Opener, epoch uint64) (a appender.Appender, err error) {
	env := s.env()
	env.Epoch = epoch
	err = s.call("opening", func() (err error) {
		a, err = open(background, env)
		return err
	})
	if err == nil && a == nil {
		err = errors.New("the opener returned neither an appender nor an error")
	}
	if err == nil {
		s.app = a
		s.all = append(s.all, a)
	}
	return a, err
}

func (s *subject) mustOpen() appender.Appender {
	a, err := s.open()
	must(err, "opening a fresh one")
	return a
}

func (s *subject) mustReopen() appender.Appender {
	s.say("open again")
	a, err := s.by(s.cfg.Reopen)
	must(err, "opening it again")
	return a
}

// errHangs: a call did not come back.
var errHangs = errors.New("the call does not come back: it waits, but not by the clock of its Env; or it is waiting for a lock")

// call makes a call on a goroutine of its own, so that one that hangs is left
// behind.
func (s *subject) call(what string, f func() error) (err error) {
	done := make(chan error, 1)
	go func() {
		pprof.SetGoroutineLabels(s.label)
		finished := false
		defer func() {
			if v := recover(); v != nil {
				done <- &appender.PanicError{Value: v}
			} else if !finished {
				done <- fmt.Errorf("%s ended its goroutine", what)
			}
		}()
		err := f()
		finished = true
		done <- err
	}()
	limit := s.cfg.Hang
	if limit <= 0 {
		limit = 10 * time.Second
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s: %w", what, errHangs)
	}
}

// append appends one record; a panic and a hang end the case.
func (s *subject) append(ctx context.Context, a appender.Appender, rec appender.Record) error {
	err := s.call("Append", func() error { return a.Append(ctx, rec) })
	s.fatal(err)
	return err
}

// batch appends several, and holds the answer to its contract.
func (s *subject) batch(ctx context.Context, a appender.Appender, recs []appender.Record) (n int, err error) {
	err = s.call("AppendBatch", func() (err error) {
		n, err = appender.AppendBatch(ctx, a, recs)
		return err
	})
	s.fatal(err)
	if n < 0 || n > len(recs) || n < len(recs) && err == nil {
		fail("AppendBatch of %d records returned n = %d, err = %v: n < len without an error, or out of bounds", len(recs), n, err)
	}
	return n, err
}

// fatal ends the case if a call panicked or hung where none may.
func (s *subject) fatal(err error) {
	var p *appender.PanicError
	if errors.Is(err, errHangs) || errors.As(err, &p) && !s.mayPanic() {
		panic(bail{err})
	}
}

func (s *subject) mayPanic() bool { return s.inner != nil && s.inner.panicked.Load() }

// records makes the next n of the subject's node.
func (s *subject) records(n int) []appender.Record {
	recs := make([]appender.Record, n)
	for i := range recs {
		s.seq++
		recs[i] = appender.Record{
			Seq: s.seq, TimeMs: 1_700_000_000_000 + s.seq, Node: "n1", Incarnation: 1, Message: fmt.Sprintf("message %d", s.seq),
		}
	}
	return recs
}

// fill appends n records, in batches drawn, each of which must be taken.
func (s *subject) fill(a appender.Appender, d Draw, n int) []appender.Record {
	var all []appender.Record
	for len(all) < n {
		k := d.Int("batch", 0, min(n-len(all), 9))
		if k == 0 {
			recs := s.records(1)
			s.say("append #%d", recs[0].Seq)
			must(s.append(background, a, recs[0]), "an append with nothing in its way")
			all = append(all, recs...)
			continue
		}
		recs := s.records(k)
		s.say("append #%d to #%d as a batch", recs[0].Seq, recs[k-1].Seq)
		_, err := s.batch(background, a, recs)
		must(err, "a batch with nothing in its way")
		all = append(all, recs...)
	}
	return all
}

// held reads what is held. Where reading yields errors, they are returned with
// what else there was.
func (s *subject) held(a appender.Appender) (recs []appender.Record, err error) {
	if s.inner != nil {
		return s.inner.held(), nil
	}
	err = s.call("reading", func() error {
		switch x := a.(type) {
		case appender.Capturer:
			recs = x.CapturedInto(nil)
		case appender.Replayer:
			var errs []error
			for rec, err := range x.Replay(background, appender.Cursor{}, false) {
				if err != nil {
					errs = append(errs, err)
					continue
				}
				recs = append(recs, rec)
			}
			return errors.Join(errs...)
		default:
			recs, err = s.cfg.Contents(background, a)
			return err
		}
		return nil
	})
	s.fatal(err)
	return recs, err
}

func (s *subject) mustHold(a appender.Appender) []appender.Record {
	recs, err := s.held(a)
	must(err, "reading what is held")
	return recs
}

// last is what is to be held of recs.
func (s *subject) last(recs []appender.Record, capacity int) []appender.Record {
	if capacity == 0 {
		return recs
	}
	return recs[max(0, len(recs)-max(capacity, 1)):]
}

// kept compares what is held with recs, all of which were acknowledged. That what
// is bounded holds enough of them is the law fifo-drop's to say: here the end of
// them will do.
func (s *subject) kept(got, recs []appender.Record) error {
	if n := len(got); s.cfg.Capacity > 0 && n > 0 && n <= len(recs) && slices.Equal(got, recs[len(recs)-n:]) {
		return nil
	}
	return same(got, s.last(recs, s.cfg.Capacity))
}

// same compares what is held with what is to be.
func same(got, want []appender.Record) error {
	if slices.Equal(got, want) {
		return nil
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("the %s record held is %v, expected %v (held %s, expected %s)", ordinal(i+1), brief(got[i]), brief(want[i]), numbers(got), numbers(want))
		}
	}
	return fmt.Errorf("held are %d records, %s; expected %d, %s", len(got), numbers(got), len(want), numbers(want))
}

func brief(r appender.Record) string {
	if len(r.Message) > 60 {
		r.Message = r.Message[:60] + "..."
	}
	if q := strconv.Quote(r.Node); len(q) != len(r.Node)+2 || r.Node == "" {
		r.Node = q
	}
	return r.String()
}

func ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// numbers lists sequence numbers, shortly: #1-4 #6.
func numbers(recs []appender.Record) string {
	if len(recs) == 0 {
		return "none"
	}
	s := ""
	for i := 0; i < len(recs); {
		j := i
		for j+1 < len(recs) && recs[j+1].Seq == recs[j].Seq+1 {
			j++
		}
		if len(s) > 60 {
			return s + " ..."
		}
		if s != "" {
			s += " "
		}
		s += fmt.Sprintf("#%d", recs[i].Seq)
		if j > i {
			s += fmt.Sprintf("-%d", recs[j].Seq)
		}
		i = j + 1
	}
	return s
}

// dropped is what it counts as dropped.
func dropped(a appender.Appender) (uint64, bool) {
	if d, ok := a.(interface{ Dropped() uint64 }); ok {
		return d.Dropped(), true
	}
	if s, ok := a.(appender.Statser); ok {
		return s.Stats().Dropped, true
	}
	return 0, false
}

// clock is what a subject waits by: the machine's, or one on which sleeping
// takes no time and is noted.
type clock struct {
	real time.Time // zero: virtual
	appender.ManualClock
	mu      sync.Mutex
	slept   time.Duration
	naps    int
	onSleep func()
}

func (c *clock) Now() time.Duration {
	if c.real.IsZero() {
		return c.ManualClock.Now()
	}
	return time.Since(c.real)
}

func (c *clock) Wall() time.Time {
	if c.real.IsZero() {
		return c.ManualClock.Wall()
	}
	return time.Now()
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	c.naps++
	c.slept += max(d, 0)
	f := c.onSleep
	c.mu.Unlock()
	if f != nil {
		f()
	}
	if c.real.IsZero() {
		// A sleep without an end ends with ctx, however long that takes.
		if d < 0 {
			d = 24 * time.Hour
		}
		for ; d > 0 && ctx.Err() == nil; d -= min(d, time.Millisecond*20) {
			c.Advance(min(d, time.Millisecond*20))
			runtime.Gosched()
		}
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *clock) AfterFunc(d time.Duration, f func()) func() bool {
	if c.real.IsZero() {
		return c.ManualClock.AfterFunc(d, f)
	}
	return time.AfterFunc(d, f).Stop
}

func (c *clock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if c.real.IsZero() {
		return c.ManualClock.WithTimeout(ctx, d)
	}
	return context.WithTimeout(ctx, d)
}
