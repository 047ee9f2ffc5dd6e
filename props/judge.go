package props

import (
	"time"

	"meshsim/sim/trace"
)

// judge is what every checker has: a name, a quantifier, the kinds of events
// that it wants and a count of what it judged. A checker embeds it and
// overrides what it does differently.
type judge struct {
	name    string
	quant   trace.Quantifier
	kinds   trace.KindSet
	checked uint64
}

func always(name string, kinds ...trace.Kind) judge {
	return judge{name: name, quant: trace.Always, kinds: trace.Kinds(kinds...)}
}

func (j *judge) Name() string                 { return j.name }
func (j *judge) Quantifier() trace.Quantifier { return j.quant }
func (j *judge) Kinds() trace.KindSet         { return j.kinds }
func (j *judge) Checked() uint64              { return j.checked }
func (j *judge) Next() (time.Duration, bool)  { return 0, false }
func (j *judge) Expire(time.Duration) error   { return nil }
func (j *judge) Finish(time.Duration) error   { return nil }
