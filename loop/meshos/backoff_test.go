package meshos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// moment is one call on a tracker and what it is then.
type moment struct {
	call  string // crash, start, exit, release, force
	at    time.Duration
	gate  Gate
	until time.Duration // while the gate is not open
	next  time.Duration
}

const ms = time.Millisecond

// The names are upstream's, so that a change there is found here.
var supervision = map[string][]moment{
	"first_crash_flips_to_backing_off_with_initial_window": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
	},
	"consecutive_crashes_double_the_backoff_up_to_the_cap": {
		// More than a minute apart, so that they never make a loop.
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 100 * time.Second, BackingOff, 101 * time.Second, 2 * time.Second},
		{"crash", 200 * time.Second, BackingOff, 202 * time.Second, 4 * time.Second},
		{"crash", 300 * time.Second, BackingOff, 304 * time.Second, 8 * time.Second},
		{"crash", 400 * time.Second, BackingOff, 408 * time.Second, 16 * time.Second},
		{"crash", 500 * time.Second, BackingOff, 516 * time.Second, 32 * time.Second},
		{"crash", 600 * time.Second, BackingOff, 632 * time.Second, 60 * time.Second},
	},
	"backoff_caps_at_max": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 100 * time.Second, BackingOff, 101 * time.Second, 2 * time.Second},
		{"crash", 200 * time.Second, BackingOff, 202 * time.Second, 4 * time.Second},
		{"crash", 300 * time.Second, BackingOff, 304 * time.Second, 8 * time.Second},
		{"crash", 400 * time.Second, BackingOff, 408 * time.Second, 16 * time.Second},
		{"crash", 500 * time.Second, BackingOff, 516 * time.Second, 32 * time.Second},
		{"crash", 600 * time.Second, BackingOff, 632 * time.Second, 60 * time.Second},
		{"crash", 700 * time.Second, BackingOff, 760 * time.Second, 60 * time.Second},
		{"crash", 800 * time.Second, BackingOff, 860 * time.Second, 60 * time.Second},
	},
	"fifth_crash_within_window_flips_to_crash_looping": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 1 * time.Second, BackingOff, 2 * time.Second, 2 * time.Second},
		{"crash", 2 * time.Second, BackingOff, 4 * time.Second, 4 * time.Second},
		{"crash", 3 * time.Second, BackingOff, 7 * time.Second, 8 * time.Second},
		{"crash", 4 * time.Second, CrashLooping, 304 * time.Second, 500 * ms},
		// The history is kept: the next crash loops again at once.
		{"crash", 5 * time.Second, CrashLooping, 305 * time.Second, 500 * ms},
	},
	"a crash exactly a window old still counts": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 15 * time.Second, BackingOff, 16 * time.Second, 2 * time.Second},
		{"crash", 30 * time.Second, BackingOff, 32 * time.Second, 4 * time.Second},
		{"crash", 45 * time.Second, BackingOff, 49 * time.Second, 8 * time.Second},
		{"crash", 60 * time.Second, CrashLooping, 360 * time.Second, 500 * ms},
	},
	"crash_loop_count_slides_with_the_window": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 15 * time.Second, BackingOff, 16 * time.Second, 2 * time.Second},
		{"crash", 30 * time.Second, BackingOff, 32 * time.Second, 4 * time.Second},
		{"crash", 45 * time.Second, BackingOff, 49 * time.Second, 8 * time.Second},
		{"crash", 60*time.Second + 1, BackingOff, 68*time.Second + 1, 16 * time.Second},
		{"crash", 61 * time.Second, CrashLooping, 361 * time.Second, 500 * ms},
	},
	"observe_start_after_stable_run_resets_the_window": {
		{"start", 0, Open, 0, 500 * ms},
		{"crash", 1 * time.Second, BackingOff, 1500 * ms, 1 * time.Second},
		{"crash", 2 * time.Second, BackingOff, 3 * time.Second, 2 * time.Second},
		{"start", 60 * time.Second, Open, 0, 500 * ms}, // 60 s after the start before, exactly
		{"crash", 61 * time.Second, BackingOff, 61500 * ms, 1 * time.Second},
	},
	"observe_start_before_stable_run_keeps_the_doubled_window": {
		{"start", 0, Open, 0, 500 * ms},
		{"crash", 1 * time.Second, BackingOff, 1500 * ms, 1 * time.Second},
		{"crash", 2 * time.Second, BackingOff, 3 * time.Second, 2 * time.Second},
		{"start", 60*time.Second - 1, Open, 0, 2 * time.Second},
		{"crash", 60 * time.Second, BackingOff, 62 * time.Second, 4 * time.Second},
	},
	"stability is judged from start to start, not by uptime": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"start", 1 * time.Second, Open, 0, 1 * time.Second},
		{"crash", 200 * time.Second, BackingOff, 201 * time.Second, 2 * time.Second}, // up for 199 s, and yet
		{"start", 202 * time.Second, Open, 0, 500 * ms},
	},
	"maybe_release_flips_backing_off_to_idle_after_until_elapses": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"release", 500*ms - 1, BackingOff, 500 * ms, 1 * time.Second},
		{"release", 500 * ms, Open, 0, 1 * time.Second},
		{"release", 501 * ms, Open, 0, 1 * time.Second},
	},
	"a clean exit opens the gate": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"exit", 1, Open, 0, 1 * time.Second},
	},
	"a clean exit after a stable run resets the window": {
		{"start", 0, Open, 0, 500 * ms},
		{"crash", 1 * time.Second, BackingOff, 1500 * ms, 1 * time.Second},
		{"exit", 60 * time.Second, Open, 0, 500 * ms},
	},
	"force_release_on_idle_changes_nothing": {
		{"force", 0, Open, 0, 500 * ms},
	},
	"force_release_opens_a_crash_loop_and_resets_the_window": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 1, BackingOff, 1*time.Second + 1, 2 * time.Second},
		{"crash", 2, BackingOff, 2*time.Second + 2, 4 * time.Second},
		{"crash", 3, BackingOff, 4*time.Second + 3, 8 * time.Second},
		{"crash", 4, CrashLooping, 300*time.Second + 4, 500 * ms},
		{"force", 5, Open, 0, 500 * ms},
	},
	"force_release_forgets_the_crashes": {
		{"crash", 0, BackingOff, 500 * ms, 1 * time.Second},
		{"crash", 1, BackingOff, 1*time.Second + 1, 2 * time.Second},
		{"crash", 2, BackingOff, 2*time.Second + 2, 4 * time.Second},
		{"crash", 3, BackingOff, 4*time.Second + 3, 8 * time.Second},
		{"force", 4, Open, 0, 500 * ms},
		{"crash", 5, BackingOff, 500*ms + 5, 1 * time.Second},
	},
}

