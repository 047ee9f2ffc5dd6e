package appender

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ring is what the ring's property sees, so that it can judge broken rings too.
type ring interface {
	Push(uint64) (uint64, bool)
	Pop() (uint64, bool)
	PopInto([]uint64) int
	Discard(int) int
	Clear()
	Front() (uint64, bool)
	At(int) uint64
	Ptr(int) *uint64
	All() func(func(int, uint64) bool)
	AppendTo([]uint64) []uint64
	Len() int
	Cap() int
	Dropped() uint64
	slots() int
	valid() error
}

// soundRing is the real one.
type soundRing struct{ *Ring[uint64] }

func (r soundRing) All() func(func(int, uint64) bool) { return r.Ring.All() }
func (r soundRing) slots() int                        { return len(r.buf) }

func newSoundRing(capacity int) ring { return soundRing{NewRing[uint64](capacity)} }

// ringOp is one call; n is its argument where it takes one.
type ringOp struct {
	kind string
	n    int
}

// ringScript is a capacity and what is done to a ring of it.
type ringScript struct {
	capacity int
	ops      []ringOp
}

var ringScripts = rapid.Custom(func(t *rapid.T) ringScript {
	kinds := []string{"push", "push", "push", "pop", "pop-into", "discard", "clear", "set"}
	return ringScript{
		capacity: rapid.IntRange(-1, 40).Draw(t, "capacity"),
		ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ringOp {
			return ringOp{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 24).Draw(t, "n")}
		}), 1, 60).Draw(t, "ops"),
	}
})

// ringModel is the specification: a slice that forgets its beginning.
type ringModel struct {
	capacity int
	held     []uint64
	dropped  uint64
	most     int // the largest length so far
	next     uint64
}

func (m *ringModel) push() (v, evicted uint64, dropped bool) {
	m.next++
	m.held = append(m.held, m.next)
	if len(m.held) > m.capacity {
		evicted, dropped = m.held[0], true
		m.held = m.held[1:]
		m.dropped++
	}
	m.most = max(m.most, len(m.held))
	return m.next, evicted, dropped
}

func (m *ringModel) pop(n int) []uint64 {
	n = min(n, len(m.held))
	popped := m.held[:n]
	m.held = m.held[n:]
	return popped
}

// ringAgreesWithModel runs the script on a ring and on its specification.
func ringAgreesWithModel(s ringScript, mk func(capacity int) ring) error {
	r, m := mk(s.capacity), &ringModel{capacity: max(s.capacity, 1)}
	for i, op := range s.ops {
		if err := ringStep(r, m, op); err != nil {
			return fmt.Errorf("capacity %d, op %d, %v: %w", s.capacity, i, op, err)
		}
		if err := ringLooksLike(r, m); err != nil {
			return fmt.Errorf("capacity %d, after op %d, %v: %w", s.capacity, i, op, err)
		}
	}
	return nil
}

func ringStep(r ring, m *ringModel, op ringOp) error {
	switch op.kind {
	case "push":
		for range op.n {
			v, evicted, dropped := m.push()
			if e, d := r.Push(v); e != evicted || d != dropped {
				return fmt.Errorf("Push(%d) = %d, %v, want %d, %v", v, e, d, evicted, dropped)
			}
		}
	case "pop":
		for range op.n {
			want := m.pop(1)
			v, ok := r.Pop()
			if ok != (len(want) == 1) || ok && v != want[0] || !ok && v != 0 {
				return fmt.Errorf("Pop = %d, %v, want %d", v, ok, want)
			}
			if err := r.valid(); err != nil {
				return err
			}
		}
	case "pop-into":
		dst := make([]uint64, op.n)
		want := m.pop(op.n)
		if n := r.PopInto(dst); !slices.Equal(dst[:n], want) || slices.Max(append(dst[n:], 0)) != 0 {
			return fmt.Errorf("PopInto = %d, %v, want %v", n, dst, want)
		}
	case "discard":
		if n, want := r.Discard(op.n-2), len(m.pop(max(op.n-2, 0))); n != want {
			return fmt.Errorf("Discard(%d) = %d, want %d", op.n-2, n, want)
		}
	case "clear":
		r.Clear()
		m.pop(len(m.held))
	case "set":
		if op.n < len(m.held) {
			m.next++
			m.held[op.n] = m.next
			*r.Ptr(op.n) = m.next
		}
	}
	return nil
}

