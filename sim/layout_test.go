package sim

import (
	"testing"
	"unsafe"
)

// What every message touches is laid out for the cache.
func TestLinksAndNodesFillCacheLines(t *testing.T) {
	const line = 64
	if s := unsafe.Sizeof(link{}); s != line {
		t.Errorf("a link has %d bytes", s)
	}
	if s := unsafe.Sizeof(flight{}); s > line {
		t.Errorf("a flight has %d bytes", s)
	}
	if s := unsafe.Sizeof(node{}); s%line != 0 {
		t.Errorf("a node has %d bytes: pad it by %d", s, line-s%line)
	}
	if o := unsafe.Offsetof(node{}.incarnation); o >= line {
		t.Errorf("what a message touches of a node ends at %d", o)
	}
}
