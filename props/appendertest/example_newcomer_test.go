package appendertest_test

import (
	"context"
	"fmt"
	"testing"

	"meshsim/appender"
	"meshsim/props/appendertest"
)

// lastLines is a newcomer's appender: it keeps the last lines of a log.
type lastLines struct {
	max   int
	lines []appender.Record
}

func (l *lastLines) Append(_ context.Context, rec appender.Record) error {
	l.lines = append(l.lines, rec)
	if len(l.lines) >= l.max {
		l.lines = l.lines[1:]
	}
	return nil
}

func (l *lastLines) CapturedInto(dst []appender.Record) []appender.Record {
	return append(dst, l.lines...)
}

// what the suite has to know: how to open a fresh one, and how much it holds.
var newcomer = appendertest.Config{
	Name:     "lastLines",
	Capacity: 4,
	New: func(context.Context, appender.Env) (appender.Appender, error) {
		return &lastLines{max: 4}, nil
	},
}

// In a test of one's own, appendertest.Run(t, newcomer) asks each law in a
// subtest, with rapid behind it. Here the same is asked without one.
func Example_newcomer() {
	fmt.Println(appendertest.Check(newcomer, 100))
	// Output:
	// 2 laws are broken:
	// fifo-drop: at capacity c exactly the newest max(c, 1) are held: the oldest are dropped, first in first out
	//     after: append #1; append #2; append #3; append #4;
	//     the 1st record held is n1@1#2 t=1700000000002 info "message 2", expected n1@1#1 t=1700000000001 info "message 1" (held #2-4, expected #1-4)
	// cancelled-first: a call whose context has ended before returns that context's error, stores nothing and counts nothing as accepted
	//     after: append #1 and then a batch with a context that is cancelled;
	//     Append with a cancelled context returned <nil>, expected context canceled
}

// The two mistakes put right.
type lastLinesMended struct{ lastLines }

func (l *lastLinesMended) Append(ctx context.Context, rec appender.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.lines = append(l.lines, rec)
	if len(l.lines) > l.max {
		l.lines = l.lines[1:]
	}
	return nil
}

func TestTheNewcomerMended(t *testing.T) {
	mended := newcomer
	mended.New = func(context.Context, appender.Env) (appender.Appender, error) {
		return &lastLinesMended{lastLines{max: 4}}, nil
	}
	appendertest.Run(t, mended)
}
