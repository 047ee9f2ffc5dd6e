package kernel_test

import (
	"fmt"
	"time"

	"meshsim/sim/kernel"
)

// Two actors play ping-pong over a link with 3 ms of latency.
func Example() {
	k := kernel.New(kernel.Options{Seed: 1})
	defer k.Unwind()

	var ping, pong uint32
	send := func(to *uint32) {
		k.At(k.Now()+3*time.Millisecond, 0, func() { k.Enable(*to, k.Child()) })
	}
	ping = k.NewActor(1, func() { fmt.Println(k.Now(), "ping"); send(&pong) })
	pong = k.NewActor(2, func() { fmt.Println(k.Now(), "pong"); send(&ping) })
	k.Enable(ping, k.Child())

	err := k.Run(10 * time.Millisecond)
	fmt.Println(k.Now(), err)
	// Output:
	// 0s ping
	// 3ms pong
	// 6ms ping
	// 9ms pong
	// 10ms <nil>
}

// A handler that sleeps in virtual time blocks its own actor alone.
func ExampleKernel_Park() {
	k := kernel.New(kernel.Options{Isolate: func(f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}})
	defer k.Unwind()

	var slow uint32
	slow = k.NewActor(1, func() {
		fmt.Println(k.Now(), "slow begins")
		k.At(k.Now()+time.Second, slow, func() { k.Unpark(slow) })
		k.Park(slow)
		fmt.Println(k.Now(), "slow ends")
	})
	quick := k.NewActor(1, func() { fmt.Println(k.Now(), "quick") })
	k.Enable(slow, k.Child())
	k.Enable(quick, k.Child())
	_ = k.Run(time.Minute)
	// Output:
	// 0s slow begins
	// 0s quick
	// 1s slow ends
}

// lossy drops every message with a probability of its own.
type lossy struct {
	k      *kernel.Kernel
	stream kernel.Stream
}

func (l *lossy) Fire(message uint64) {
	if l.stream.At(message).Hit(0.5) {
		fmt.Println(l.k.Now(), "lost", message)
		return
	}
	fmt.Println(l.k.Now(), "arrived", message)
}

// A value that implements Firer serves any number of events, told apart by
// their arguments, without allocating.
func ExampleKernel_Schedule() {
	k := kernel.New(kernel.Options{})
	defer k.Unwind()
	l := &lossy{k, kernel.NewStream(7, "loss", 1, 2)}
	for i := range uint64(4) {
		k.Schedule(time.Duration(i)*time.Second, kernel.Arrival, 2, 0, l, i)
	}
	last := k.Schedule(9*time.Second, kernel.Arrival, 2, 0, l, 9)
	fmt.Println(k.Cancel(last), k.Run(time.Minute))
	// Output:
	// 0s lost 0
	// 1s arrived 1
	// 2s arrived 2
	// 3s lost 3
	// true <nil>
}

func ExampleStream() {
	latency := kernel.NewStream(42, "latency", 1, 2) // of the link from 1 to 2
	fmt.Println(latency.At(1000).Below(10), latency.Next().Below(10), latency.At(1000).Below(10))
	// Output: 2 9 2
}

func ExampleRandomWalk() {
	for seed := range uint64(3) {
		k := kernel.New(kernel.Options{Seed: seed, Strategy: kernel.NewRandomWalk(0)})
		for i := range 6 {
			k.At(time.Second, 0, func() { fmt.Print(i) })
		}
		_ = k.Run(time.Minute)
		_ = k.Unwind()
		fmt.Println()
	}
	// Output:
	// 301254
	// 145032
	// 130245
}