func newTracker() (*tracker, Backoff) {
	b := Backoff{}.withDefaults()
	return &tracker{next: b.Initial}, b
}

func (t *tracker) do(call string, at time.Duration, b *Backoff) {
	switch call {
	case "crash":
		t.crash(at, b)
	case "start":
		t.ran(at, b)
	case "exit":
		t.exited(at, b)
	case "release":
		t.release(at)
	case "force":
		t.forceRelease(b)
	default:
		panic(call)
	}
}

func TestSupervisionVectors(t *testing.T) {
	for name, moments := range supervision {
		t.Run(name, func(t *testing.T) {
			tr, b := newTracker()
			for i, m := range moments {
				tr.do(m.call, m.at, &b)
				got := moment{m.call, m.at, tr.gate, tr.until, tr.next}
				if tr.gate == Open {
					got.until = 0
				}
				require.Equal(t, m, got, "moment %d", i)
			}
		})
	}
}

func TestFreshTrackerIsIdleAndAdmissible(t *testing.T) {
	tr, _ := newTracker()
	require.Equal(t, Open, tr.gate)
	require.True(t, tr.admissible(0))
}

func TestAdmissibilityPredicateHonorsUntilBoundary(t *testing.T) {
	tr, b := newTracker()
	tr.crash(time.Second, &b)
	require.False(t, tr.admissible(1500*ms-1))
	require.True(t, tr.admissible(1500*ms))
}

