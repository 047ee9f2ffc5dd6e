package loop

// Defect breaks a loop for a test that shows that the properties notice.
type Defect = defect

// The defects.
const (
	Sound           = sound
	DropsNewest     = dropsNewest
	ClearsOnFailure = clearsOnFailure
	SkipsSeq        = skipsSeq
	TicksInBursts   = ticksInBursts
)

// Break breaks l. It must come before l is used.
func (l *Loop) Break(d Defect) { l.broken = d }
