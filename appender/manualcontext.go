package appender

import (
	"context"
	"slices"
	"sync"
	"time"
)

// manualContext is a context that ends on a ManualClock. It cannot be one of
// the context package's, because those do not let a foreign clock end them with
// DeadlineExceeded. Its AfterFunc method is what that package looks for to hang
// children of its own on a foreign context without a goroutine.
type manualContext struct {
	parent   context.Context
	deadline time.Time
	done     chan struct{}

	mu     sync.Mutex
	err    error
	detach []func() bool // what to undo at the end: the timer, the parent's hook
	after  []*func()     // by pointer, to be told apart
}

func (m *manualContext) Deadline() (time.Time, bool) { return m.deadline, true }
func (m *manualContext) Done() <-chan struct{}       { return m.done }
func (m *manualContext) Value(key any) any           { return m.parent.Value(key) }

// Err asks the parent too: where the parent is one of the context package's,
// its end arrives here a little later than in the parent.
func (m *manualContext) Err() error {
	m.mu.Lock()
	err := m.err
	m.mu.Unlock()
	if err == nil {
		if err = m.parent.Err(); err != nil {
			m.end(err)
			return m.Err()
		}
	}
	return err
}

// AfterFunc makes f be called when the context ends, by whoever ends it; at
// once if it has ended.
func (m *manualContext) AfterFunc(f func()) (stop func() bool) {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		f()
		return func() bool { return false }
	}
	defer m.mu.Unlock()
	own := &f
	m.after = append(m.after, own)
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		i := slices.Index(m.after, own)
		if i < 0 {
			return false
		}
		m.after = slices.Delete(m.after, i, i+1)
		return true
	}
}

// atEnd has stop called at the end, or now if the end has come already.
func (m *manualContext) atEnd(stop func() bool) {
	m.mu.Lock()
	ended := m.err != nil
	if !ended {
		m.detach = append(m.detach, stop)
	}
	m.mu.Unlock()
	if ended {
		stop()
	}
}

// end ends the context, once.
func (m *manualContext) end(err error) {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		return
	}
	m.err = err
	close(m.done)
	detach, after := m.detach, m.after
	m.detach, m.after = nil, nil
	m.mu.Unlock()
	for _, undo := range detach {
		undo()
	}
	for _, f := range after {
		(*f)()
	}
}
