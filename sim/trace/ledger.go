package trace

import (
	"errors"
	"fmt"
)

// ErrImbalance says that a ledger does not balance.
var ErrImbalance = errors.New("trace: ledger does not balance")

// Identity checks that emitted = appended + failed + unknown + dropped + lost +
// pending. The error is an [ErrImbalance] that shows every term.
func (l *Ledger) Identity() error {
	sum := l.Appended + l.Failed + l.Unknown + l.Dropped + l.Lost + l.Pending()
	if l.Emitted == sum {
		return nil
	}
	return fmt.Errorf("%w: emitted %d, but appended %d + failed %d + unknown %d + dropped %d + lost %d + pending %d (queued %d + in hand %d + retrying %d) = %d",
		ErrImbalance, l.Emitted, l.Appended, l.Failed, l.Unknown, l.Dropped, l.Lost, l.Pending(), l.Queued, l.InHand, l.Retrying, sum)
}
