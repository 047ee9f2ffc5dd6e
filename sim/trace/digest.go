package trace

// Fold mixes an event into a 64-bit digest, so that two runs can be compared
// by what happened in them. Every field counts but Data and Limits; an error
// counts by its message. For a fixed event it is a bijection of h: a difference
// once there never vanishes by folding equal events.
func (e *Event) Fold(h uint64) uint64 {
	h = fold(h, uint64(e.Kind)|uint64(e.Outcome)<<8|uint64(e.Result)<<16|uint64(e.Stream)<<24|uint64(e.Attempt)<<32)
	h = fold(h, uint64(e.Node)|uint64(e.Peer)<<32)
	h = fold(h, uint64(e.Incarnation)|uint64(e.Actor)<<32)
	for _, v := range [...]uint64{
		e.Step, uint64(e.Time), e.Cause, e.Epoch, e.Seq, e.Count, e.Cap, e.Hash,
		uint64(e.Deadline), uint64(e.Lag), uint64(e.Delay),
	} {
		h = fold(h, v)
	}
	h = foldString(h, e.Name)
	if e.Err != nil {
		h = foldString(h, "error "+e.Err.Error())
	}
	if l := e.Ledger; l != nil {
		for _, v := range [...]uint64{l.Emitted, l.Appended, l.Failed, l.Unknown, l.Dropped, l.Lost, l.Queued, l.InHand, l.Retrying} {
			h = fold(h, v)
		}
	}
	return h
}

func foldString(h uint64, s string) uint64 {
	h = fold(h, uint64(len(s)))
	for i := 0; i < len(s); i++ {
		h = fold(h, uint64(s[i]))
	}
	return h
}

// fold is the kernel's: the two packages share no import.
func fold(h, v uint64) uint64 {
	h = (h ^ v) * 0x9fb21c651e98df25
	return h ^ h>>32
}
