package meshos

import "time"

// Gate says whether a daemon may start.
type Gate uint8

// The gates.
const (
	Open Gate = iota
	BackingOff
	CrashLooping
)

// String returns open, backing-off or crash-looping.
func (g Gate) String() string {
	switch g {
	case Open:
		return "open"
	case BackingOff:
		return "backing-off"
	case CrashLooping:
		return "crash-looping"
	}
	return "gate?"
}

// tracker decides when a daemon may start again after a crash: upstream's
// crash tracker, boundaries included. Times must not go back.
type tracker struct {
	gate  Gate
	until time.Duration // when a gate that is not open opens
	next  time.Duration // the delay after the next crash
	// crashes are the times of the newest crashes within the window, oldest
	// first, at most as many as make a crash loop: only whether there are that
	// many is ever asked, so that a storm of crashes takes no memory.
	crashes []time.Duration
	started bool
	start   time.Duration // the last one
}

func (t *tracker) crash(now time.Duration, b *Backoff) {
	old := 0
	for old < len(t.crashes) && t.crashes[old] < now-b.Window {
		old++
	}
	if full := len(t.crashes) == b.Crashes; full && old == 0 {
		old = 1
	}
	t.crashes = append(t.crashes[:copy(t.crashes, t.crashes[old:])], now)
	if len(t.crashes) >= b.Crashes {
		t.gate, t.until, t.next = CrashLooping, now+b.Cooldown, b.Initial
		return
	}
	t.next = max(t.next, b.Initial)
	t.gate, t.until = BackingOff, now+t.next
	t.next = min(t.next*2, b.Max)
}

// ran is called at a start. Stability is judged from start to start, not by
// uptime.
func (t *tracker) ran(now time.Duration, b *Backoff) {
	t.settle(now, b)
	t.started, t.start = true, now
	t.gate = Open
}

// exited is called at a clean exit, which always opens the gate.
func (t *tracker) exited(now time.Duration, b *Backoff) {
	t.settle(now, b)
	t.gate = Open
}

// settle forgets the crashes before if the last start is long enough ago.
func (t *tracker) settle(now time.Duration, b *Backoff) {
	if t.started && now-t.start >= b.Stable {
		t.next = b.Initial
		t.crashes = t.crashes[:0]
	}
}

// release opens a gate whose time has come.
func (t *tracker) release(now time.Duration) {
	if t.admissible(now) {
		t.gate = Open
	}
}

// forceRelease opens the gate and forgets every crash.
func (t *tracker) forceRelease(b *Backoff) {
	t.gate, t.next = Open, b.Initial
	t.crashes = t.crashes[:0]
}

// admissible reports whether the daemon may start: at exactly until it may.
func (t *tracker) admissible(now time.Duration) bool {
	return t.gate == Open || t.until <= now
}
