package loop

// Call is one of a loop's entry points.
type Call uint8

// The entry points.
const (
	CallStep Call = iota
	CallLog
	CallTick
)

// Folded is what one call folded into a loop, and what came of it: enough to
// fold the same into another loop and compare. It is valid only while it is
// being shown.
type Folded struct {
	Call  Call
	In    Input   // of Step; its Now and WallMs of every call
	Line  LogLine // of Log
	Err   error   // what Step returned
	Ready *Ready  // what the loop wants done, before it is done
	Loop  *Loop   // after the call
}
