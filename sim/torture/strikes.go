package torture

import (
	"meshsim/appender"
	"meshsim/sim/disk"
)

// crash is a power failure whose draws are the step's own.
func (w *world) crash(s *step) {
	src := source(appender.Mix(s.seed ^ purposeCrash))
	switch s.how {
	case cutLose:
		w.d.Crash(disk.LoseAll)
	case cutKeep:
		w.d.Crash(disk.KeepAll)
	case cutNames:
		w.d.CrashKeeping(func(p disk.Piece) int {
			if content(p) {
				return p.Bytes
			}
			return 0
		})
	case cutAt:
		w.cut(s.seed, false, true)
	case cutSized:
		w.cut(s.seed, true, true)
	case cutByte:
		total := 0
		for _, p := range w.d.Pieces() {
			if p.Op == disk.OpWrite {
				total += p.Bytes
			}
		}
		w.cut(uint64(src.below(total+1)), src.oneIn(2), src.oneIn(2))
	case cutMask:
		w.d.CrashKeeping(func(p disk.Piece) int {
			if s.seed>>min(p.Index, 63)&1 == 1 {
				return p.Bytes
			}
			return 0
		})
	default:
		w.d.CrashKeeping(func(p disk.Piece) int {
			switch {
			case src.oneIn(2):
				return p.Bytes
			case w.p.tear && p.Bytes > 1 && src.oneIn(4):
				return src.below(p.Bytes)
			}
			return 0
		})
	}
}

// content reports whether a piece is of a file's content, not of a name.
func content(p disk.Piece) bool { return p.Op == disk.OpWrite || p.Op == disk.OpTruncate }

// cut is a power failure that keeps the first bytes written, in their order, and
// with sizes every size, with names every name.
func (w *world) cut(bytes uint64, sizes, names bool) {
	left := int(min(bytes, 1<<30))
	w.d.CrashKeeping(func(p disk.Piece) int {
		switch {
		case p.Op == disk.OpWrite:
			n := min(left, p.Bytes)
			left -= n
			return n
		case p.Op == disk.OpTruncate && (sizes || left > 0), !content(p) && names:
			return p.Bytes
		}
		return 0
	})
}

// flip turns a bit, that of the step or one drawn; false if there is none.
func (w *world) flip(s *step) bool {
	if s.n == 0 {
		_, _, ok := w.d.FlipSome("")
		return ok
	}
	bit := int64(s.n - 1)
	for _, f := range w.d.Stored() {
		if bit < 8*f.Bytes {
			return w.d.Flip(f.Name, bit)
		}
		bit -= 8 * f.Bytes
	}
	return false
}
