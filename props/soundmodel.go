package props

import (
	"fmt"

	"meshsim/sim/trace"
)

// SoundModel holds when no code but an appender's panics: a panic of the loop's
// actor is a bug of the model, one of the executor's is a bug of the executor,
// and one of the host or the node's supervisor is a bug of meshsim. Each is
// supervised like an appender's panic, so that the run goes on; without this
// invariant it would pass in silence.
//
// It is not one of the table of invariants about appenders, but all of them
// rest on it.
func SoundModel() trace.Checker {
	return &soundModel{always("sound-model", trace.NodeStarted, trace.ActorFailed)}
}

type soundModel struct{ judge }

func (c *soundModel) Observe(e *trace.Event) error {
	c.checked++
	if e.Kind == trace.ActorFailed && e.Actor != trace.RoleWorker {
		return fmt.Errorf("node %d, incarnation %d: the %s panicked: %v", e.Node, e.Incarnation, roleName(e.Actor), e.Err)
	}
	return nil
}

func roleName(role uint32) string {
	switch role {
	case trace.RoleNode:
		return "node's supervisor"
	case trace.RoleLoop:
		return "loop"
	case trace.RoleHost:
		return "appender host"
	case trace.RoleWorker:
		return "appender's worker"
	case trace.RoleExecutor:
		return "executor"
	}
	return fmt.Sprintf("actor of role %d", role)
}
