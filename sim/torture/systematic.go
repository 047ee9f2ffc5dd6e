package torture

import (
	"context"
	"fmt"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// Systematic runs what can be gone through one by one, on small logs, one for
// each sync policy, of the content that o.Seed says: the power failing in front
// of every call of the file system, with what was not synced lost, kept, by draw,
// by every subset of its pieces (where there are more than 8, by 256 drawn ones)
// and, of the last write, up to every byte; the process dying in every call;
// every call failing once; every write and creation finding the disk full, alone
// or from there on, and every write falling short or failing; every sync failing,
// alone or from there on; and every bit on the disk turning, with the process
// killed or not. o.Cases bounds how many are run, from the first on; 0 means all.
func Systematic(ctx context.Context, o Options) (Report, error) {
	all, err := everything(o.Seed)
	if err != nil {
		return Report{Seed: o.Seed}, err
	}
	if o.Cases > 0 {
		all = all[:min(o.Cases, len(all))]
	}
	return systematic(ctx, o, all, filelogs)
}

func systematic(ctx context.Context, o Options, all []variation, opener openLog) (Report, error) {
	return campaign(ctx, o, len(all), func(i int) (outcome, *Failure) {
		c, f := runPlan(all[i].plan(o.Seed), opener)
		if f != nil {
			f.Seed, f.Systematic = o.Seed, true
		}
		return c, f
	})
}

// everything lists the variations of every base plan.
func everything(seed uint64) ([]variation, error) {
	var all []variation
	for base := range policies {
		more, err := variations(basePlan(seed, base), base)
		if err != nil {
			return nil, fmt.Errorf("torture: without any fault: %w", err)
		}
		all = append(all, more...)
	}
	return all, nil
}

var policies = [...]settings{
	{sync: filelog.SyncAlways()},
	{sync: filelog.SyncEvery(4), every: 4, max: 7},
	{sync: filelog.SyncNever()},
	{sync: filelog.SyncNever(), max: 6},
}

// basePlan is a history without a fault that goes through what a log does:
// batches of several sizes, one larger than a segment, a flush, orderly and other
// ends, a change of segments.
func basePlan(seed uint64, base int) *plan {
	p := &plan{seed: appender.Mix(seed ^ uint64(base)), sector: disk.DefaultSector, o: policies[base]}
	p.o.segment, p.o.maxRecord = filelog.MinSegmentBytes, 6000
	for i, s := range []step{
		{act: actAppend, n: 1, size: 40}, {act: actAppend, n: 3, size: 100}, {act: actFlush}, {act: actAppend, n: 2, size: 60},
		{act: actClose}, {act: actAppend, n: 5, size: 40}, {act: actKill}, {act: actAppend, n: 3, size: 1300}, {act: actFlush},
		{act: actAppend, n: 4, size: 1500}, {act: actAppend, n: 2, size: 30}, {act: actAppend, n: 1, size: 600},
	} {
		s.seed = appender.Mix(p.seed ^ uint64(i))
		p.steps = append(p.steps, s)
	}
	return p
}

// variation is one fault at one place of a base plan.
type variation struct {
	base  int
	kind  Kind
	first step // in front of all others
	last  []step
}

func (v *variation) plan(seed uint64) *plan {
	p := basePlan(seed, v.base)
	p.kind = v.kind
	steps := make([]step, 0, len(p.steps)+1+len(v.last))
	if len(v.last) == 0 {
		steps = append(steps, v.first)
	}
	p.steps = append(append(steps, p.steps...), v.last...)
	return p
}

// subsets is how many sets of pieces are drawn where there are too many for all
// of them, which are at most that many.
const subsets = 256

// variations lists all those of a base plan.
func variations(p *plan, base int) ([]variation, error) {
	v := variants{p: p, base: base}
	w := newWorld(p, filelogs)
	if err := w.open(); err != nil {
		return nil, err
	}
	w.fs.watch = func(op disk.Op) { v.call(op, w.d.Pieces()) } // traps and rules are laid once the log is open
	for i := range p.steps {
		if err := w.take(&p.steps[i]); err != nil {
			return nil, err
		}
	}
	v.cuts()
	v.faults()
	v.flips(w.d.Stored())
	return v.all, nil
}

// variants lists variations while the base plan is gone through.
type variants struct {
	p     *plan
	base  int
	all   []variation
	ops   [disk.NumOps]uint64
	calls int
	// most is the most bytes that were not synced, and at the call in front of
	// which they were.
	most, at int
}

func (v *variants) add(k Kind, s step) {
	v.all = append(v.all, variation{base: v.base, kind: k, first: s})
}

func (v *variants) rule(k Kind, r disk.Rule) { v.add(k, step{act: actInject, rule: r}) }

// call lists power failures in front of the next call.
func (v *variants) call(op disk.Op, pieces []disk.Piece) {
	trap := func(how cutting, seed uint64) {
		v.add(Torn, step{act: actTrap, n: v.calls, how: how, seed: seed})
	}
	for _, how := range []cutting{cutLose, cutKeep, cutNames} {
		trap(how, 0)
	}
	sets := 4 // in front of a call that changes nothing, for good measure
	if op >= disk.OpCreate {
		sets = min(subsets, 1<<min(len(pieces), 30))
	}
	for i := range sets {
		mask := uint64(i)
		if sets < 1<<min(len(pieces), 30) {
			mask = appender.Mix(v.p.seed ^ appender.Mix(uint64(v.calls)<<32^mask))
		}
		trap(cutMask, mask)
	}
	bytes := 0
	for _, q := range pieces {
		if q.Op == disk.OpWrite {
			bytes += q.Bytes
		}
	}
	if bytes >= v.most {
		v.most, v.at = bytes, v.calls
	}
	v.ops[op]++
	v.calls++
}

// cuts lists power failures that keep every number of bytes.
func (v *variants) cuts() {
	for b := range v.most + 1 {
		v.add(Cut, step{act: actTrap, n: v.at, how: cutAt, seed: uint64(b)})
		v.add(Cut, step{act: actTrap, n: v.at, how: cutSized, seed: uint64(b)})
	}
}

// faults lists what strikes single calls, and several.
func (v *variants) faults() {
	for i := range uint64(v.calls) {
		v.rule(Killed, disk.Rule{Any: true, Kind: disk.Death, After: i, Times: 1})
		v.rule(Full, disk.Rule{Any: true, Kind: disk.Fail, After: i, Times: 1})
	}
	for _, op := range []disk.Op{disk.OpWrite, disk.OpCreate} {
		for i := range v.ops[op] {
			for _, times := range []uint64{1, 3, 0} {
				v.rule(Full, disk.Rule{Op: op, Kind: disk.Full, After: i, Times: times})
				v.rule(Full, disk.Rule{Op: op, Kind: disk.Short, After: i, Times: times})
				v.rule(Full, disk.Rule{Op: op, Kind: disk.Fail, After: i, Times: times})
			}
		}
	}
	for _, op := range []disk.Op{disk.OpSync, disk.OpSyncDir} {
		for i := range v.ops[op] {
			for _, times := range []uint64{1, 2, 3, 0} {
				v.rule(Fsync, disk.Rule{Op: op, Kind: disk.Fail, After: i, Times: times})
			}
		}
	}
}

// flips lists every bit that is on the disk: it turns while the log is open, and
// then the process is killed or closes it, or after it was closed.
func (v *variants) flips(files []disk.Extent) {
	bits := 0
	for _, f := range files {
		bits += int(8 * f.Bytes)
	}
	for bit := range bits {
		flip := step{act: actFlip, n: bit + 1}
		last := [][]step{{flip, {act: actKill}}, {flip, {act: actClose}}, {{act: actClose}, flip, {act: actKill}}}[bit%3]
		v.all = append(v.all, variation{base: v.base, kind: Flipped, last: last})
	}
}
