package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/loop/meshos"
	"meshsim/sim/trace"
)

// requireMatches tries a mark's rule on events of every kind, in every
// variation that a rule may look at: it matches some of its kinds, and not all
// events there are, and none of another kind.
func requireMatches(t *testing.T, r MarkRule) {
	t.Helper()
	matched := 0
	for k := range trace.Kind(trace.NumKinds) {
		for outcome := range uint8(appender.NumOutcomes) {
			for result := trace.ResultOK; result <= trace.ResultOpenFailed; result++ {
				for n, name := range []string{"", "", meshos.KindApplyBackoff, damaged, tornTail} {
					e := trace.Event{Kind: k, Outcome: outcome, Result: result, Attempt: uint32(n), Count: uint64(n), Name: name}
					if !r.Match(&e) {
						continue
					}
					matched++
					require.True(t, r.Kinds.Has(k), "%s matches kind %d, which it does not name", r.Name, k)
				}
			}
		}
	}
	require.Positive(t, matched, "%s never matches", r.Name)
	require.NotEmpty(t, r.About)
}

func TestMarksTellOutcomesApart(t *testing.T) {
	settled := func(o appender.Outcome, attempt uint32) *trace.Event {
		return &trace.Event{Kind: trace.RecordSettled, Outcome: uint8(o), Attempt: attempt}
	}
	for name, want := range map[string]*trace.Event{
		"record-dropped": settled(appender.Dropped, 0),
		"record-failed":  settled(appender.Failed, 3),
		"record-lost":    settled(appender.Lost, 0),
		"record-unknown": settled(appender.Unknown, 1),
		"record-retried": settled(appender.Appended, 2),
		"append-hang":    {Kind: trace.AttemptEnded, Result: trace.ResultHang},
		"node-restarted": {Kind: trace.NodeStarted, Attempt: 2},
	} {
		for other, e := range map[string]*trace.Event{
			name: want, "plain": settled(appender.Appended, 1), "first start": {Kind: trace.NodeStarted, Attempt: 1},
			"other result": {Kind: trace.AttemptEnded, Result: trace.ResultOK},
		} {
			r, ok := FindMark(name)
			require.True(t, ok)
			require.Equal(t, other == name, r.Match(e), "%s on %s", name, other)
		}
	}
}
