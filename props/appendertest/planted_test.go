package appendertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/props/laws"
)

// TestTheStoreItselfKeepsEveryLaw: what is broken below is right otherwise.
func TestTheStoreItselfKeepsEveryLaw(t *testing.T) {
	for _, capacity := range []int{0, 6} {
		for _, takesOver := range []bool{false, true} {
			cfg := stores("", capacity, takesOver)
			cfg.Hang = 0 // a busy machine is no hang
			r, err := laws.Check(t.Context(), cfg, laws.Options{Cases: 300})
			require.NoError(t, err)
			require.NoError(t, r.Err())
		}
	}
}

// plantedIn are the ways in which a store is broken, and the law that says so.
var plantedIn = []struct {
	broken   string
	capacity int
	law      string
}{
	{"holds one too many", 6, "fifo-drop"},
	{"holds one too few", 6, "fifo-drop"},
	{"drops the newest", 6, "fifo-drop"},
	{"drops two at once", 6, "fifo-drop"},
	{"drops everything when full", 6, "fifo-drop"},
	{"the drop counter is an int8", 6, "dropped-exact"},
	{"does not count drops", 6, "dropped-exact"},
	{"the counter falls by reading", 6, "dropped-exact"},
	{"the counter is reset by reading", 6, "dropped-exact"},
	{"stats count batches", 0, "stats"},
	{"what is delivered is still in the depth", 0, "stats"},
	{"stats are reset by reading", 0, "stats"},
	{"stores a record twice at times", 0, "order"},
	{"swaps neighbours", 0, "order"},
	{"one record in a batch is lost", 0, "order"},
	{"a batch is reversed", 0, "order"},
	{"sorts by time", 0, "round-trip"},
	{"n is always zero", 0, "batch-prefix"},
	{"n is one too few", 0, "full-survived"},
	{"short without an error", 0, "full-survived"},
	{"cuts a message at a zero byte", 0, "round-trip"},
	{"repairs UTF-8", 0, "round-trip"},
	{"clips the level", 0, "round-trip"},
	{"loses the flags", 0, "round-trip"},
	{"numbers are 63 bits", 0, "round-trip"},
	{"drops an empty message", 0, "round-trip"},
	{"aliases the batch", 0, "no-aliasing"},
	{"a snapshot replaces what was in the slice", 0, "snapshot"},
	{"a snapshot is the store itself", 6, "snapshot"},
	{"a snapshot is newest first", 0, "snapshot"},
	{"a snapshot misses the newest", 0, "snapshot"},
	{"a replay begins one too late", 0, "replay-cursor"},
	{"does not follow", 0, "follow"},
	{"following ends with an error", 0, "follow"},
	{"ignores a cancelled context", 0, "cancelled-first"},
	{"panics at the third call", 0, "order"},
	{"sleeps for real without end", 0, "order"},
	{"ends the goroutine", 0, "order"},
	{"flush fails the first time", 0, "flush-settles"},
	{"a second close fails", 0, "close-idempotent"},
	{"takes records after close", 0, "closed-refuses"},
	{"leaks a goroutine", 0, "no-leaks"},
	{"close does not sync", 0, "survives-close"},
	{"close loses the counter", 6, "counters-survive"},
	{"opening again appends the last", 0, "survives-close"},
	{"opening again forgets the limit", 6, "survives-close"},
	{"opening fails after a crash", 0, "survives-close"},
	{"the position is of this opening alone", 0, "position"},
	{"acknowledges before it syncs", 0, "survives-crash"},
	{"a torn tail is accepted", 0, "survives-crash"},
	{"the last record is written again after a crash", 0, "survives-crash"},
	{"a crash loses the first", 0, "survives-crash"},
	{"a crash loses everything", 0, "survives-crash"},
	{"a crash leaves a hole", 0, "survives-crash"},
	{"a second opener gets in", 0, "second-opener"},
	{"full is an error for ever", 0, "full-survived"},
	{"full is acknowledged", 0, "full-survived"},
	{"full panics", 0, "full-survived"},
	{"takes those behind a refused one", 0, "oversized-alone"},
	{"a failed sync is a success", 0, "failed-sync"},
	{"a failed sync is tried again", 0, "failed-sync"},
	{"a flipped bit is not noticed", 0, "flip-reported"},
	{"what is damaged is left out", 0, "flip-reported"},
	{"an earlier opening stores on", 0, "stale-fenced"},
	{"an earlier opening says nothing", 0, "stale-fenced"},
	{"an earlier epoch gets in again", 6, "stale-fenced"},
	{"what is appended again is stored again", 0, "stored-once"},
	{"forgets with each opening what it has", 0, "stored-once"},
}

// TestEachBrokenStoreIsFoundByTheLawThatItBreaks: the suite earns its place.
func TestEachBrokenStoreIsFoundByTheLawThatItBreaks(t *testing.T) {
	for _, p := range plantedIn {
		t.Run(p.broken, func(t *testing.T) {
			takesOver := p.law == "stale-fenced" || p.law == "stored-once"
			r, err := laws.Check(t.Context(), stores(p.broken, p.capacity, takesOver), laws.Options{Cases: 60, Only: []string{p.law}})
			require.NoError(t, err)
			require.Error(t, r.Err(), "the law %s does not notice it", p.law)
			require.ErrorContains(t, r.Err(), p.law)
		})
	}
}
