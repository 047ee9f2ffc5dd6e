// Package scenario reads and writes scenarios: YAML files that hold a
// [sim.Config], and the ones that ship with the program.
//
// # Guarantees
//
//  1. What is written reads back the same: Parse(Marshal(c)) equals c
//     (TestMarshalledConfigParsesBackEqual).
//  2. Nothing is ignored: an unknown key, a key twice, a second document, an
//     anchor, a value of the wrong form, and a field that the rest of the
//     scenario makes meaningless are errors (TestWrongInput).
//  3. Every error about a file's content is one line of the form
//     "FILE:LINE:COLUMN: found X, expected Y", an [*sim.InputError], and names
//     the place of the mistake (TestWrongInput, FuzzParse).
//  4. No input makes it panic or hang (FuzzParse, FuzzSet).
//  5. [Set] accepts exactly what a file accepts at the same place, and leaves
//     the configuration as it was when it fails (TestSetAgreesWithFile,
//     TestFailedSetChangesNothing).
//  6. Every built-in scenario is valid and resolves (TestBuiltinsResolve).
//
// # Non-guarantees
//
//  1. YAML beyond what a scenario needs is refused: anchors, aliases, tags,
//     merge keys, directives, more than one document, more than 64 KiB.
//  2. Comments and the order of keys do not survive Parse and Marshal.
//  3. The fields of sim.Config that only Go code can fill (Model, Open, ...)
//     are neither read nor written.
package scenario
