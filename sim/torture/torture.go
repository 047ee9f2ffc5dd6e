package torture

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"meshsim/appender"
)

// Kind is what a case is about most: where its faults come from. Every kind has
// kills, power failures and reopenings in between.
type Kind uint8

const (
	// Torn: the power fails within calls of the file system, and of what was not
	// synced each sector is kept, lost, or written in part.
	Torn Kind = iota
	// Cut: the power fails and what was not synced is kept up to some byte, in
	// the order in which it was written, and nothing behind it.
	Cut
	// Flipped: bits turn, at rest.
	Flipped
	// Full: writes and creations find the disk full, fall short or fail, and
	// space comes back.
	Full
	// Killed: the process dies within calls of the file system.
	Killed
	// Fsync: syncs fail, and lose what they were to save or not.
	Fsync

	// NumKinds is the number of kinds, for arrays indexed by Kind.
	NumKinds = int(Fsync) + 1
)

var kindNames = [NumKinds]string{"torn", "cut", "flipped", "full", "killed", "fsync"}

func (k Kind) String() string {
	if int(k) < NumKinds {
		return kindNames[k]
	}
	return "kind?"
}

// Tally counts what happened in cases.
type Tally struct {
	Cases    uint64
	Steps    uint64 // of their scripts
	Calls    uint64 // of the file system
	Faults   uint64 // calls struck, power failures, kills and bits flipped
	Openings uint64 // that succeeded
	Stored   uint64 // records that were acknowledged
	Failed   uint64 // records that were refused
	Unknown  uint64 // records whose outcome was told to be unknown
	Lost     uint64 // records acknowledged, not synced, and lost with the power or a failed sync
	Torn     uint64 // openings that cut a torn tail off
	Damaged  uint64 // records durable, and lost to a flipped bit; each was reported
	Read     uint64 // records read back and compared
}

func (t *Tally) add(u *Tally) {
	t.Cases += u.Cases
	t.Steps += u.Steps
	t.Calls += u.Calls
	t.Faults += u.Faults
	t.Openings += u.Openings
	t.Stored += u.Stored
	t.Failed += u.Failed
	t.Unknown += u.Unknown
	t.Lost += u.Lost
	t.Torn += u.Torn
	t.Damaged += u.Damaged
	t.Read += u.Read
}

// Options shape a campaign.
type Options struct {
	// Seed is that of the first case; the others have the numbers that follow.
	Seed uint64
	// Cases is how many are run.
	Cases int
	// Workers is how many run at a time. 0 means one per core that the program
	// may use. Nothing in the report depends on it.
	Workers int
	// Progress, if set, is called now and then with how many cases are done, and
	// once at the end; never twice at a time.
	Progress func(done int)
}

// Report is what a campaign found.
type Report struct {
	Seed  uint64
	Kinds [NumKinds]Tally // by kind
	// Digest is a hash of all that happened in every case: equal for equal seeds
	// and numbers of cases, whatever the workers.
	Digest uint64
	// Failure is that of the first case that failed, in the order of seeds, nil
	// if none did. With one, cases behind it may not have been run.
	Failure *Failure
}

// Total is the sum over all kinds.
func (r *Report) Total() Tally {
	var t Tally
	for i := range r.Kinds {
		t.add(&r.Kinds[i])
	}
	return t
}

// outcome is what a case came to.
type outcome struct {
	kind   Kind
	tally  Tally
	digest uint64
}

// Run runs o.Cases cases, each as [Case] does. The error is Report.Failure, or
// that of ctx if it ended before; the report then covers what was run.
func Run(ctx context.Context, o Options) (Report, error) {
	return campaign(ctx, o, o.Cases, func(i int) (outcome, *Failure) { return runCase(o.Seed+uint64(i), filelogs) })
}

// batchCases is how many cases a worker takes at a time.
const batchCases = 64

// campaign runs n cases on workers of their own, and sums up.
func campaign(ctx context.Context, o Options, n int, run func(i int) (outcome, *Failure)) (Report, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	report := Report{Seed: o.Seed}
	var (
		mu     sync.Mutex
		done   int
		failed = n // the least index of a case that failed
		next   atomic.Int64
		all    sync.WaitGroup
	)
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				first := int(next.Add(batchCases)) - batchCases
				mu.Lock()
				limit := min(first+batchCases, failed)
				mu.Unlock()
				if first >= limit {
					return
				}
				var part Report
				ran := 0
				var failure *Failure
				for i := first; i < limit && failure == nil && ctx.Err() == nil; i++ {
					var c outcome
					c, failure = run(i)
					part.Kinds[c.kind].add(&c.tally)
					part.Digest += appender.Mix(c.digest ^ appender.Mix(uint64(i)))
					ran++
				}
				mu.Lock()
				for k := range part.Kinds {
					report.Kinds[k].add(&part.Kinds[k])
				}
				report.Digest += part.Digest
				if at := first + ran - 1; failure != nil && at < failed {
					failed, report.Failure = at, failure
				}
				done += ran
				if o.Progress != nil {
					o.Progress(done)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	switch {
	case report.Failure != nil:
		return report, report.Failure
	case done < n:
		return report, fmt.Errorf("torture: %d of %d cases were run: %w", done, n, ctx.Err())
	}
	return report, nil
}

// Case runs the case of a seed: a random history of one log on one disk, which
// is drawn, with its options, from the seed, and checked against a model. A
// failure is a *[Failure], with the smallest history found that fails as well.
func Case(seed uint64) (Kind, Tally, error) {
	c, failure := runCase(seed, filelogs)
	if failure != nil {
		return c.kind, c.tally, failure
	}
	return c.kind, c.tally, nil
}
