package sim

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"meshsim/actors"
	"meshsim/sim/kernel"
	"meshsim/sim/trace"
)

// ErrInterrupted is in the cause of a run that its context ended.
var ErrInterrupted = errors.New("sim: interrupted")

// Run simulates a scenario under one seed and judges it. The result is a pure
// function of the code, the configuration and the seed: see guarantee 1.
//
// cfg need not be resolved; a swarm configuration is drawn from the seed.
// Each of checkers makes a fresh checker for this run.
//
// What the mesh does wrong is in the result, never in the error. The error is
// about the run itself: a configuration that is wrong ([*FieldError],
// [*InputError]), a step that really hangs ([*WatchdogError]), a livelock
// ([*kernel.LivelockError]). A panic outside of any actor (in a checker, in
// Observe) is a bug, and reaches the caller.
//
// When ctx ends, the run stops between two steps, and the result tells what is
// known so far: inconclusive, unless something was violated already.
//
// Run uses one goroutine of its own, and any number of calls may run in
// parallel. The functions in cfg (Model, Open, Exec, Observe, Progress) are
// called on that goroutine, or on coroutines that stand in for it.
func Run(ctx context.Context, cfg Config, seed uint64, checkers ...func() trace.Checker) (*Result, error) {
	r, err := cfg.settled(seed)
	if err != nil {
		return nil, err
	}
	return runSettled(ctx, r, seed, checkers, nil)
}

// settled draws a swarm configuration and fills in every default.
func (c Config) settled(seed uint64) (Config, error) {
	if c.Swarm {
		c = c.Draw(seed)
	}
	return c.Resolve()
}

// runSettled runs on a goroutine of its own and watches it: a step that really
// blocks would else block the caller for ever.
func runSettled(ctx context.Context, cfg Config, seed uint64, checkers []func() trace.Checker, taken func(kernel.Taken)) (*Result, error) {
	s := simulations.Get().(*simulation)
	s.taken = taken
	type outcome struct {
		res   *Result
		err   error
		panic string
	}
	done := make(chan outcome, 1)
	go func() {
		defer s.label()()
		o := outcome{err: errGoexit}
		defer func() {
			if p := recover(); p != nil {
				o.panic = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			}
			done <- o // also when a step exits its goroutine
		}()
		o.res, o.err = s.run(ctx, cfg, seed, checkers)
	}()
	dog := newWatchdog(s, watchdogLimit)
	defer dog.stop()
	for {
		select {
		case o := <-done:
			if o.panic != "" {
				panic(o.panic) // a bug's, where the caller can see it
			}
			if o.err == nil && len(s.nodes) <= keptNodesMax {
				simulations.Put(s)
			}
			return o.res, o.err
		case <-dog.tick():
			if err := dog.bark(); err != nil {
				return nil, err
			}
		}
	}
}

// errGoexit: a step called runtime.Goexit, as testing's FailNow does.
var errGoexit = errors.New("sim: a step ended its goroutine (t.FailNow or runtime.Goexit inside the mesh)")

// simulations are worlds on a kernel, kept between runs: their memory is what
// makes a small scenario cheap. A run that failed leaves none behind.
var simulations = sync.Pool{New: func() any { return newSimulation() }}

// keptNodesMax bounds the worlds that are kept: a big one is dear in memory,
// and its making is no large part of its run.
const keptNodesMax = 64

// simulation is a world on a kernel.
type simulation struct {
	world
	k      *kernel.Kernel
	court_ court
	taken  func(kernel.Taken)
	serves []uint64 // messages served, by actor slot
	id     string   // of its goroutine's label
}

func newSimulation() *simulation {
	s := &simulation{k: kernel.New(kernel.Options{})}
	s.world.stage = (*simStage)(s)
	s.world.epoch = epochWall
	s.id = fmt.Sprintf("%d", simulationIDs.Add(1))
	return s
}

