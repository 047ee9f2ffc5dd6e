package sim

import (
	"slices"
	"sync/atomic"

	"meshsim/appender"
)

// tenancy is the use of an appender of the user's own by an epoch. A crash gives
// its worker no time to close it, and neither does the end of a run; but what
// it holds (a lock, a connection) is the process's, which goes on. So whatever
// a dead incarnation has left open is closed when the next one opens its own,
// as the death of a process would, and everything is closed at the end.
//
// A nil tenancy is that of a built-in appender, which holds nothing.
type tenancy struct {
	inner       appender.Appender
	incarnation uint32
	state       atomic.Uint32
}

const (
	tenancyIdle   = iota
	tenancyBusy   // a call is under way
	tenancyClosed // and it is closed
)

// enter begins a call; false if the appender is closed.
func (t *tenancy) enter() bool {
	return t == nil || t.state.CompareAndSwap(tenancyIdle, tenancyBusy)
}

// leave ends a call. One that panics or never comes back does not leave: such
// an appender is closed by its worker alone.
func (t *tenancy) leave() {
	if t != nil {
		t.state.CompareAndSwap(tenancyBusy, tenancyIdle)
	}
}

// leaveForGood is the worker's own end of it; false if it is closed already.
func (t *tenancy) leaveForGood() bool {
	return t == nil || t.state.Swap(tenancyClosed) != tenancyClosed
}

// evict closes the appender unless a call is under way.
func (t *tenancy) evict() {
	if !t.state.CompareAndSwap(tenancyIdle, tenancyClosed) {
		return
	}
	defer func() { _ = recover() }()
	_ = appender.Close(t.inner) // nobody is left to hear what it says
}

// tenant notes an appender that was opened.
func (n *node) tenant(a appender.Appender, incarnation uint32) *tenancy {
	t := &tenancy{inner: a, incarnation: incarnation}
	n.w.spoilMu.Lock()
	defer n.w.spoilMu.Unlock()
	n.tenants = slices.DeleteFunc(n.tenants, func(t *tenancy) bool { return t.state.Load() == tenancyClosed })
	n.tenants = append(n.tenants, t)
	return t
}

// evict closes what the incarnations before this one have left open.
func (n *node) evict(incarnation uint32) {
	n.w.spoilMu.Lock()
	var old []*tenancy
	n.tenants = slices.DeleteFunc(n.tenants, func(t *tenancy) bool {
		if t.incarnation < incarnation {
			old = append(old, t)
		}
		return t.incarnation < incarnation
	})
	n.w.spoilMu.Unlock()
	for _, t := range old {
		t.evict()
	}
}

// evictAll ends all use of the users' appenders, after everything else has
// ended.
func (w *world) evictAll() {
	for i := range w.nodes {
		w.nodes[i].evict(^uint32(0))
	}
}
