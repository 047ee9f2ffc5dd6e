package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"meshsim/sim/kernel"
)

// ErrWatchdog says that a step of the simulation blocked for real. The error
// returned is a *[WatchdogError].
var ErrWatchdog = errors.New("sim: a step hangs")

// watchdogLimit is how long one step may take on the real clock. A step takes
// microseconds; twenty seconds are no slow machine, but code that waits other
// than through its Clock.
var watchdogLimit = 20 * time.Second

// WatchdogError names the step that hangs, and shows where.
type WatchdogError struct {
	Step  uint64 // its number
	Kind  string // handle, arrival, timer, resume or fault
	Actor string // whose step it is, as "n3's worker"; empty if nobody's
	For   time.Duration
	Stack string // of the goroutine that hangs
}

// Error is one line; Stack says more.
func (e *WatchdogError) Error() string {
	who := "the world"
	if e.Actor != "" {
		who = e.Actor
	}
	return fmt.Sprintf("%v: step %d (%s of %s) has not returned for %v; inside a node, code must wait through its appender.Clock alone",
		ErrWatchdog, e.Step, e.Kind, who, e.For)
}

// Unwrap makes errors.Is(err, ErrWatchdog) true.
func (e *WatchdogError) Unwrap() error { return ErrWatchdog }

// watchdog looks now and then whether the simulation has moved on.
type watchdog struct {
	s      *simulation
	limit  time.Duration
	ticker *time.Ticker
	seen   kernel.Running
	since  time.Time
}

func newWatchdog(s *simulation, limit time.Duration) *watchdog {
	return &watchdog{s: s, limit: limit, ticker: time.NewTicker(limit / 8), since: time.Now()}
}

func (d *watchdog) tick() <-chan time.Time { return d.ticker.C }
func (d *watchdog) stop()                  { d.ticker.Stop() }

// bark is an error once one and the same step was seen for longer than the
// limit. The simulation is lost then: its goroutine cannot be ended.
func (d *watchdog) bark() error {
	r := d.s.k.Running()
	if r != d.seen || r.Kind == 0 {
		d.seen, d.since = r, time.Now()
		return nil
	}
	hung := time.Since(d.since)
	if hung < d.limit {
		return nil
	}
	return &WatchdogError{
		Step: r.Step, Kind: r.Kind.String(), Actor: d.s.actorName(r.Actor),
		For: hung.Round(time.Millisecond), Stack: stackOf(d.s.id),
	}
}

// actorName says whose step it is. The runtime knows; it stands still.
func (s *simulation) actorName(actor uint32) string {
	if actor == 0 {
		return ""
	}
	if n, ok := s.rt.(interface{ ActorName(uint32) string }); ok {
		return n.ActorName(actor)
	}
	return fmt.Sprintf("actor %d", actor)
}

// simulationLabel marks the goroutines of a simulation, coroutines included,
// so that the one that hangs can be found among all of the process.
const simulationLabel = "meshsim"

var simulationIDs atomic.Uint64

// label marks the calling goroutine; the result unmarks it.
func (s *simulation) label() (unlabel func()) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(simulationLabel, s.id)))
	return func() { pprof.SetGoroutineLabels(context.Background()) }
}

// stackOf is where the goroutines of one simulation stand, but for handlers
// that are parked and the goroutine that waits for the run's coroutine.
func stackOf(id string) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return ""
	}
	var out []string
	for _, g := range strings.Split(b.String(), "\n\n") {
		if !strings.Contains(g, fmt.Sprintf("%q:%q", simulationLabel, id)) || switched(g) {
			continue
		}
		out = append(out, g)
	}
	return strings.Join(out, "\n\n")
}

// switched reports whether a goroutine of a profile has handed over to another
// coroutine: it does not run.
func switched(g string) bool {
	for _, line := range strings.Split(g, "\n") {
		if f, ok := strings.CutPrefix(line, "#\t"); ok && !strings.HasPrefix(f, " ") {
			return strings.Contains(f, "coroswitch") || strings.Contains(f, "iter.Pull")
		}
	}
	return false
}
