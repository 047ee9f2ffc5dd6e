package appender

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A record is one cache line. This does not compile if it is not.
var _ [64]byte = [unsafe.Sizeof(Record{})]byte{}

var levels = []Level{Trace, Debug, Info, Warn, Error}

func TestLevelsAreReadAsTheyAreWritten(t *testing.T) {
	for _, l := range levels {
		for _, s := range []string{l.String(), strings.ToUpper(l.String()), strings.ToTitle(l.String())} {
			got, err := ParseLevel(s)
			require.NoError(t, err)
			require.Equal(t, l, got)
		}
	}
	_, err := ParseLevel("loud")
	require.EqualError(t, err, `appender: level "loud": want trace, debug, info, warn or error`)
}

func TestSeverityOrdersLevels(t *testing.T) {
	for i, l := range levels {
		require.Equal(t, i, l.Severity())
	}
	require.Equal(t, Info, Level(0), "the zero level is Info")
	require.Equal(t, "level(9)", Level(9).String())
	require.Greater(t, Level(9).Severity(), Error.Severity())
}

func FuzzParseLevel(f *testing.F) {
	for _, s := range []string{"info", "WARN", "", "fatal", "level(9)", "\xff", "ınfo"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLevel(s)
		if err != nil {
			require.Contains(t, err.Error(), "want trace, debug, info, warn or error")
			return
		}
		require.Contains(t, levels, l)
		again, err := ParseLevel(l.String())
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}

func TestARecordPrintsOnOneLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Record{
			Seq:     rapid.Uint64().Draw(t, "seq"),
			Node:    "n1",
			Message: string(rapid.SliceOf(rapid.Byte()).Draw(t, "message")),
			Level:   Level(rapid.Byte().Draw(t, "level")),
		}
		require.NotContains(t, r.String(), "\n")
		require.Contains(t, r.String(), fmt.Sprintf("%q", r.Message))
		require.True(t, strings.HasPrefix(r.String(), fmt.Sprintf("n1@0#%d ", r.Seq)))
	})
	require.Equal(t, `n2@3.1#42 t=1000 warn daemon=7 "disk\nfull"`, Record{
		Seq: 42, TimeMs: 1000, Daemon: 7, Node: "n2", Message: "disk\nfull", Incarnation: 3, Level: Warn, Stream: 1,
	}.String())
}

func TestCausesAreReachedThroughAnyStack(t *testing.T) {
	wrappers := []func(error) error{
		func(err error) error { return &AppendError{Sink: "s", Node: "n1", Seq: 1, Err: err} },
		func(err error) error { return &PanicError{Value: err} },
		func(err error) error { return fmt.Errorf("%w: %w", ErrUnknownOutcome, err) },
		func(err error) error { return errors.Join(errors.New("a sibling"), err) },
	}
	rapid.Check(t, func(t *rapid.T) {
		root := &fs.PathError{Op: "write", Path: "log", Err: rapid.SampledFrom([]error{ErrClosed, ErrFull, ErrInjected, fs.ErrPermission}).Draw(t, "root")}
		err := error(root)
		for range rapid.IntRange(0, 6).Draw(t, "depth") {
			err = rapid.SampledFrom(wrappers).Draw(t, "wrapper")(err)
		}
		require.ErrorIs(t, err, root.Err)
		var pe *fs.PathError
		require.ErrorAs(t, err, &pe)
		require.Same(t, root, pe)
		require.Contains(t, err.Error(), root.Err.Error())
	})
}

func TestAPanicThatIsNoErrorUnwrapsToNothing(t *testing.T) {
	e := &PanicError{Value: "boom", Stack: []byte("goroutine 1 at 0xc000")}
	require.NoError(t, e.Unwrap())
	require.EqualError(t, e, "appender: panic: boom", "no addresses in the text")
}

func TestOutcomesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range NumOutcomes {
		s := Outcome(o).String()
		require.False(t, seen[s], s)
		require.NotContains(t, s, "?")
		seen[s] = true
	}
	require.Equal(t, "outcome?", Outcome(NumOutcomes).String())
}
