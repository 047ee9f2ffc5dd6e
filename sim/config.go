package sim

import (
	"time"

	"meshsim/actors"
	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// Config is a scenario: the same struct that a YAML file fills (package
// scenario), that the command's --set changes, and that a Go test builds.
// The zero value of every field means its default; see [Config.Resolve].
// All durations are virtual time.
type Config struct {
	// Name and About say what the scenario is for.
	Name  string `yaml:"name,omitempty"`
	About string `yaml:"about,omitempty"`

	// Nodes is how many nodes the mesh has, named n1, n2, ... Default 3.
	Nodes int `yaml:"nodes,omitempty"`
	// Duration is the length of the safety phase, in which faults strike.
	// Default 10 s. A log file's replay prolongs it until the log ends.
	Duration time.Duration `yaml:"duration,omitempty"`
	// Recovery bounds the liveness phase after the heal: pending must reach 0
	// and every circuit must close within it. Default 30 s.
	Recovery time.Duration `yaml:"recovery,omitempty"`

	Loop     Loop       `yaml:"loop,omitempty"`
	Mesh     Mesh       `yaml:"mesh,omitempty"`
	Appender Appender   `yaml:"appender,omitempty"`
	Disk     Disk       `yaml:"disk,omitempty"`
	Host     Host       `yaml:"host,omitempty"`
	Network  Network    `yaml:"network,omitempty"`
	Service  Dist       `yaml:"service,omitempty"` // virtual time that handling one message costs
	Load     []Load     `yaml:"load,omitempty"`
	Faults   []Fault    `yaml:"faults,omitempty"`   // the timetable
	Chaos    []Chaos    `yaml:"chaos,omitempty"`    // faults by probability
	Schedule Schedule   `yaml:"schedule,omitempty"` // the order of steps
	Heal     HealPolicy `yaml:"heal,omitempty"`
	// Swarm lets the seed draw every field above that is left at zero: see
	// [Config.Draw].
	Swarm bool `yaml:"swarm,omitempty"`
	// Sometimes names marks that must occur at least once, or the run is
	// inconclusive: see [Marks].
	Sometimes []string `yaml:"sometimes,omitempty"`
	// Shadows is the share of nodes (0..1) that carry a shadow loop for the
	// non-interference invariant, drawn by seed; at least one. Default 0.2.
	Shadows float64 `yaml:"shadows,omitempty"`

	// Incarnation is the number of every node's first start, default 1. A run
	// against a store that holds records of earlier runs takes one above theirs,
	// so that its own go on behind them. What is replayed begins with it.
	Incarnation uint32 `yaml:"-"`
	// Model makes a node's model; durable is what survived its last crash.
	// nil means the MeshOS model (package loop/meshos) shaped by Mesh.
	Model func(node uint64, durable any) loop.Model `yaml:"-"`
	// Open overrides Appender with the user's own. It runs inside every node. If
	// what it opens can replay what it stored (appender.Replayer), it is a log:
	// every opening replays it and tells what it holds, for the invariant
	// durable-prefix; what it says is safe (appender.Positioner) must then
	// survive. A wrapper that shows no Replay of its own is no log.
	Open appender.Opener `yaml:"-"`
	// Exec carries out the actions of the user's own Model; nil refuses none
	// and does nothing. The MeshOS model brings its own.
	Exec func(node uint64) actors.Executor `yaml:"-"`
	// Progress, if set, is told rarely how far a run has come. It is called
	// on the run's goroutine and must not block.
	Progress func(Progress) `yaml:"-"`
	// Observe, if set, sees every event of a run, before the checkers. An
	// event is valid only during the call. It makes every event be built,
	// which costs; it changes nothing else about the run.
	Observe func(*trace.Event) `yaml:"-"`
	// ObserveKinds limits Observe to these kinds, so that the others need not
	// be built for it; 0 means every kind.
	ObserveKinds trace.KindSet `yaml:"-"`

	_ struct{}
}

// Loop shapes every node's loop.
type Loop struct {
	Tick time.Duration `yaml:"tick,omitempty"` // default 500 ms
	Ring int           `yaml:"ring,omitempty"` // log ring capacity, default 2,048
	// Inbox bounds the log lines and peers' messages that wait for the loop;
	// the oldest are dropped. Default 4,096.
	Inbox int `yaml:"inbox,omitempty"`
}

// Mesh shapes the built-in MeshOS model.
type Mesh struct {
	Heartbeat time.Duration `yaml:"heartbeat,omitempty"` // default 500 ms; [None]: none
	// Peers is how many peers each node sends heartbeats to: the next ones
	// in a circle. 0 means all.
	Peers   int `yaml:"peers,omitempty"`
	Daemons int `yaml:"daemons,omitempty"` // per node, default 2; [None]: none
	// Crash is the mean time between crashes of a daemon. 0 means never.
	Crash time.Duration `yaml:"crash,omitempty"`
}

// Appender chooses the built-in appender under every host.
type Appender struct {
	// Kind is noop, buffering (default), or filelog: a durable log per node, on
	// a disk of the node's own, which is simulated.
	Kind string `yaml:"kind,omitempty"`
	// Capacity is how many records buffering and filelog hold at most, the
	// newest; default 16,384. With Config.Open, it says how many of its newest
	// records the appender retains at least.
	Capacity int `yaml:"capacity,omitempty"`
	// Latency is what one append costs when no fault adds to it. A filelog's
	// disk adds what its operations cost.
	Latency Dist `yaml:"latency,omitempty"`
	// Sync is when a filelog makes what it took durable: "always" (default:
	// before it acknowledges), "never", "every 64" (records) or "interval
	// 100ms". With Config.Open and set to always, it says that every record
	// which the appender acknowledges survives a crash.
	Sync string `yaml:"sync,omitempty"`
	// SegmentBytes is the length at which a filelog begins another file.
	// Default 64 KiB: short, so that files roll in the middle of a run.
	SegmentBytes int `yaml:"segment_bytes,omitempty"`
}

// Disk shapes every node's simulated disk, the one that a filelog is on. It
// survives its node's crashes, but a crash is a power failure to it: what was
// written and not synced is lost, kept, reordered or torn by sector, as the
// seed draws. What an operation costs is waited out by who calls it; a call
// that was abandoned in the middle of one keeps its log, and with it the
// disk's lock, so that no other can be opened before it comes back.
type Disk struct {
	// Read, Write and Sync are what one operation costs. Defaults: reading
	// nothing, "uniform 10us 100us" and "uniform 500us 2ms".
	Read  Dist `yaml:"read,omitempty"`
	Write Dist `yaml:"write,omitempty"`
	Sync  Dist `yaml:"sync,omitempty"`
	// Sector is the part of a write, in bytes, that a power failure keeps or
	// loses as a whole: a power of two from 16 to 65,536. Default 512.
	Sector int `yaml:"sector,omitempty"`
	// Tear lets a power failure leave even a sector written in part.
	Tear bool `yaml:"tear,omitempty"`
	// Loss says what a power failure does to what was not synced: "draw"
	// (default: the seed draws it for every sector, size and name), "all" (all
	// of it is lost) or "none".
	Loss string `yaml:"loss,omitempty"`
	// Capacity is how many bytes the disk holds. 0 means without bound.
	Capacity int `yaml:"capacity,omitempty"`
}

// Host shapes the appender host: the fields of actors.Host.
type Host struct {
	Inbox      int           `yaml:"inbox,omitempty"`       // default 1,024
	Batch      int           `yaml:"batch,omitempty"`       // default 128
	Attempts   int           `yaml:"attempts,omitempty"`    // default 3
	Abandoned  int           `yaml:"abandoned,omitempty"`   // default 4
	Deadline   time.Duration `yaml:"deadline,omitempty"`    // default 1 s
	Grace      time.Duration `yaml:"grace,omitempty"`       // default 250 ms
	Backoff    time.Duration `yaml:"backoff,omitempty"`     // default 50 ms
	MaxBackoff time.Duration `yaml:"max_backoff,omitempty"` // default 5 s
	Probe      time.Duration `yaml:"probe,omitempty"`       // default 1 s
}

// Dist is a distribution of durations, written as "10ms", "uniform 1ms 5ms",
// "exp 5ms" (exponential, by its mean), "normal 10ms 2ms" (truncated at 0) or
// "pareto 1ms 1.5" (scale and shape). The zero Dist is constantly 0.
type Dist struct {
	Kind string
	A, B time.Duration
	// Shape is pareto's.
	Shape float64
}

// Network shapes every link. Loss, Duplicate and Reorder are probabilities per
// message.
type Network struct {
	// Latency is one way. With a Matrix it is what a link adds to half the
	// round trip.
	Latency   Dist    `yaml:"latency,omitempty"` // default "uniform 1ms 5ms"
	Jitter    Dist    `yaml:"jitter,omitempty"`
	Loss      float64 `yaml:"loss,omitempty"`
	Duplicate float64 `yaml:"duplicate,omitempty"`
	Reorder   float64 `yaml:"reorder,omitempty"`
	// Matrix is a CSV file of round-trip times in ms between regions, or the
	// name of a built-in one ("ibm-cloud"). Node i lives in region
	// (i-1) mod regions.
	Matrix string `yaml:"matrix,omitempty"`
	// Regions limits the matrix to these, in this order.
	Regions []string `yaml:"regions,omitempty"`
	// InFlight says what becomes of messages in flight at a cut: "deliver"
	// (default) or "drop".
	InFlight string `yaml:"in_flight,omitempty"`
}

// Load is one source of log lines.
type Load struct {
	// Kind is constant, poisson, burst, ramp or replay.
	Kind  string   `yaml:"kind"`
	Nodes []string `yaml:"nodes,omitempty"` // default all
	// Rate is lines per second and node; a ramp goes from Rate to To.
	Rate float64 `yaml:"rate,omitempty"`
	To   float64 `yaml:"to,omitempty"`
	// Size lines make a burst, one burst every Every.
	Size  int           `yaml:"size,omitempty"`
	Every time.Duration `yaml:"every,omitempty"`
	Bytes int           `yaml:"bytes,omitempty"` // message length, default 48
	From  time.Duration `yaml:"from,omitempty"`
	Until time.Duration `yaml:"until,omitempty"` // default the whole duration; of a replay: until its log ends
	// File is a real log to replay, at its own pace made Speed times faster
	// (default 1), with gaps that are then still longer than MaxGap (default
	// 2 s) cut to it. Its lines go to the nodes in turn.
	File   string        `yaml:"file,omitempty"`
	Speed  float64       `yaml:"speed,omitempty"`
	MaxGap time.Duration `yaml:"max_gap,omitempty"`
}

// Fault is one entry of the timetable: at At, Kind strikes Nodes, and it heals
// after For (0: at the heal).
type Fault struct {
	At  time.Duration `yaml:"at"`
	For time.Duration `yaml:"for,omitempty"`
	// Kind: crash (restarts after For), pause, slow, skew, jump, clog,
	// partition, loss, duplicate, reorder, latency; append-error,
	// append-latency, append-hang, append-deaf, append-panic, open-error,
	// open-hang, open-deaf, open-panic, applied-then-error; and where the
	// appender is a filelog: disk-full (no write finds space), disk-error (a
	// write fails), disk-short (a write stops short of its end), disk-sync-error
	// (a sync fails, and may lose what it was to save), disk-slow, disk-flip
	// (one bit of what the disk holds flips, at At).
	Kind string `yaml:"kind"`
	// Nodes are node names, region names or "all": see [NodesOf]. Loss,
	// duplicate, reorder and latency strike every link unless it is set, else
	// the links from and to these nodes.
	Nodes []string `yaml:"nodes,omitempty"`
	// Groups are a partition's sides; nodes named in none are cut from nobody.
	// A single group is cut from every other node.
	Groups [][]string `yaml:"groups,omitempty"`
	// Shape of a partition: symmetric (default), one-way (the first group no
	// longer reaches the others) or partial (only the pairs between the first
	// and the second group are cut, the third reaches both).
	Shape string `yaml:"shape,omitempty"`
	// Factor of slow and disk-slow (how many times slower), or of skew (1.01
	// runs 1 % fast).
	Factor float64 `yaml:"factor,omitempty"`
	// By is the jump of the wall clock, or the latency added.
	By time.Duration `yaml:"by,omitempty"`
	// Prob of loss, duplicate, reorder, the append faults, disk-error,
	// disk-short and disk-sync-error, per message, call, or operation of the
	// disk. Default 1.
	Prob float64 `yaml:"prob,omitempty"`
	// Record makes an append fault strike the Record-th record appended at
	// its node (from 1, counted over its incarnation), once.
	Record uint64 `yaml:"record,omitempty"`
}

// Chaos lets faults of one kind strike by chance: each node (or link pair, or
// the mesh for partitions) is struck with exponentially distributed gaps.
type Chaos struct {
	Kind string `yaml:"kind"` // as in Fault
	// Every is the mean time between strikes on one node (for partition and
	// clog: on the mesh).
	Every time.Duration `yaml:"every"`
	// For is how long a strike lasts. Default 1 s.
	For    Dist          `yaml:"for,omitempty"`
	Nodes  []string      `yaml:"nodes,omitempty"` // default all
	Factor float64       `yaml:"factor,omitempty"`
	By     time.Duration `yaml:"by,omitempty"`
	Prob   float64       `yaml:"prob,omitempty"`
}

// Schedule chooses the order of steps.
type Schedule struct {
	// Kind is default (arrival order) or random (a seeded random walk over
	// the enabled steps).
	Kind string `yaml:"kind,omitempty"`
	// Hold bounds how long a random schedule may keep back an arrival or a
	// timer, up to a minute.
	Hold time.Duration `yaml:"hold,omitempty"`
}

// HealPolicy says what the heal does beyond ending every fault.
type HealPolicy struct {
	// Hangs: "release" (default) lets calls that hang return; "keep" leaves
	// them hanging for ever, so that their circuit must stay open and records
	// be settled at once.
	Hangs string `yaml:"hangs,omitempty"`
}
