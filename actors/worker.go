package actors

import (
	"context"
	"fmt"
	"io"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// worker is the disposable actor under a host that calls the appender, and the
// only one that does: it may park, hang and panic. It does one thing at a time
// that its host asks for, and answers.
type worker struct {
	h     *host
	n     *Node
	mb    *mailbox
	pid   *actor.PID
	epoch uint64 // the one that it serves; the host's
	clock appender.Clock

	app appender.Appender
	// batch is what it is to append. It belongs to this worker alone, so that
	// an appender that is still at it when it is abandoned reads what it was
	// given.
	batch []appender.Record
}

// newWorker spawns a worker under the host. Every one has a name of its own:
// protoactor's addresses carry no incarnation.
func (h *host) newWorker() *worker {
	n := h.n
	h.workers++
	w := &worker{h: h, n: n}
	// One request and one order to retire, and a panic to raise.
	w.mb = n.rt.newMailbox(n, trace.RoleWorker, 1, 3, 1)
	w.clock = n.clock(w.mb)
	pid, err := h.ctx.SpawnNamed(props(w.mb, w, nil), fmt.Sprintf("worker-%d", h.workers))
	if err != nil {
		panic(fmt.Errorf("actors: spawning a worker: %w", err))
	}
	w.pid = pid
	h.lock()
	h.alive = append(h.alive, w)
	gone := h.gate == gateGone
	h.unlock()
	if gone {
		w.mb.close() // the node has crashed meanwhile
	}
	return w
}

func (w *worker) started(actor.Context) {}
func (w *worker) restarting()           {}
func (w *worker) stopping()             {}
func (w *worker) stopped()              {}

func (w *worker) handle(e *entry) {
	switch e.kind {
	case kindOpen:
		w.open(e.from)
	case kindAppend:
		w.append(e.from, w.batch[:e.seq])
	case kindFlush:
		w.flush(e.from)
	case kindRetire:
		w.close()
		w.answer(&entry{kind: kindClosed, from: e.from})
	}
}

func (w *worker) answer(e *entry) { w.h.mb.post(control, e) }

func (w *worker) open(epoch uint64) {
	w.close() // of the epoch before, if it ended by a panic
	n := w.n
	env := appender.Env{
		Node: n.o.Name, Incarnation: n.o.Incarnation, Epoch: epoch,
		Seed: mix(mix(n.o.Seed, seedEpochs), epoch), Clock: w.clock,
	}
	ctx, cancel := w.clock.WithTimeout(n.ctx, n.o.Host.Deadline)
	defer cancel()
	app, err := n.o.Host.Open(ctx, env)
	if err == nil && app == nil {
		err = ErrNilAppender
	}
	late := err != nil && ctx.Err() != nil
	size := 1
	if err == nil {
		w.app = app
		if _, ok := app.(appender.BatchAppender); ok {
			size = n.o.Host.Batch
		}
	}
	// Without a batch method a record is a call, with a deadline of its own.
	w.answer(&entry{kind: kindOpened, from: epoch, seq: uint64(size), late: late, err: err})
}

func (w *worker) append(epoch uint64, recs []appender.Record) {
	ctx, cancel := w.clock.WithTimeout(w.n.ctx, w.n.o.Host.Deadline)
	defer cancel()
	stored, err := appender.AppendBatch(ctx, w.app, recs)
	stored = min(max(stored, 0), len(recs))
	switch {
	case stored == len(recs):
		err = nil // whatever it says, it says that all are stored
	case err == nil:
		err = io.ErrShortWrite
	}
	late := err != nil && ctx.Err() != nil
	w.answer(&entry{kind: kindAppended, from: epoch, seq: uint64(stored), late: late, err: err})
}

func (w *worker) flush(epoch uint64) {
	ctx, cancel := w.clock.WithTimeout(w.n.ctx, w.n.o.Host.Deadline)
	defer cancel()
	err := appender.Flush(ctx, w.app)
	w.answer(&entry{kind: kindFlushed, from: epoch, err: err})
}

// close closes the appender, if there is one. What it says or whether it
// panics changes nothing: its epoch is over.
func (w *worker) close() {
	app := w.app
	w.app = nil
	if app == nil {
		return
	}
	defer func() { _ = recover() }()
	_ = appender.Close(app)
}

var openNoOp appender.Opener = func(context.Context, appender.Env) (appender.Appender, error) {
	return appender.NoOp{}, nil
}
