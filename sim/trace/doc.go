// Package trace says what happens in a run: events, the checkers that judge
// them, and a form in which events are written down.
//
// An [Event] is produced once, shown to whoever wants its [Kind], and valid only
// until they return. A [Checker] judges one invariant; package props has them.
// A [Fanout] shows events to checkers; the simulated and the live runtime judge
// with the same one.
//
// # Guarantees
//
//  1. Every kind and every result has a name, which parses back
//     (TestEveryKindHasItsConstantsName, TestEveryResultHasAName).
//  2. A checker sees the events of the kinds it wants, in order, and no others
//     (TestFanoutShowsEachCheckerWhatItWants).
//  3. Expire is called once per deadline, with the deadline's own time, in the
//     order of deadlines, before any later event (TestFanoutWakesInOrderOfDeadlines,
//     TestFanoutAgreesWithAPlainOne).
//  4. The first violation of each checker is kept with its step and time; the
//     checker then sees nothing more, and the others are not affected
//     (TestFanoutKeepsTheFirstViolation, TestFanoutAgreesWithAPlainOne).
//  5. An event that nobody wants costs a table look-up, and showing events
//     allocates nothing (TestFanoutObserveDoesNotAllocate).
//  6. What is written reads back equal, but for Data; equal events give equal
//     bytes (TestCodecRoundTrip).
//  7. Whatever a line holds, reading it gives an event or an error that names
//     the line, never a panic (FuzzParseJSON, TestDecodeErrorsNameTheLine).
//  8. A ledger that does not balance is told with every term
//     (TestIdentityHoldsExactlyWhenTheLedgerBalances).
//  9. Every field that is written down counts in the digest
//     (TestFoldSeesEveryField).
//  10. A checker that panics is violated, and says where it began; nobody else
//     notices (TestAPanickingCheckerIsViolated).
//
// # Non-guarantees
//
//  1. A Fanout is not safe for concurrent use: a live runtime serialises.
//  2. Data is neither written nor digested; an error keeps its message alone.
//  3. The digest and the written form may change from one version to the next.
package trace
