package loop_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/appender"
	"meshsim/loop"
)

func TestLoopIsWhatANaiveModelOfItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := play(scripts.Draw(t, "script"), loop.Sound); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNaiveModelNoticesEveryDefect(t *testing.T) {
	for name, d := range map[string]loop.Defect{
		"a full ring drops the newest":      loop.DropsNewest,
		"a failure clears ChainPending":     loop.ClearsOnFailure,
		"sequence numbers have gaps":        loop.SkipsSeq,
		"late ticks are made up in a burst": loop.TicksInBursts,
	} {
		t.Run(name, func(t *testing.T) {
			var found error
			for seed := 0; seed < 300 && found == nil; seed++ {
				s := scripts.Example(seed)
				require.NoError(t, play(s, loop.Sound), "seed %d", seed)
				found = play(s, d)
			}
			require.Error(t, found)
		})
	}
}

// digests returns the digest after each call of a script, with the settlements,
// captures and snapshots of the script made or not.
func digests(s script, meddle bool) (all []uint64) {
	m := &idling{scripted{onTick: s.onTick}}
	l, n := loop.New(m, s.opt), newNaive(s)
	n.idler = true
	for _, o := range s.ops {
		switch o.call {
		case "settle", "snapshot":
			if !meddle {
				continue
			}
			l.Capture()
			l.NextTick()
		}
		// The naive model is only there to turn relative times and numbers
		// into absolute ones; it never sees what was left out.
		if err := call(l, n, o); err != nil && o.call != "snapshot" {
			panic(err)
		}
		if o.call != "settle" && o.call != "snapshot" {
			all = append(all, l.Digest(0))
		}
	}
	return all
}

func TestDigestDoesNotDependOnAppenderNorOnReaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scripts.Draw(t, "script")
		require.Equal(t, digests(s, false), digests(s, true))
		require.Equal(t, digests(s, true), digests(s, true))
	})
}

func TestDigestTellsDifferentHistoriesApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scripts.Draw(t, "script")
		changed := s
		changed.ops = append([]op(nil), s.ops...)
		var told []int // calls that the digest must depend on
		for i := range s.ops {
			if c := s.ops[i].call; c == "step" || c == "log" {
				told = append(told, i)
			}
		}
		if len(told) == 0 {
			return // a script of ticks and settlements has nothing to change
		}
		i := rapid.SampledFrom(told).Draw(t, "changed call")
		o := &changed.ops[i]
		if o.call == "step" {
			o.in.WallMs++
		} else {
			o.line.Message += "x"
		}
		a, b := digests(s, true), digests(changed, true)
		at := 0
		for _, o := range s.ops[:i] {
			if o.call != "settle" && o.call != "snapshot" {
				at++
			}
		}
		require.Equal(t, a[:at], b[:at])
		if a[at] == b[at] {
			t.Fatalf("digest %016x after call %d and after a changed one", a[at], i)
		}
	})
}

func TestFoldTellsStringsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.Uint64().Draw(t, "h")
		// Few letters, the zero byte among them, to come close to collisions.
		text := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a'}), 0, 20, -1)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if (loop.FoldString(h, a) == loop.FoldString(h, b)) != (a == b) {
			t.Fatalf("%q and %q", a, b)
		}
		x, y := rapid.Uint64().Draw(t, "x"), rapid.Uint64().Draw(t, "y")
		if (loop.Fold(h, x) == loop.Fold(h, y)) != (x == y) {
			t.Fatalf("%d and %d", x, y)
		}
	})
}

func TestRetryThatLandsLaterClearsChainPending(t *testing.T) {
	for _, first := range []appender.Outcome{appender.Failed, appender.Unknown, appender.Dropped, appender.Lost} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			l := loop.New(idle{}, loop.Options{})
			l.Log(0, 0, line)
			require.True(t, l.Capture().Log[0].ChainPending, "after the push")
			l.Settle(1, first)
			require.True(t, l.Capture().Log[0].ChainPending, "after %v", first)
			l.Settle(1, appender.Appended)
			require.False(t, l.Capture().Log[0].ChainPending, "after the retry landed")
			l.Settle(1, first)
			require.False(t, l.Capture().Log[0].ChainPending, "what is stored stays stored")
		})
	}
}