// chronicle is an independent tracker: it keeps every call that was ever made,
// and answers by reading them all.
type chronicle []moment

// since returns the calls after the last one that made a fresh start: a force,
// or a start or exit a stable run after the start before it.
func (c chronicle) since(b Backoff) chronicle {
	from := 0
	var start time.Duration
	started := false
	for i, m := range c {
		stable := started && m.at-start >= b.Stable
		switch m.call {
		case "force":
			from = i + 1
		case "start", "exit":
			if stable {
				from = i + 1
			}
		}
		if m.call == "start" {
			started, start = true, m.at
		}
	}
	return c[from:]
}

// looped reports whether the crash that is c's last call makes a crash loop.
func (c chronicle) looped(b Backoff) bool {
	n, at := 0, c[len(c)-1].at
	for _, m := range c.since(b) {
		if m.call == "crash" && m.at >= at-b.Window {
			n++
		}
	}
	return n >= b.Crashes
}

// delay is that after the next crash: doubled for each crash since the last
// fresh start or crash loop.
func (c chronicle) delay(b Backoff) time.Duration {
	d := b.Initial
	fresh := c.since(b)
	for i, m := range fresh {
		if m.call != "crash" {
			continue
		}
		if c[:len(c)-len(fresh)+i+1].looped(b) {
			d = b.Initial
		} else {
			d = min(2*d, b.Max)
		}
	}
	return d
}

func (c chronicle) gate(b Backoff) (Gate, time.Duration) {
	for i := len(c) - 1; i >= 0; i-- {
		switch c[i].call {
		case "start", "exit", "force":
			return Open, 0
		case "crash":
			g, until := BackingOff, c[i].at+c[:i].delay(b)
			if c[:i+1].looped(b) {
				g, until = CrashLooping, c[i].at+b.Cooldown
			}
			for _, m := range c[i+1:] {
				if m.call == "release" && m.at >= until {
					return Open, 0
				}
			}
			return g, until
		}
	}
	return Open, 0
}

func TestTrackerIsWhatItsHistorySays(t *testing.T) {
	gaps := rapid.SampledFrom([]time.Duration{0, 1, 499 * ms, 500 * ms, time.Second, 14 * time.Second, 15 * time.Second,
		30 * time.Second, 60*time.Second - 1, 60 * time.Second, 60*time.Second + 1, 5 * time.Minute})
	calls := rapid.SampledFrom([]string{"crash", "crash", "crash", "crash", "start", "start", "exit", "release", "force"})
	rapid.Check(t, func(t *rapid.T) {
		tr, b := newTracker()
		if rapid.Bool().Draw(t, "other constants") {
			b = Backoff{Initial: time.Second, Max: 3 * time.Second, Crashes: rapid.IntRange(1, 4).Draw(t, "crashes"), Window: 15 * time.Second, Cooldown: 30 * time.Second, Stable: 60 * time.Second}
			tr.next = b.Initial
		}
		var c chronicle
		var now time.Duration
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			now += gaps.Draw(t, "gap")
			m := moment{call: calls.Draw(t, "call"), at: now}
			c = append(c, m)
			tr.do(m.call, m.at, &b)
			gate, until := c.gate(b)
			if tr.gate != gate || gate != Open && tr.until != until || tr.next != c.delay(b) {
				t.Fatalf("after %v: %v until %v, next %v; want %v until %v, next %v", c, tr.gate, tr.until, tr.next, gate, until, c.delay(b))
			}
			if len(tr.crashes) > b.Crashes {
				t.Fatalf("%d crashes kept", len(tr.crashes))
			}
			if tr.admissible(now) != (gate == Open || until <= now) {
				t.Fatalf("admissible at %v: %v", now, tr.admissible(now))
			}
		}
	})
}
