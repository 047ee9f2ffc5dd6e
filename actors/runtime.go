package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// epochWall is the civil time at which a simulation begins where its nodes do
// not say otherwise.
var epochWall = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// runtime is both runtimes: with a driver it is the simulated one and runs on
// its caller's goroutine, without one it is live.
type runtime struct {
	drv  Driver
	base time.Time // when Now was 0; real in a live runtime

	// Simulated.
	running *mailbox // whose handler runs
	watched []*watchedContext

	// Live. obs is the innermost lock: see the package documentation.
	obs  sync.Mutex
	work tracker
	end  chan struct{} // closed by Close

	event trace.Event // being observed; under obs

	mu     sync.Mutex
	nodes  []*Node // in the order of their spawning, ended ones dropped
	closed bool
}

// NewSimulated makes a runtime whose actors are stepped by d: on d's goroutine,
// in d's virtual time, starting no goroutine and reading no clock. Close it
// before d is unwound.
func NewSimulated(d Driver) Runtime {
	if d == nil {
		panic("actors: NewSimulated without a driver")
	}
	return &runtime{drv: d, base: epochWall}
}

// NewLive makes a runtime on the real clock, whose actors run on goroutines of
// its own, one per actor that has something to do.
func NewLive() Runtime {
	rt := &runtime{base: time.Now(), end: make(chan struct{})}
	rt.work.idle = make(chan struct{})
	return rt
}

// now is the monotonic time since the runtime began.
func (rt *runtime) now() time.Duration {
	if rt.drv != nil {
		return rt.drv.Now()
	}
	return time.Since(rt.base)
}

// Spawn implements [Runtime].
func (rt *runtime) Spawn(o NodeOptions, m loop.Model) (*Node, error) {
	switch {
	case o.ID == 0 || o.ID != uint64(uint32(o.ID)):
		return nil, fmt.Errorf("actors: node id %d: want 1 to 2^32-1", o.ID)
	case m == nil:
		return nil, fmt.Errorf("actors: node %s: no model", o.Name)
	}
	rt.mu.Lock()
	closed := rt.closed
	rt.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	n := newNode(rt, o.withDefaults(rt.now()), m)
	rt.mu.Lock()
	rt.nodes = append(rt.nodes, n)
	rt.mu.Unlock()
	if err := n.start(); err != nil {
		return nil, err
	}
	return n, nil
}

// forget drops an ended node.
func (rt *runtime) forget(n *Node) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if i := slices.Index(rt.nodes, n); i >= 0 {
		rt.nodes = slices.Delete(rt.nodes, i, i+1)
	}
}

// ActorName says whose actor one of the driver's is, as "n3's worker"; empty if
// nobody's. It is for a watchdog, while the simulation stands still.
func (rt *runtime) ActorName(id uint32) string {
	for _, n := range rt.nodes {
		for _, m := range n.mailboxes() {
			if m.id == id {
				return n.o.Name + "'s " + roleNames[m.role]
			}
		}
	}
	return ""
}

// Clock implements [Runtime].
func (rt *runtime) Clock() appender.Clock {
	if rt.drv != nil {
		return simClock{rt: rt}
	}
	return liveClock{rt: rt}
}

// Close implements [Runtime].
func (rt *runtime) Close(ctx context.Context) error {
	rt.mu.Lock()
	was := rt.closed
	rt.closed = true
	nodes := append([]*Node(nil), rt.nodes...)
	rt.mu.Unlock()
	if was {
		return nil
	}
	if rt.drv != nil {
		for _, n := range nodes {
			n.vanish()
		}
		rt.nodes, rt.watched, rt.running = nil, nil, nil
		return nil
	}
	return rt.closeLive(ctx, nodes)
}

const (
	closeLimit = 10 * time.Second
	stopLimit  = 2 * time.Second
)

func (rt *runtime) closeLive(ctx context.Context, nodes []*Node) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeLimit)
		defer cancel()
	}
	deadline, _ := ctx.Deadline()
	grace := min(time.Until(deadline)/2, stopLimit)
	for _, n := range nodes {
		n.Stop(grace)
	}
	for _, n := range nodes {
		select {
		case <-n.Done():
		case <-ctx.Done():
		}
	}
	for _, n := range nodes {
		n.vanish()
	}
	close(rt.end)
	rt.work.finish()
	select {
	case <-rt.work.idle:
		return nil
	case <-ctx.Done():
	}
	return rt.stuck()
}

// stuck names what still runs.
func (rt *runtime) stuck() error {
	names := rt.work.names()
	if len(names) == 0 {
		return nil // the last one has just ended
	}
	return fmt.Errorf("%w: %s", ErrStuck, strings.Join(names, "; "))
}

// tracker counts the goroutines that a live runtime owns.
type tracker struct {
	mu       sync.Mutex
	running  map[*mailbox]int
	n        int
	finished bool
	idle     chan struct{} // closed when n is 0 for good
}

// goes runs m on a goroutine of its own.
func (rt *runtime) goes(run func(), m *mailbox) {
	rt.work.add(m)
	go func() {
		defer rt.work.done(m)
		run()
	}()
}

func (t *tracker) add(m *mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running == nil {
		t.running = make(map[*mailbox]int)
	}
	t.running[m]++
	t.n++
}

func (t *tracker) done(m *mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running[m]--; t.running[m] == 0 {
		delete(t.running, m)
	}
	if t.n--; t.n == 0 && t.finished {
		close(t.idle)
	}
}

// finish says that nothing new is added but by what runs already.
func (t *tracker) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
	if t.n == 0 {
		close(t.idle)
	}
}

// names lists what runs, in order.
func (t *tracker) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for m := range t.running {
		names = append(names, m.String())
	}
	slices.Sort(names)
	return names
}
