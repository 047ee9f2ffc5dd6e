package actors

import (
	"log/slog"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"
	"github.com/asynkron/protoactor-go/extensions"
	cmap "github.com/orcaman/concurrent-map"
)

// A stock ActorSystem costs 2.8 MiB, nearly all of it 1,024 buckets of 32
// shards for the registry. A node has half a dozen actors, and a mesh may have
// ten thousand nodes: one bucket of one shard will do. The count of shards is a
// global of its package and must be set before the first system is made.
func init() {
	cmap.SHARD_COUNT = 1
	first := actor.NewActorSystemWithConfig(sharedConfig)
	sharedExtensions = first.Extensions
	resetSystem(first) // sharedExtensions keeps it alive
}

// sharedConfig is one for all systems: nothing changes it.
var sharedConfig = actor.Configure(actor.WithLoggerFactory(
	func(*actor.ActorSystem) *slog.Logger { return discard }))

// sharedExtensions is one for all systems, too: each would have a table of 100
// slots, 1.7 KiB, of which protoactor fills one, for metrics, which are off.
var sharedExtensions *extensions.Extensions

var discard = slog.New(slog.DiscardHandler)

// systems keeps actor systems that have been reset, because one costs over
// 100 us to make.
var systems = sync.Pool{New: func() any {
	sys := actor.NewActorSystemWithConfig(sharedConfig)
	resetSystem(sys)
	return sys
}}

// takeSystem returns a slim, silent actor system that nothing was spawned in.
func takeSystem(name string) *actor.ActorSystem {
	sys := systems.Get().(*actor.ActorSystem)
	sys.ID, sys.ProcessRegistry.Address = name, name
	return sys
}

// giveSystem takes a system in that no handler will use any more.
func giveSystem(sys *actor.ActorSystem) {
	resetSystem(sys)
	systems.Put(sys)
}

// resetSystem makes a system equal to a new one. What a system
// holds of its past is all in what is replaced here: its registry with its
// sequence of ids, its guardians, and who listens to its events. Of the stock
// listeners to dead letters the one that logs is left out, because it starts a
// goroutine and a ticker of its own; the one that answers to a Watch of an
// actor that is gone stays.
func resetSystem(sys *actor.ActorSystem) {
	sys.ID = ""
	sys.Extensions = sharedExtensions
	r := sys.ProcessRegistry
	r.Address = ""
	r.SequenceID = 0
	r.RemoteHandlers = nil
	r.LocalPIDs = &actor.SliceMap{LocalPIDs: []cmap.ConcurrentMap{cmap.New()}}
	sys.Guardians = actor.NewGuardians(sys)
	sys.EventStream = eventstream.NewEventStream()
	sys.EventStream.Subscribe(func(e any) { answerWatch(sys, e) })
	r.Add(sys.DeadLetter, "deadletter")
	r.Add(actor.NewEventStreamProcess(sys), "eventstream")
}

func answerWatch(sys *actor.ActorSystem, e any) {
	dead, ok := e.(*actor.DeadLetterEvent)
	if !ok {
		return
	}
	if w, ok := dead.Message.(*actor.Watch); ok {
		if p, ok := sys.ProcessRegistry.Get(w.Watcher); ok {
			p.SendSystemMessage(w.Watcher, &actor.Terminated{Who: dead.PID, Why: actor.TerminatedReason_NotFound})
		}
	}
}
