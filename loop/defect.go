package loop

// defect is a way in which a test breaks a loop, to show that its properties
// notice. Only export_test.go sets one.
type defect uint8

const (
	sound           defect = iota
	dropsNewest            // a full log ring refuses instead of dropping its oldest
	clearsOnFailure        // any settlement clears ChainPending
	skipsSeq               // every sixteenth sequence number is missing
	ticksInBursts          // late ticks are made up for
)
