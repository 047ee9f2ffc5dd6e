package props

import (
	"errors"
	"fmt"
	"reflect"

	"meshsim/appender"
	"meshsim/loop"
	"meshsim/sim/trace"
)

// NonInterference holds when a loop does not depend on what any appender does:
// a shadow loop that folds the same inputs in the same order, beside an
// appender that acknowledges everything at once, wants the same actions,
// messages and records at every step, refuses the same inputs, and has the same
// digest, which covers everything in the loop but ChainPending, and its model's
// state where the model is a [loop.Digester].
//
// It looks at the shadowed nodes. After a panic of the model the shadow of that
// incarnation ends: the input that panicked is not shown, and invariant
// sound-model tells of it. Arguments and messages are equal if
// [reflect.DeepEqual] says so.
func NonInterference() trace.Checker {
	return &nonInterference{judge: always("non-interference",
		trace.NodeStarted, trace.NodeCrashed, trace.NodeStopped, trace.LoopInput, trace.ActorFailed)}
}

type nonInterference struct {
	judge
	lives lives[shadow]
	equal equality
}

// shadow is the loop beside a node's.
type shadow struct{ loop *loop.Loop }

func (c *nonInterference) Observe(e *trace.Event) error {
	l := c.lives.of(e)
	switch e.Kind {
	case trace.NodeStarted:
		if fresh, ok := e.Data.(func() *loop.Loop); ok && fresh != nil {
			l.v.loop = fresh()
		}
	case trace.NodeCrashed, trace.NodeStopped:
		l.v.loop = nil
	case trace.ActorFailed:
		if e.Actor == trace.RoleLoop {
			l.v.loop = nil
		}
	case trace.LoopInput:
		if f, ok := e.Data.(*loop.Folded); ok && l.v.loop != nil {
			c.checked++
			if err := c.fold(l.v.loop, f); err != nil {
				return fmt.Errorf("%s: %w", l, err)
			}
		}
	}
	return nil
}

var errShadowPanicked = errors.New("the shadow loop panicked where the loop did not")

// fold folds into the shadow what the loop folded, and compares what came of it.
func (c *nonInterference) fold(s *loop.Loop, f *loop.Folded) error {
	panicked, err := call(s, f)
	if panicked != nil {
		return fmt.Errorf("%w: %v", errShadowPanicked, panicked)
	}
	if !sameError(err, f.Err) {
		return fmt.Errorf("the loop answered %v where its shadow answered %v", f.Err, err)
	}
	if err := c.compare(f.Ready, s.Ready()); err != nil {
		return err
	}
	for i := range s.Ready().Records {
		s.Settle(s.Ready().Records[i].Seq, appender.Appended)
	}
	s.Advance()
	if got, want := f.Loop.Digest(0), s.Digest(0); got != want {
		return fmt.Errorf("the loop's state digests to %016x where its shadow's digests to %016x", got, want)
	}
	return nil
}

// call makes the call that f recorded on the shadow.
func call(s *loop.Loop, f *loop.Folded) (panicked any, err error) {
	defer func() { panicked = recover() }()
	switch f.Call {
	case loop.CallStep:
		return nil, s.Step(f.In)
	case loop.CallLog:
		s.Log(f.In.Now, f.In.WallMs, f.Line)
	case loop.CallTick:
		s.Tick(f.In.Now, f.In.WallMs)
	}
	return nil, nil
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}

func (c *nonInterference) compare(got, want *loop.Ready) error {
	if len(got.Records) != len(want.Records) || len(got.Actions) != len(want.Actions) || len(got.Messages) != len(want.Messages) {
		return fmt.Errorf("the loop wants %d records, %d actions and %d messages where its shadow wants %d, %d and %d",
			len(got.Records), len(got.Actions), len(got.Messages), len(want.Records), len(want.Actions), len(want.Messages))
	}
	for i := range got.Records {
		if got.Records[i] != want.Records[i] {
			return fmt.Errorf("the loop emits record %+v where its shadow emits %+v", got.Records[i], want.Records[i])
		}
	}
	for i := range got.Actions {
		g, w := &got.Actions[i], &want.Actions[i]
		if g.ID != w.ID || g.Kind != w.Kind || g.Target != w.Target || !c.equal.values(g.Args, w.Args) {
			return fmt.Errorf("the loop wants action %+v where its shadow wants %+v", *g, *w)
		}
	}
	for i := range got.Messages {
		g, w := &got.Messages[i], &want.Messages[i]
		if g.To != w.To || !c.equal.values(g.Msg, w.Msg) {
			return fmt.Errorf("the loop sends %+v where its shadow sends %+v", *g, *w)
		}
	}
	return nil
}

// equality compares values of unknown types: with == where that means the same
// as reflect.DeepEqual, which it finds out once per type, and otherwise with
// reflect.DeepEqual.
type equality struct{ plain map[reflect.Type]bool }

func (q *equality) values(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	if t != reflect.TypeOf(b) {
		return false
	}
	plain, known := q.plain[t]
	if !known {
		if q.plain == nil {
			q.plain = make(map[reflect.Type]bool)
		}
		plain = isPlain(t)
		q.plain[t] = plain
	}
	if plain {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// isPlain reports whether == on values of type t is defined and compares all
// that they hold: no pointers, interfaces, slices, maps or functions inside.
func isPlain(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return isPlain(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isPlain(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.String:
		return true
	default:
		return k >= reflect.Bool && k <= reflect.Complex128
	}
}
