package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"
	cmap "github.com/orcaman/concurrent-map"
)

// A stock ActorSystem costs 2.8 MiB and some milliseconds, nearly all of it for
// the registry's 1,024 buckets of 32 shards. A node has half a dozen actors, and
// a mesh may have ten thousand nodes: one bucket of one shard will do. The count
// of shards is a global of its package and must be set before the first system
// is made.
func init() {
	cmap.SHARD_COUNT = 1
	stock = actor.NewActorSystem(actor.WithLoggerFactory(
		func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	slim(stock)
}

// stock is the one system that protoactor made. All others share what never
// changes in it: its configuration, its silent logger, and its extensions, which
// would be a table of 1.7 KiB each to hold metrics that are off. What is private
// in it and belongs to Shutdown is shared, too: nobody calls that.
var stock *actor.ActorSystem

// newSystem makes a slim, silent actor system: 3 KiB, and microseconds instead
// of the 120 that one costs by way of the stock registry. It is made anew for
// every node, so that nothing can be left in it by another.
func newSystem(name string) *actor.ActorSystem {
	sys := new(actor.ActorSystem)
	*sys = *stock
	sys.ID = name
	sys.ProcessRegistry = &actor.ProcessRegistryValue{ActorSystem: sys, Address: name}
	sys.Root = actor.NewRootContext(sys, actor.EmptyMessageHeader)
	sys.Guardians = actor.NewGuardians(sys)
	slim(sys)
	return sys
}

// slim gives a system a registry of one bucket, and listeners of our own. Of the
// stock listeners to dead letters the one that logs is left out, because it
// starts a goroutine and a ticker; the one that answers to a Watch of an actor
// that is gone stays.
func slim(sys *actor.ActorSystem) {
	r := sys.ProcessRegistry
	r.LocalPIDs = &actor.SliceMap{LocalPIDs: []cmap.ConcurrentMap{cmap.New()}}
	sys.EventStream = eventstream.NewEventStream()
	sys.DeadLetter = actor.NewDeadLetter(sys)
	sys.EventStream = eventstream.NewEventStream() // without what that has subscribed
	sys.EventStream.Subscribe(func(e any) { answerWatch(sys, e) })
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
