// Package simtest runs a scenario in `go test`: one subtest per seed, judged
// by the invariants, with the command that reproduces a failure in its last
// line.
//
//	func TestMyAppenderNeverWedgesTheLoop(t *testing.T) {
//		simtest.Run(t, sim.Config{Nodes: 5, Open: openMine, Swarm: true})
//	}
//
// Which seeds run is said, in this order, by
//
//	-sim.seed=17             or SIM_SEED=17: this one
//	-sim.seeds=1-500,0x2a    or SIM_SEEDS=...: these
//	Options.Seeds            the first so many, by default 10
//
// where a flag wins over both variables.
//
// Guarantees:
//
//  1. Every seed is a subtest named seed=N, and its failure names each
//     violated invariant with its step and the violation in words, shows the
//     last telling events of the node concerned, and ends with the line that
//     reproduces it. (TestAFailureTellsWhatAndHowToReproduce)
//  2. Running that line runs that seed alone and fails the same way.
//     (TestTheReproduceLineReproduces)
//  3. A run that showed nothing fails as well, unless
//     [Options.AllowInconclusive]. (TestInconclusiveFailsUnlessAllowed)
//  4. A flag or variable that cannot be understood fails the test; it never
//     runs other seeds than those asked for. (TestBadSeedsFail)
//  5. A panic in a run fails that seed, with its reproduce line, and no other.
//     (TestAPanicFailsItsSeedAlone)
//
// Non-guarantees:
//
//  1. Subtests are parallel: what a Config's functions (Model, Open) share
//     between seeds must be safe for concurrent use, and a run that depends on
//     it is no longer a function of its seed.
package simtest
