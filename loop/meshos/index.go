package meshos

import "math/bits"

// index finds a peer's position by its id: an open-addressed table, at most
// half full, probed linearly. Ids are small consecutive numbers in practice,
// which the identity spreads perfectly, so that a look-up is one probe; a map
// costs twice as much and several times the memory.
type index struct {
	slots []int32 // position + 1; 0 is free
	mask  uint64
}

func newIndex(peers []peer) index {
	size := 1 << bits.Len(uint(max(1, 2*len(peers))))
	x := index{slots: make([]int32, size), mask: uint64(size - 1)}
	for i := range peers {
		s := peers[i].id & x.mask
		for x.slots[s] != 0 {
			s = (s + 1) & x.mask
		}
		x.slots[s] = int32(i + 1)
	}
	return x
}

// find returns the position of the peer with this id, or -1.
func (x *index) find(peers []peer, id uint64) int {
	for s := id & x.mask; ; s = (s + 1) & x.mask {
		i := int(x.slots[s]) - 1
		if i < 0 || peers[i].id == id {
			return i
		}
	}
}
