package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"meshsim/appender"
	"meshsim/sim/trace"
)

// strategy supervises the loop, the appender host and the executor of a node,
// one for one, on the runtime's clock: a child that fails is restarted after a
// backoff, in which its mail waits; one that fails more than Max times within
// Window is stopped. protoactor's own strategies count on the real clock, draw
// from global randomness, know no cap, or restart at once; its RestartStatistics
// are not used.
//
// It runs in the handlers of the supervisor, one at a time.
type strategy struct {
	n       *Node
	records [trace.RoleExecutor + 1]failures
}

// failures are those of one actor.
type failures struct {
	at      []time.Duration // within the window, oldest first; at most Max+1
	total   uint64
	stopped bool
	timer   timer
}

var _ actor.SupervisorStrategy = (*strategy)(nil)

// HandleFailure implements [actor.SupervisorStrategy].
func (s *strategy) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, reason, _ any) {
	n := s.n
	role := n.roleOf(child)
	if role == 0 {
		sup.StopChildren(child) // none of ours; it cannot be
		return
	}
	failure := failureOf(reason)
	n.actorEvent(trace.ActorFailed, role, 0, 0, failure)
	if role == trace.RoleExecutor {
		n.executor.failed(failure)
	}
	if broken == mutantEscalates {
		n.actorEvent(trace.Escalated, role, 0, 0, failure)
		n.Crash()
		return
	}
	p := &n.o.Restarts
	f := &s.records[role]
	count := f.add(n.rt.now(), p.Window)
	if count > p.Max {
		f.stopped, f.at = true, nil
		n.actorEvent(trace.ActorStopped, role, uint32(count), 0, failure)
		sup.StopChildren(child)
		return
	}
	delay := backoff(uint32(count), p.Backoff, p.MaxBackoff, mix(mix(mix(n.o.Seed, seedActors), uint64(role)), f.total))
	if broken == mutantRestartAtOnce {
		delay = 0
	}
	f.timer = n.rt.after(n.rt.now()+delay, n.supervisor.mb, func() {
		n.restarts.Add(1)
		n.actorEvent(trace.ActorRestarted, role, uint32(count), delay, nil)
		sup.RestartChildren(child)
	})
}

// add notes a failure and returns how many there are within the window.
func (f *failures) add(now, window time.Duration) int {
	f.total++
	i := 0
	for i < len(f.at) && f.at[i] <= now-window {
		i++
	}
	f.at = append(f.at[:copy(f.at, f.at[i:])], now)
	return len(f.at)
}

// failureOf is the reason of a failure as an error.
func failureOf(reason any) error {
	if err, ok := reason.(error); ok {
		return err
	}
	return &appender.PanicError{Value: reason}
}

// guard is the guardian of a node's supervisor: above it is nobody. The
// supervisor runs no code but this package's, so its failure is a bug here; it
// is told, and ends the node, rather than the process.
type guard struct{ n *Node }

var _ actor.SupervisorStrategy = (*guard)(nil)

// HandleFailure implements [actor.SupervisorStrategy].
func (g *guard) HandleFailure(_ *actor.ActorSystem, _ actor.Supervisor, _ *actor.PID,
	_ *actor.RestartStatistics, reason, _ any) {
	g.n.actorEvent(trace.Escalated, trace.RoleNode, 0, 0, fmt.Errorf("actors: the supervisor failed: %w", failureOf(reason)))
	g.n.Crash()
}

// workerStrategy supervises the workers of an appender host, by what the host
// decides.
type workerStrategy struct{ h *host }

var _ actor.SupervisorStrategy = (*workerStrategy)(nil)

// HandleFailure implements [actor.SupervisorStrategy].
func (s *workerStrategy) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, reason, _ any) {
	s.h.workerFailed(sup, child, failureOf(reason))
}
