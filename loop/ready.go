package loop

import "meshsim/appender"

// Ready is what a step wants done: actions to execute, messages to send,
// records to append. It is valid until [Loop.Advance] and must not be kept.
//
// Its methods are the model's, during Step and Tick; called at any other time
// they panic, because what they were to add would come from nowhere that a
// replay could find again.
type Ready struct {
	Actions  []Action
	Messages []Message
	Records  []appender.Record

	loop *Loop
}

// Do asks for an action and returns the ID under which its outcome will come.
func (r *Ready) Do(kind string, target uint64, args any) uint64 {
	r.mustStep()
	return r.loop.do(kind, target, args)
}

// Send asks for msg to be sent to a peer.
func (r *Ready) Send(to uint64, msg any) {
	r.mustStep()
	r.loop.stats.Messages++
	r.Messages = append(r.Messages, Message{To: to, Msg: msg})
}

// Log emits a record: it enters the log ring, pending, and is handed to the
// appender.
func (r *Ready) Log(line LogLine) {
	r.mustStep()
	r.loop.emit(line)
}

func (r *Ready) mustStep() {
	if r.loop == nil || !r.loop.stepping {
		panic("loop: Ready used outside of a step; a model must not keep it")
	}
}

// readyKeep is how many elements of each kind a Ready keeps room for. A burst
// makes more, which Advance gives back.
const readyKeep = 4096

func (r *Ready) empty() {
	r.Actions = emptied(r.Actions)
	r.Messages = emptied(r.Messages)
	r.Records = emptied(r.Records)
}

// emptied clears what is in s, so that nothing stays alive through it, and
// returns its room for reuse.
func emptied[T any](s []T) []T {
	if cap(s) > readyKeep {
		return nil
	}
	clear(s)
	return s[:0]
}
