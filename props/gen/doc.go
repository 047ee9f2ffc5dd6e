// Package gen draws scenarios for property tests with rapid.
//
// It is apart from package props because rapid registers flags of its own,
// which must not reach the command.
//
// Guarantees:
//
//  1. Every scenario drawn is valid (TestEveryScenarioDrawnIsValid).
//  2. Every kind of fault, load and schedule can be drawn
//     (TestEveryKindIsDrawn).
//  3. A failure shrinks to a scenario in which nothing is left but what fails:
//     lists lose the entries that do not matter, sizes, times and
//     probabilities go to their simplest value
//     (TestAFailureShrinksToWhatFails).
//
// Non-guarantees:
//
//   - The distribution is tuned for finding faults in short runs of small
//     meshes, and may change with any version.
//   - A fail file of rapid replays only against the generator that wrote it:
//     promote a find to a named scenario.
package gen
