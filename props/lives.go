package props

import (
	"fmt"

	"meshsim/sim/trace"
)

// lives holds a checker's state per incarnation of every node. Nodes are
// numbered from 1 without large gaps, so that the newest incarnation of one is
// found by an index; earlier ones, of which only late effects are heard, hang
// behind it.
type lives[T any] struct {
	newest []*life[T]
}

// life is one incarnation of a node.
type life[T any] struct {
	node, incarnation uint32
	// ended says that the incarnation crashed or stopped.
	ended bool
	older *life[T]
	v     T
}

func (l *life[T]) String() string {
	return fmt.Sprintf("node %d, incarnation %d", l.node, l.incarnation)
}

// of returns the incarnation that e is about, new if it was never heard of.
func (s *lives[T]) of(e *trace.Event) *life[T] {
	if int(e.Node) < len(s.newest) {
		if l := s.newest[e.Node]; l != nil && l.incarnation == e.Incarnation {
			return l
		}
	}
	return s.find(e.Node, e.Incarnation)
}

func (s *lives[T]) find(node, incarnation uint32) *life[T] {
	for int(node) >= len(s.newest) {
		s.newest = append(s.newest, nil)
	}
	at := &s.newest[node]
	for *at != nil && (*at).incarnation > incarnation {
		at = &(*at).older
	}
	if *at == nil || (*at).incarnation != incarnation {
		*at = &life[T]{node: node, incarnation: incarnation, older: *at}
	}
	return *at
}
