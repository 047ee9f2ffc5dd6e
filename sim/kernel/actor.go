package kernel

// An actor's id holds its slot in the low bits and the slot's generation above,
// so that a call that names a freed actor never reaches the slot's next tenant.
const (
	actorSlotBits = 20
	actorSlotMask = 1<<actorSlotBits - 1
	actorGenMax   = 1<<(32-actorSlotBits) - 1
)

// actorState says what an actor does.
type actorState uint8

const (
	idle    actorState = iota // waits for a message
	running                   // its handler runs
	parked                    // its handler is parked
	waking                    // its handler is parked, and unparked
	serving                   // its handler has returned; service time runs
)

type actor struct {
	step    func()
	coro    *coroutine // that its parked handler keeps
	cause   uint64     // of the message that it may take
	wake    uint64     // of its resumption
	order   uint64     // while enabled or deferred
	id      uint32     // 0: free
	node    uint32
	next    uint32 // free slots
	gen     uint16
	state   actorState
	place   place // of its Handle step if idle, of its Resume step if waking
	pending bool  // it may take a message, as soon as it is idle
}

// lookup finds an actor that is not freed.
func (k *Kernel) lookup(id uint32) *actor {
	if s := id & actorSlotMask; s < uint32(len(k.actors)) {
		if a := &k.actors[s]; a.id == id && id != 0 {
			return a
		}
	}
	return nil
}

// NewActor registers an actor of a node (0: of none) and returns its id, never
// 0. The kernel calls step once per Enable, as a Handle step; step takes the
// actor's next message, and calls Enable again if there is one more. At most
// 1,048,575 actors live at a time.
func (k *Kernel) NewActor(node uint32, step func()) (id uint32) {
	if k.dead {
		return 0
	}
	s := k.freeActor
	if s != 0 {
		k.freeActor = k.actors[s].next
	} else {
		if len(k.actors) == 0 {
			k.actors = append(k.actors, actor{}) // slot 0 is nobody
		}
		if len(k.actors) > actorSlotMask {
			panic("kernel: too many actors")
		}
		s = uint32(len(k.actors))
		k.actors = append(k.actors, actor{})
	}
	a := &k.actors[s]
	*a = actor{step: step, id: uint32(a.gen)<<actorSlotBits | s, node: node, gen: a.gen}
	return a.id
}

// FreeActor forgets an actor: its timers never fire, a handler of its that is
// parked, or parks later, stays so until Unwind. A handler of its that runs
// goes on. Later calls that name the id do nothing.
func (k *Kernel) FreeActor(id uint32) {
	a := k.lookup(id)
	if a == nil || k.dead {
		return
	}
	if a.place == enabled {
		k.withdrawActor(a)
	}
	for n := len(k.timers); n > 0; n-- { // backwards: a removal moves the last one
		if i := k.timers[n-1]; k.events[i].actor == id {
			k.withdraw(i, &k.events[i])
			k.forget(i, &k.events[i])
		}
	}
	slot := id & actorSlotMask
	*a = actor{gen: a.gen + 1}
	if a.gen <= actorGenMax {
		a.next, k.freeActor = k.freeActor, slot
	}
}

// Enable says that the actor has a next message, whose causal id is cause. While
// a handler of the actor runs, is parked, or is in service, it takes effect
// after that. To enable an enabled actor is a bug and panics.
func (k *Kernel) Enable(id uint32, cause uint64) {
	a := k.lookup(id)
	if a == nil || k.dead {
		return
	}
	if a.pending {
		panic("kernel: Enable of an enabled actor")
	}
	a.pending, a.cause = true, cause
	if a.state == idle {
		k.enableActor(a, Handle, cause)
	}
}

// Disable takes an Enable back, if there is one.
func (k *Kernel) Disable(id uint32) {
	a := k.lookup(id)
	if a == nil || k.dead || !a.pending {
		return
	}
	a.pending = false
	if a.state != idle {
		return
	}
	if a.place == enabled {
		k.withdrawActor(a)
	}
	a.place, a.order = nowhere, 0
}

// enableActor hands an actor's step to the strategy, or defers it.
func (k *Kernel) enableActor(a *actor, kind StepKind, cause uint64) {
	k.orders++
	a.order = k.orders
	ref := a.id & actorSlotMask << 1
	if k.isPaused(a.node) {
		a.place = deferred
		k.deferStep(a.node, ref, a.order)
		return
	}
	a.place = enabled
	k.enabled++
	k.strategy.Add(Step{Ref: ref, Kind: kind, Node: a.node, Actor: a.id, Cause: cause, Time: k.now, Order: a.order})
}

// withdrawActor takes an actor's enabled step back from the strategy.
func (k *Kernel) withdrawActor(a *actor) {
	k.strategy.Remove(a.id & actorSlotMask << 1)
	k.enabled--
}

// handle takes an actor's Handle step.
func (k *Kernel) handle(slot uint32) {
	a := &k.actors[slot]
	id := a.id
	a.state, a.place, a.pending = running, nowhere, false
	k.running = id
	k.begin(Handle, a.node, id, a.cause)
	a.step()
	k.handled(id)
}

// handled ends a handler, which may have parked since its step began.
func (k *Kernel) handled(id uint32) {
	k.running = 0
	a := k.lookup(id)
	if a == nil {
		return
	}
	if k.service != nil {
		if d := k.service(a.node, id); d > 0 {
			a.state = serving
			k.schedule(k.now+min(d, maxTime-k.now), release, a.node, id, 0, nil, 0)
			return
		}
	}
	k.settle(a)
}

// serve ends an actor's service time.
func (k *Kernel) serve(id uint32) {
	if a := k.lookup(id); a != nil {
		k.settle(a)
	}
}

// settle makes an actor idle, and enables it if it has a message already.
func (k *Kernel) settle(a *actor) {
	a.state = idle
	if a.pending {
		k.enableActor(a, Handle, a.cause)
	}
}