// isolate runs f on a goroutine of its own and waits for its end.
func isolate(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// run is one run from beginning to end.
func (s *simulation) run(ctx context.Context, cfg Config, seed uint64, checkers []func() trace.Checker) (res *Result, err error) {
	began := time.Now()
	s.court = &s.court_
	s.court.open(&cfg, s.k.Now, s.k, checkers)
	s.k.Reset(s.options(&cfg, seed))
	defer context.AfterFunc(ctx, func() { s.k.Stop(ErrInterrupted) })()
	s.rt = actors.NewSimulated(s.k)
	defer func() { err = errors.Join(err, s.close()) }()
	s.court.slack(simSlack(&cfg))
	if err := s.build(cfg, seed); err != nil {
		return nil, err
	}
	interrupted, err := s.phases()
	s.court.rethrow()
	if err != nil {
		return nil, err
	}
	var unbalanced error
	for i := range s.nodes {
		s.k.Fold(s.nodes[i].digest())
		if err := s.nodes[i].audit(); err != nil && unbalanced == nil {
			unbalanced = err
		}
	}
	s.court.finish()
	res = s.result(interrupted)
	if unbalanced != nil && res.Verdict != Violated {
		return nil, unbalanced // else the violation tells more, and when it began
	}
	res.Digest = fmt.Sprintf("%016x", s.k.Digest())
	res.Steps, res.Virtual, res.Wall = s.k.Steps(), s.k.Now(), time.Since(began)
	return res, nil
}

func (s *simulation) options(cfg *Config, seed uint64) kernel.Options {
	o := kernel.Options{
		Seed: mix(seed, rootSchedule), Isolate: isolate, Trace: s.taken,
		Advance: s.court.advance,
	}
	if cfg.Schedule.Kind == scheduleRandom {
		o.Strategy = kernel.NewRandomWalk(cfg.Schedule.Hold)
	}
	if serves(cfg) {
		s.serves = s.serves[:0]
		o.Service = s.service
	}
	return o
}

// phases runs the safety phase, the heal and the liveness phase.
func (s *simulation) phases() (interrupted bool, err error) {
	end := s.cfg.Duration
	for {
		if stopped, err := s.until(phaseSafety, end, end); stopped || err != nil {
			return stopped, err
		}
		if s.prolonged == 0 {
			break
		}
		end = max(end, s.endless) + s.cfg.Loop.Tick // the log has not ended yet
	}
	deadline := end + s.cfg.Recovery
	s.stage.at(end, func() { s.heal(deadline) })
	for now := end; ; now = min(now+livenessPoll, deadline) {
		if stopped, err := s.until(phaseLiveness, now, deadline); stopped || err != nil {
			return stopped, err
		}
		if err := s.fault(); err != nil {
			return false, err
		}
		if now == deadline || now > end && s.recovered() {
			break
		}
	}
	s.tell(trace.Event{Kind: trace.LivenessEnded})
	return false, nil
}

// livenessPoll is how often the liveness phase looks whether it may end.
const livenessPoll = 100 * time.Millisecond

// The phases, as [Progress] names them.
const (
	phaseSafety   = "safety"
	phaseLiveness = "liveness"
)

// The choices of a configuration that the world acts on.
const (
	scheduleRandom = "random"
	hangsKeep      = "keep"
)

// until runs the kernel up to t, in slices if somebody wants to know how far
// it has come; the slices change nothing.
func (s *simulation) until(phase string, t, end time.Duration) (stopped bool, err error) {
	for {
		next := t
		if s.cfg.Progress != nil {
			next = min(t, s.k.Now()+max(end/progressReports, time.Millisecond))
		}
		err := s.k.Run(next)
		if errors.Is(err, ErrInterrupted) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("sim: seed %d: %w", s.seed, err)
		}
		if s.cfg.Progress != nil {
			s.cfg.Progress(Progress{
				Phase: phase, Now: s.k.Now(), End: end, Steps: s.k.Steps(),
				Delivered: s.net.delivered, Faults: s.foe.struck,
			})
		}
		if next == t {
			return false, nil
		}
	}
}

// progressReports is about how many reports a phase makes.
const progressReports = 100

// close ends the run: parked handlers are unwound, log files closed.
func (s *simulation) close() error {
	err := s.rt.Close(context.Background())
	err = errors.Join(err, s.k.Unwind())
	s.evictAll()
	if s.load != nil {
		err = errors.Join(err, s.load.Close())
		s.load = nil
	}
	for i := range s.nodes {
		s.nodes[i].release()
	}
	s.cfg, s.foe = Config{}, nemesis{active: s.foe.active[:0]}
	return err
}

// simStage is the kernel as a world's stage.
type simStage simulation

func (s *simStage) now() time.Duration { return s.k.Now() }
func (s *simStage) child() uint64      { return s.k.Child() }

func (s *simStage) arrive(t time.Duration, to uint32, cause uint64, f kernel.Firer) {
	s.k.ScheduleCaused(t, kernel.Arrival, to, 0, cause, f, 0)
}

func (s *simStage) at(t time.Duration, f func()) {
	s.k.Schedule(t, kernel.Fault, 0, 0, firerFunc(f), 0)
}

func (s *simStage) offer(t time.Duration, node uint32, f kernel.Firer) {
	s.k.Schedule(t, kernel.Arrival, node, 0, f, 0)
}

func (s *simStage) pause(node uint32)    { s.k.PauseNode(node) }
func (s *simStage) resume(node uint32)   { s.k.ResumeNode(node) }
func (s *simStage) cannot(string) string { return "" }

// firerFunc is a step that is a plain function.
type firerFunc func()

// Fire implements kernel.Firer.
func (f firerFunc) Fire(uint64) { f() }

// serves reports whether handling a message can cost time.
func serves(cfg *Config) bool {
	if !cfg.Service.IsZero() {
		return true
	}
	for i := range cfg.Faults {
		if cfg.Faults[i].Kind == kindSlow {
			return true
		}
	}
	for i := range cfg.Chaos {
		if cfg.Chaos[i].Kind == kindSlow {
			return true
		}
	}
	return false
}

// slowBase is what a message costs on a slowed node, before the factor, when
// the scenario lets messages cost nothing: a slow machine needs something to
// be slow at.
const slowBase = 100 * time.Microsecond

// service is what handling one message costs: drawn per actor, by the number
// of the message, and multiplied by what slows the node.
func (s *simulation) service(node, actor uint32) time.Duration {
	if node == 0 {
		return 0
	}
	slot := int(actor & 0xfffff)
	for len(s.serves) <= slot {
		s.serves = append(s.serves, 0)
	}
	s.serves[slot]++
	d := draw(s.cfg.Service, mix(s.nodes[node-1].key, uint64(actor)), purposeService, s.serves[slot])
	if slow := s.nodes[node-1].slowness(); slow != 1 {
		if s.cfg.Service.IsZero() {
			d = slowBase
		}
		d = time.Duration(float64(d) * slow)
	}
	return d
}

const purposeService = 1
