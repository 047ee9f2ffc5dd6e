package kernel

// Stream is a source of random draws for one purpose of one thing, say the
// latency of the link from a to b. A draw depends on the seed, the stream's
// name and its own number alone, so that a message more or less on one link
// perturbs no draw of another (counter-based generation, as in Salmon et al.,
// "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). The draws are not
// cryptographic. A Stream is a small value; a copy draws on independently.
type Stream struct {
	key uint64
	n   uint64
}

// NewStream names a stream: its purpose, and up to two numbers of whom it
// belongs to (of a link, from and to).
func NewStream(seed uint64, purpose string, a, b uint64) Stream {
	h := uint64(0xcbf29ce484222325) // FNV-1a, then mixed
	for i := 0; i < len(purpose); i++ {
		h = (h ^ uint64(purpose[i])) * 0x100000001b3
	}
	return Stream{key: Combine(Combine(Combine(seed, h), a), b)}
}

// At is draw number n, whatever was drawn before.
func (s *Stream) At(n uint64) Draw { return Draw(Mix(Mix(n*golden+s.key) ^ s.key)) }

// Next is the next draw in sequence: At(0), At(1), ...
func (s *Stream) Next() Draw {
	s.n++
	return s.At(s.n - 1)
}
