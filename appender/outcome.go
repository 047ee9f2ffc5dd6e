package appender

// Outcome is what finally became of a record that a loop emitted. At every
// instant emitted = appended + failed + unknown + dropped + lost + pending.
type Outcome uint8

const (
	// Pending records are queued, in hand, or waiting for a retry.
	Pending Outcome = iota
	// Appended records were acknowledged by the appender.
	Appended
	// Failed records were refused by the appender with every attempt used
	// up, or settled at once because the circuit was open: they are not stored.
	Failed
	// Unknown records were in hand at a deadline, a hang, a panic, a crash or
	// an applied-then-error: they may or may not be stored.
	Unknown
	// Dropped records were the oldest in a full inbox.
	Dropped
	// Lost records were queued when their node crashed, or when a stop
	// reached its deadline.
	Lost

	// NumOutcomes is the number of outcomes, for arrays indexed by Outcome.
	NumOutcomes = int(Lost) + 1
)

func (o Outcome) String() string {
	switch o {
	case Pending:
		return "pending"
	case Appended:
		return "appended"
	case Failed:
		return "failed"
	case Unknown:
		return "unknown"
	case Dropped:
		return "dropped"
	case Lost:
		return "lost"
	}
	return "outcome?"
}
