package props

import "sort"

// span is a run of consecutive sequence numbers, both ends included.
type span struct{ first, last uint64 }

// seqs is a set of sequence numbers kept as disjoint runs in ascending order.
// Numbers mostly arrive in ascending order, which costs O(1); out of order it
// is O(log runs) to look up and O(runs) to insert.
type seqs struct{ spans []span }

// after returns the index of the first run that ends at or after seq.
func (s *seqs) after(seq uint64) int {
	n := len(s.spans)
	if n == 0 || s.spans[n-1].last < seq {
		return n
	}
	return sort.Search(n, func(i int) bool { return s.spans[i].last >= seq })
}

func (s *seqs) has(seq uint64) bool {
	i := s.after(seq)
	return i < len(s.spans) && s.spans[i].first <= seq
}

func (s *seqs) add(seq uint64) {
	i := s.after(seq)
	if i < len(s.spans) && s.spans[i].first <= seq {
		return
	}
	left := i > 0 && s.spans[i-1].last+1 == seq
	right := i < len(s.spans) && s.spans[i].first == seq+1
	switch {
	case left && right:
		s.spans[i-1].last = s.spans[i].last
		s.spans = append(s.spans[:i], s.spans[i+1:]...)
	case left:
		s.spans[i-1].last = seq
	case right:
		s.spans[i].first = seq
	default:
		s.spans = append(s.spans, span{})
		copy(s.spans[i+1:], s.spans[i:])
		s.spans[i] = span{seq, seq}
	}
}
