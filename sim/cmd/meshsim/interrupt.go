package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that the first SIGINT or SIGTERM ends, so
// that a run stops and tells what it knows; a second one ends the process at
// once. release takes the signals off again and ends the goroutine.
func interruptible(parent context.Context, notice io.Writer) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	released, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
		case <-released:
			return
		}
		fmt.Fprintln(notice, "\nmeshsim: stopping; interrupt again to exit at once")
		cancel()
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-released:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(released)
		<-ended
		cancel()
	}
}
