// Package explore runs one scenario under many seeds, on all cores, and sums
// up what was seen.
//
// Guarantees:
//
//  1. A sweep's tally does not depend on the number of jobs nor on the order
//     in which seeds finish, wall time apart. (TestTallyDoesNotDependOnJobs)
//  2. Every seed asked for is run exactly once and counted under exactly one
//     verdict, unless the sweep was interrupted. (TestEverySeedIsCountedOnce)
//  3. Memory is bounded: of the seeds that did not hold, the [MaxKept] lowest
//     of each verdict are kept in full and the others counted. (TestSeedsKeptAreTheLowest)
//  4. A list of seeds parses back from its printed form.
//     (TestSeedsRoundTrip, FuzzParseSeeds)
//
// Non-guarantees:
//
//  1. An interrupted sweep has run some seeds, not a prefix of them.
package explore
