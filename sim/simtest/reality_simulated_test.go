package simtest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// The simulated media: a store elsewhere, which is the simulator's default, and
// a filelog on a simulated disk.

// simStore is one store for all incarnations. That it is gone is simulated by
// faults of its own, as by whoever simulates a server that is not there.
type simStore struct {
	store  *appender.Buffering // room for more than a script ever stores
	outage *appender.Control
	mu     sync.Mutex
	rng    *rand.Rand
	down   bool
	prompt bool // broken: a record is stored and acknowledged at one instant
}

func newSimStore(seed uint64) *simStore {
	m := &simStore{store: appender.NewBuffering(1 << 10), outage: appender.NewControl(seed), rng: rand.New(rand.NewPCG(seed, 1))}
	m.outage.OnStrike(func(kind string) {
		if kind == appender.FaultAppliedThenError || kind == appender.FaultAppendHang {
			// That was the last it did.
			m.outage.Set(appender.FaultAppendError, appender.Fault{})
		}
	})
	return m
}

// open may be struck, and so may a record when it comes to the store.
func (m *simStore) open(ctx context.Context, env appender.Env) (appender.Appender, error) {
	inner, err := appender.FaultyOpener(func(context.Context, appender.Env) (appender.Appender, error) {
		return lasting{m.store}, nil
	}, m.outage)(ctx, env)
	if err != nil {
		return nil, err
	}
	return &simSink{m: m, inner: inner, clock: env.Clock}, nil
}

// lasting is a store that outlives who closes it.
type lasting struct{ *appender.Buffering }

func (lasting) Close() error { return nil }

func (m *simStore) draw(limit int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.Int64N(limit)
}

// stop, amid, lets some more records in. The last one of them, or the next, is
// stored without an answer, gets lost on its way, or is refused.
func (m *simStore) stop(o outage) {
	m.mu.Lock()
	m.down = true
	m.mu.Unlock()
	if !o.amid {
		m.shut()
		return
	}
	last := o.first + uint64(m.draw(int64(o.last-o.first+1)))
	at := appender.Fault{From: last, To: last, Times: 1}
	refused := last + 1
	switch m.draw(4) {
	case 0:
		m.outage.Set(appender.FaultAppliedThenError, at)
	case 1:
		m.outage.Set(appender.FaultAppendHang, at)
	case 2:
		refused = last
	}
	m.outage.Set(appender.FaultAppendError, appender.Fault{From: refused})
	m.outage.Set(appender.FaultOpenError, appender.Fault{})
}

func (m *simStore) isDown() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

func (m *simStore) shut() {
	m.outage.ClearAll()
	m.outage.Set(appender.FaultAppendError, appender.Fault{})
	m.outage.Set(appender.FaultOpenError, appender.Fault{})
}

func (m *simStore) back() error {
	m.mu.Lock()
	m.down = false
	m.mu.Unlock()
	m.outage.ClearAll()
	if m.draw(2) == 0 {
		m.outage.Release() // else what is on its way never comes
	}
	return nil
}

// kill leaves the store as it is: it is elsewhere.
func (m *simStore) kill() {
	if m.isDown() {
		m.shut() // the next incarnation begins again at number 1
	}
}

func (m *simStore) content() ([]appender.Record, error) { return m.store.Captured(), nil }
func (m *simStore) repeats() repeats                    { return everything }
func (m *simStore) close() error                        { return m.store.Close() }

// simSink is the store as one epoch sees it: a call is on its way for a while,
// stores all of its records, and so is its answer, which gets lost if the store
// goes meanwhile.
type simSink struct {
	m     *simStore
	inner appender.Appender
	clock appender.Clock
}

func (s *simSink) Append(ctx context.Context, rec appender.Record) error {
	_, err := s.AppendBatch(ctx, []appender.Record{rec})
	return err
}

func (s *simSink) AppendBatch(ctx context.Context, recs []appender.Record) (int, error) {
	if err := s.clock.Sleep(ctx, s.way()); err != nil {
		return 0, err
	}
	was := s.m.isDown()
	n, err := appender.AppendBatch(ctx, s.inner, recs)
	if s.m.prompt || err != nil {
		return n, err
	}
	late := s.clock.Sleep(ctx, s.way())
	if late != nil || !was && s.m.isDown() {
		return 0, errors.Join(appender.ErrUnknownOutcome, late)
	}
	return n, nil
}

func (s *simSink) way() time.Duration { return time.Duration(s.m.draw(int64(time.Millisecond))) }

// simDisk is a filelog on a simulated disk.
type simDisk struct {
	d    *disk.Disk
	o    filelog.Options
	undo func()
	// power makes the death of a process one by a power failure.
	power bool
}

func newSimDisk(seed uint64, sync filelog.SyncPolicy) *simDisk {
	// What an operation takes is a function of the seed and its number.
	latency := func(op disk.Op, _ int, n uint64) time.Duration {
		limit := 100 * time.Microsecond
		if op == disk.OpSync {
			limit = 2 * time.Millisecond
		}
		return time.Duration(rand.New(rand.NewPCG(seed, n<<8|uint64(op))).Int64N(int64(limit)))
	}
	return &simDisk{
		d: disk.New(disk.Options{Seed: seed, Latency: latency}),
		o: filelog.Options{SegmentBytes: filelog.MinSegmentBytes, Sync: sync},
	}
}

func (m *simDisk) open(ctx context.Context, env appender.Env) (appender.Appender, error) {
	o := m.o
	o.FS = m.d.Mount(env.Clock)
	return filelog.Opener(o)(ctx, env)
}

func (m *simDisk) stop(o outage) {
	m.undo = m.d.Inject(disk.Rule{Any: true, Kind: disk.Fail, After: uint64(o.calls)})
}

func (m *simDisk) back() error {
	if m.undo != nil {
		m.undo()
	}
	return nil
}

func (m *simDisk) kill() {
	if m.power {
		m.d.Crash(disk.Draw)
		return
	}
	m.d.Kill()
}

func (m *simDisk) content() ([]appender.Record, error) { return readAll(m.d.Mount(nil)) }
func (m *simDisk) repeats() repeats                    { return whatItStored }
func (m *simDisk) close() error                        { return nil }

func readAll(fsys filelog.FS) (recs []appender.Record, err error) {
	for rec, err := range filelog.Read(background, fsys, nil, appender.Cursor{}, false) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}
