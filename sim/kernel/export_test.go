package kernel

// A mutant breaks a kernel on purpose, to show that the tests notice.
type Mutant = mutant

const (
	MutantNone       Mutant = 0
	MutantLostCause         = mutantLostCause
	MutantDeafPause         = mutantDeafPause
	MutantDeafCancel        = mutantDeafCancel
	MutantLateOrder         = mutantLateOrder
	MutantLongHold          = mutantLongHold
	MutantUndead            = mutantUndead
	MutantDirtyReset        = mutantDirtyReset
	MutantLIFO              = mutant(100) // the queue breaks ties in reverse
)

// Break makes k a mutant.
func (k *Kernel) Break(m Mutant) {
	k.mutant = m
	k.queue.lifo = m == MutantLIFO
}

// SkipSteps makes the next step's number n+1.
func (k *Kernel) SkipSteps(n uint64) { k.steps = n }

// Queued is how many entries the queue holds, those of cancelled events included.
func (k *Kernel) Queued() int { return k.queue.n }

// Ln, Exp and Probit are the platform-independent functions behind the draws.
var (
	Ln     = ln
	Exp    = exp
	Probit = probit
)