// ringLooksLike compares everything that can be seen of a ring.
func ringLooksLike(r ring, m *ringModel) error {
	if err := r.valid(); err != nil {
		return err
	}
	if r.Len() != len(m.held) || r.Cap() != m.capacity || r.Dropped() != m.dropped {
		return fmt.Errorf("len %d, cap %d, dropped %d; want %d, %d, %d",
			r.Len(), r.Cap(), r.Dropped(), len(m.held), m.capacity, m.dropped)
	}
	if most := min(max(ringMin, 2*m.most), m.capacity); r.slots() > most {
		return fmt.Errorf("%d slots for at most %d elements so far", r.slots(), m.most)
	}
	prefix := []uint64{99}
	if got := r.AppendTo(slices.Clone(prefix)); !slices.Equal(got, append(prefix, m.held...)) {
		return fmt.Errorf("AppendTo = %v, want %v behind %v", got, m.held, prefix)
	}
	for i, v := range r.All() {
		if v != m.held[i] || r.At(i) != v || *r.Ptr(i) != v {
			return fmt.Errorf("element %d is %d (At %d), want %d", i, v, r.At(i), m.held[i])
		}
	}
	v, ok := r.Front()
	if ok != (len(m.held) > 0) || ok && v != m.held[0] {
		return fmt.Errorf("Front = %d, %v, want the first of %v", v, ok, m.held)
	}
	return nil
}

func TestRingIsASliceThatForgetsItsBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := ringAgreesWithModel(ringScripts.Draw(t, "script"), newSoundRing); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRingHoldsTheLastOfWhatWasPushed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := rapid.IntRange(-2, 3000).Draw(t, "capacity"), rapid.IntRange(0, 5000).Draw(t, "pushed")
		r := NewRing[int](c)
		for i := range n {
			r.Push(i)
		}
		held := min(n, max(c, 1))
		require.Equal(t, held, r.Len())
		require.Equal(t, uint64(n-held), r.Dropped())
		for i, v := range r.All() {
			require.Equal(t, n-held+i, v)
		}
		require.NoError(t, r.valid())
	})
}

func TestZeroRingHasCapacityOne(t *testing.T) {
	var r Ring[string]
	require.Equal(t, 1, r.Cap())
	require.NoError(t, r.valid())
	_, dropped := r.Push("a")
	require.False(t, dropped)
	evicted, dropped := r.Push("b")
	require.True(t, dropped)
	require.Equal(t, "a", evicted)
	require.Equal(t, []string{"b"}, r.AppendTo(nil))
	require.NoError(t, r.valid())
}

func TestRingCostsNothingUntilItIsUsed(t *testing.T) {
	r := NewRing[Record](1 << 40)
	require.Zero(t, cap(r.buf))
	r.Push(Record{})
	require.LessOrEqual(t, cap(r.buf), ringMin)
}

func TestRingIndexOutOfRangePanics(t *testing.T) {
	r := NewRing[int](4)
	r.Push(1)
	require.Panics(t, func() { r.At(1) })
	require.Panics(t, func() { r.At(-1) })
	require.Panics(t, func() { r.Ptr(4) })
	require.Equal(t, 1, r.At(0))
}

func TestRingIterationMayStopEarly(t *testing.T) {
	r := NewRing[int](4)
	for i := range 6 {
		r.Push(i)
	}
	var seen []int
	for _, v := range r.All() {
		if seen = append(seen, v); len(seen) == 2 {
			break
		}
	}
	require.Equal(t, []int{2, 3}, seen)
}

func TestRingDoesNotAllocateOnceGrown(t *testing.T) {
	r := NewRing[Record](100)
	batch := make([]Record, 32)
	for range 100 {
		r.Push(Record{})
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.Push(Record{Seq: 1})
		r.Pop()
		r.PopInto(batch)
		for range batch {
			r.Push(Record{Seq: 2})
		}
		r.Discard(3)
	}))
}
