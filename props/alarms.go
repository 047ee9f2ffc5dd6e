package props

import "time"

// alarms orders wake-ups by time, then by the order in which they were set: a
// binary heap in which every alarm knows its place, so that each of n waiting
// nodes has one entry, setting and ringing cost O(log n), and nothing scans.
type alarms[T any] struct {
	heap []*alarm[T]
	set  uint64
}

// alarm wakes who at a time. The zero alarm is not set.
type alarm[T any] struct {
	at    time.Duration
	order uint64
	place int // in the heap, from 1; 0: not set
	who   T
}

func (a *alarm[T]) before(b *alarm[T]) bool {
	return a.at < b.at || a.at == b.at && a.order < b.order
}

// next is the time of the earliest alarm.
func (s *alarms[T]) next() (time.Duration, bool) {
	if len(s.heap) == 0 {
		return 0, false
	}
	return s.heap[0].at, true
}

// by makes sure that a rings no later than at. One that would ring earlier
// stays: who is woken looks again.
func (s *alarms[T]) by(at time.Duration, a *alarm[T], who T) {
	if a.place != 0 && a.at <= at {
		return
	}
	s.set++
	a.at, a.order, a.who = at, s.set, who
	if a.place == 0 {
		s.heap = append(s.heap, a)
		a.place = len(s.heap)
	}
	s.up(a.place - 1)
}

// ring unsets the earliest alarm if its time has come, and returns whom it
// wakes.
func (s *alarms[T]) ring(now time.Duration) (who T, ok bool) {
	if len(s.heap) == 0 || s.heap[0].at > now {
		return who, false
	}
	a := s.heap[0]
	s.unset(a)
	return a.who, true
}

// unset takes an alarm back.
func (s *alarms[T]) unset(a *alarm[T]) {
	if a.place == 0 {
		return
	}
	i, last := a.place-1, len(s.heap)-1
	s.swap(i, last)
	s.heap[last] = nil
	s.heap = s.heap[:last]
	a.place = 0
	if i < last {
		s.down(i)
		s.up(i)
	}
}

func (s *alarms[T]) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.heap[i].place, s.heap[j].place = i+1, j+1
}

func (s *alarms[T]) up(i int) {
	for i > 0 && s.heap[i].before(s.heap[(i-1)/2]) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (s *alarms[T]) down(i int) {
	for {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(s.heap); k++ {
			if s.heap[k].before(s.heap[least]) {
				least = k
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}
