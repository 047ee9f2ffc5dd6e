// Package report says in words what a run did: one event in a sentence, a
// run's story as a short timeline, and the last things that happened to a node
// before a violation.
//
// Guarantees:
//
//  1. Every kind of event has a sentence of its own.
//     (TestEveryKindHasASentence)
//  2. A timeline's memory is bounded whatever the run's length, and what it
//     left out is counted. (TestTimelineIsBoundedAndCountsWhatItLeavesOut)
//  3. Nothing that a timeline was shown goes unmentioned: its lines' counts
//     add up to the story events observed. (TestTimelineAddsUp)
//  4. The same events give the same text. (TestTimelineIsAFunctionOfItsEvents)
//
// Non-guarantees:
//
//  1. The wording may change between versions: a program reads the JSON result
//     and the trace, not this.
//  2. A timeline merges what happens again and again into one line at its
//     beginning; the order within such a line is lost.
package report
