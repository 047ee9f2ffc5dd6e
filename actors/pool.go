package actors

import "github.com/asynkron/protoactor-go/actor"

// system returns an actor system for a node: live a new one, because handlers
// of a node that crashed may still run in its system; in a simulation one that
// has served.
func (rt *runtime) system(name string) *actor.ActorSystem {
	rt.recycle()
	return takeSystem(name)
}

// recycle takes in the systems of nodes that ended. None of their handlers
// runs: a simulation spawns and closes between steps, and what is parked is
// unwound, in which protoactor's code takes no part.
func (rt *runtime) recycle() {
	if rt.drv == nil || rt.running != nil {
		return
	}
	for i, n := range rt.retired {
		if n.sys != nil {
			giveSystem(n.sys)
			n.sys = nil
		}
		rt.retired[i] = nil
	}
	rt.retired = rt.retired[:0]
}
