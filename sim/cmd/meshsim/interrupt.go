package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"meshsim/appender"
	"meshsim/appender/jetstream"
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

// promptly is f, but does not wait for it once ctx has ended: connecting to a
// server takes its time, whatever ctx says. What f returns then is given to late.
func promptly[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	results := make(chan result, 1)
	go func() {
		v, err := f()
		results <- result{v, err}
	}()
	select {
	case r := <-results:
		return r.v, r.err
	case <-ctx.Done():
	}
	go func() {
		if r := <-results; r.err == nil && late != nil {
			late(r.v)
		}
	}()
	var none T
	return none, ctx.Err()
}

// openStream is jetstream.Open that ends with ctx.
func openStream(ctx context.Context, env appender.Env, o jetstream.Options) (appender.Appender, error) {
	return promptly(ctx, func() (appender.Appender, error) { return jetstream.Opener(o)(ctx, env) },
		func(a appender.Appender) { _ = appender.Close(a) }) // nobody is left to tell
}

// streamsOf is jetstream.Nodes that ends with ctx.
func streamsOf(ctx context.Context, o jetstream.Options) ([]jetstream.Chain, error) {
	return promptly(ctx, func() ([]jetstream.Chain, error) { return jetstream.Nodes(ctx, o) }, nil)
}
