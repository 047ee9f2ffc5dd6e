package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"meshsim/appender"
)

func (a *app) tailCommand() *cobra.Command {
	var (
		s    selection
		last int
	)
	cmd := &cobra.Command{
		Use:   "tail DIR|URL",
		Short: "Print an appender's newest records, and follow it",
		Long: `Print the newest records of each node, and then what comes, as it comes, until
interrupted. Nodes that appear meanwhile are followed from their first record.

` + readHelp + `

Exit status: 0 interrupted, or --limit reached, 1 the same, and something was
damaged, 2 usage, or nothing to read there, 3 interrupted before it was known what
is there, 4 reading failed on the way.`,
		Example: `  meshsim appender tail D
  meshsim appender tail D --node n1 --last 0
  meshsim appender tail nats://127.0.0.1:4222 --from 3/1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 0 {
				return usage("--last %d: expected at least 0", last)
			}
			if cmd.Flags().Changed("from") && cmd.Flags().Changed("last") {
				return usage("--from and --last both say where to begin: give one of them")
			}
			return a.tail(cmd.Context(), args[0], &s, last)
		},
	}
	s.register(cmd)
	cmd.Flags().IntVar(&last, "last", 10, "begin this many records of each node before the end")
	return cmd
}

// newcomersEvery is how often tail looks for chains that are new.
const newcomersEvery = time.Second

func (a *app) tail(ctx context.Context, where string, s *selection, last int) error {
	from, err := s.cursor()
	if err != nil {
		return err
	}
	ctx, release := quietlyInterruptible(ctx)
	defer release()
	ar, all, err := s.open(ctx, where)
	if err != nil {
		return err
	}
	defer ar.close()
	if _, remote := ar.(*streams); len(s.choose(all)) == 0 && (len(all) > 0 || remote) {
		return s.nothing(ar, all)
	}
	f := &follower{ar: ar, s: s, from: from, arrivals: make(chan arrival, arrivalsMax)}
	if !s.cmd.Flags().Changed("from") {
		f.last = last
	} else {
		f.last = -1
	}
	return a.follow(ctx, f, all)
}

// arrivalsMax is how far readers may be ahead of what is printed.
const arrivalsMax = 256

// arrival is what a reader has found: a record, or an error.
type arrival struct {
	rec appender.Record
	err error
}

// follower reads chains as they grow, each on a goroutine of its own.
type follower struct {
	ar       archive
	s        *selection
	from     appender.Cursor
	last     int // how many records before the end it begins; below 0: at from
	arrivals chan arrival
	known    []chain
}

// follow prints what arrives until ctx ends.
func (a *app) follow(ctx context.Context, f *follower, first []chain) error {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	start := func(chains []chain, last int) {
		for _, c := range f.s.choose(chains) {
			if slices.Contains(f.known, c) {
				continue
			}
			f.known = append(f.known, c)
			readers.Go(func() { f.read(ctx, c, last) })
		}
	}
	start(first, f.last)
	readers.Go(func() { f.lookOut(ctx, func(chains []chain) { start(chains, -1) }) })
	lines := newLineEncoder(a.out)
	for printed := 0; ; {
		var x arrival
		select {
		case x = <-f.arrivals:
		default:
			// Nothing is waiting to be printed: let what was be seen.
			if err := a.flushed(); err != nil {
				return err
			}
			select {
			case x = <-f.arrivals:
			case <-ctx.Done():
				return nil
			}
		}
		if x.err != nil {
			if !a.damaged(x.err) {
				return cannotGoOn(ctx, x.err)
			}
			continue
		}
		if err := lines.write(&x.rec); err != nil {
			return a.unwritten(err)
		}
		if printed++; printed == f.s.limit {
			return a.flushed()
		}
	}
}

// lookOut tells of the chains that are there, again and again.
func (f *follower) lookOut(ctx context.Context, tell func([]chain)) {
	ticker := time.NewTicker(newcomersEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// Servers may be away for a moment; readers would tell if it lasts.
		if chains, err := f.ar.chains(ctx); err == nil {
			tell(chains)
		}
	}
}

// read follows one chain. It gives up what it has when ctx ends.
func (f *follower) read(ctx context.Context, c chain, last int) {
	from := f.from
	if last >= 0 {
		begin, err := f.begin(ctx, c, last)
		if err != nil {
			f.give(ctx, arrival{err: err})
			return
		}
		from = begin
	}
	for rec, err := range f.ar.read(ctx, c, from, true) {
		if err == nil && !f.s.wants(&rec) {
			continue
		}
		if !f.give(ctx, arrival{rec, err}) {
			return
		}
	}
}

func (f *follower) give(ctx context.Context, x arrival) bool {
	select {
	case f.arrivals <- x:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin is where a reader begins that wants the last n records: at the n-th from
// the end, or behind it if n is 0. Damage on the way to it is for those who read
// it all.
func (f *follower) begin(ctx context.Context, c chain, n int) (appender.Cursor, error) {
	var (
		newest []appender.Cursor // a ring
		at     int
	)
	for rec, err := range f.ar.read(ctx, c, appender.Cursor{}, false) {
		if err != nil {
			if isDamage(err) {
				continue
			}
			return appender.Cursor{}, err
		}
		if !f.s.wants(&rec) {
			continue
		}
		cursor := appender.Cursor{Incarnation: rec.Incarnation, Seq: rec.Seq}
		switch {
		case len(newest) < max(n, 1):
			newest = append(newest, cursor)
		default:
			newest[at] = cursor
			at = (at + 1) % len(newest)
		}
	}
	if len(newest) == 0 {
		return appender.Cursor{}, nil
	}
	begin := newest[at%len(newest)]
	if n == 0 {
		begin.Seq++
	}
	return begin, nil
}
