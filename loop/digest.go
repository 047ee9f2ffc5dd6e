package loop

import "meshsim/appender"

// Fold mixes v into the digest h: an exclusive or, a multiplication by an odd
// constant (2^64 divided by the golden ratio, as in splitmix64) and a
// xorshift, each of which is reversible, so that two values never fold to the
// same digest from the same h. It is for noticing differences, not for
// keeping secrets.
func Fold(h, v uint64) uint64 {
	h = (h ^ v) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// FoldString mixes the length and the bytes of s into the digest h.
func FoldString(h uint64, s string) uint64 {
	h = Fold(h, uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		h = Fold(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	var tail uint64
	for i := range len(s) {
		tail = tail<<8 | uint64(s[i])
	}
	return Fold(h, tail)
}

func foldRecord(h uint64, r *appender.Record) uint64 {
	h = Fold(h, r.Seq)
	h = Fold(h, r.TimeMs)
	h = Fold(h, r.Daemon)
	h = Fold(h, uint64(r.Level)|uint64(r.Stream)<<8|uint64(r.Flags)<<16)
	return FoldString(h, r.Message)
}

func foldAction(h uint64, a *Action) uint64 {
	h = Fold(h, a.ID)
	h = Fold(h, a.Target)
	return FoldString(h, a.Kind)
}

// Digest folds the loop's state into h, and its model's if that is a
// [Digester]: all but what an appender's answers change, which is ChainPending
// and the counts of settled records. Loops that folded the same in the same
// order have the same digest.
//
// It costs O(1) and what the model's costs: the records and actions are folded
// as they are emitted, and here come the running results and the extent of the
// rings, which together determine what the rings hold. Arguments of actions and
// messages to peers are not in it; see [Ready] for these.
func (l *Loop) Digest(h uint64) uint64 {
	h = FoldString(h, l.opt.Node)
	h = Fold(h, l.opt.ID)
	h = Fold(h, uint64(l.opt.Incarnation))
	h = Fold(h, uint64(l.now))
	h = Fold(h, l.wallMs)
	h = Fold(h, uint64(l.base))
	h = Fold(h, l.lines)
	h = Fold(h, l.effects)
	if n := l.log.Len(); n > 0 {
		h = Fold(h, l.log.Ptr(0).Record.Seq)
		h = Fold(h, l.log.Ptr(n-1).Record.Seq)
	}
	if n := l.emissions.Len(); n > 0 {
		h = Fold(h, l.emissions.Ptr(0).Action.ID)
		h = Fold(h, l.emissions.Ptr(n-1).Action.ID)
	}
	s := &l.stats
	for _, n := range [...]uint64{s.Steps, s.Refused, s.Lines, s.Ticks, s.Records, s.Actions, s.Messages} {
		h = Fold(h, n)
	}
	if l.digester != nil {
		h = l.digester.Digest(h)
	}
	return h
}
