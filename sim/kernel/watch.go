package kernel

import "sync/atomic"

// watch shows the step being taken to other goroutines: its number, kind and
// actor in one word, so that the step loop pays one atomic store. The word
// has room for the low bits of the number; the high ones change once in half a
// billion steps, under a sequence lock.
type watch struct {
	word atomic.Uint64 // number, kind, actor
	high atomic.Uint64 // twice the number's high bits; odd while they change
}

const (
	watchStepBits = 29
	watchKindBits = 3
	watchStepMask = 1<<watchStepBits - 1
)

func pack(step uint64, kind StepKind, actor uint32) uint64 {
	return (step&watchStepMask)<<(32+watchKindBits) | uint64(kind)<<32 | uint64(actor)
}

// set shows the beginning of a step. Steps come one by one.
func (w *watch) set(step uint64, kind StepKind, actor uint32) {
	if step&watchStepMask == 0 {
		w.carry(step, kind, actor)
		return
	}
	w.word.Store(pack(step, kind, actor))
}

// carry shows a step whose number changes the high bits.
func (w *watch) carry(step uint64, kind StepKind, actor uint32) {
	w.high.Add(1)
	w.word.Store(pack(step, kind, actor))
	w.high.Add(1)
}

// rest shows that no step is being taken; step was the last.
func (w *watch) rest(step uint64) { w.word.Store(pack(step, 0, 0)) }

// reset forgets every step.
func (w *watch) reset() {
	w.word.Store(0)
	w.high.Store(0)
}

// get tells what was shown last.
func (w *watch) get() Running {
	for {
		high := w.high.Load()
		word := w.word.Load()
		if high&1 != 0 || w.high.Load() != high {
			continue
		}
		return Running{
			Step:  high/2<<watchStepBits | word>>(32+watchKindBits),
			Kind:  StepKind(word >> 32 & (1<<watchKindBits - 1)),
			Actor: uint32(word),
		}
	}
}
