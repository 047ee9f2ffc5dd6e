package laws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshsim/appender"
)

// Law is something that an appender must promise.
type Law struct {
	// Name is short, and stays: reports and scripts refer to it.
	Name string
	// Says is the law in a sentence.
	Says string
	// lacks names what the subject lacks for the law to be asked, "" if nothing.
	lacks func(*Config, appender.Appender) string
	check func(*subject, Draw) error
	// slow: a case that fails takes its time, and is not made smaller.
	slow bool
}

// AckLevel is what an acknowledgement survives.
type AckLevel uint8

// The levels, from the weakest.
const (
	AckMemory AckLevel = iota // nothing
	AckOS                     // the death of the process
	AckDisk                   // a power failure
	AckQuorum                 // the loss of a machine
)

func (l AckLevel) String() string { return [...]string{"memory", "os", "disk", "quorum"}[l] }

// Config says what is checked, and what it promises beyond the interface. Either
// New or Wrap must be set.
type Config struct {
	// Name is what reports call it.
	Name string
	// New opens a fresh appender that holds nothing, each time.
	New appender.Opener
	// Wrap makes the wrapper that is checked around an appender which the laws
	// supply, and make fail.
	Wrap func(inner appender.Appender, env appender.Env) appender.Appender

	// Reopen opens again what the latest New opened, after it was closed or
	// after Crash. It makes the laws of durability apply.
	Reopen appender.Opener
	// Crash makes the process die that the latest appender lives in, or its
	// power fail if Acks is AckDisk: the appender is left, not closed.
	Crash func()
	// Acks is what an acknowledgement survives. With an appender that is a
	// Positioner it is what Position calls durable that survives.
	Acks AckLevel
	// Full makes the medium full, or gives it room again.
	Full func(bool)
	// FailSync makes the medium fail to make things durable, or work again.
	FailSync func(bool)
	// Flip turns a bit of what is stored, drawn by its argument, and reports
	// whether there was one.
	Flip func(draw uint64) bool
	// Reports says whether an appender tells of damage, or of a torn tail, that
	// it found when it was opened.
	Reports func(appender.Appender) bool

	// Capacity is how many records it holds before it drops the oldest; 0 means
	// that it holds all. NewOf, if set, opens a fresh one of any capacity.
	Capacity int
	NewOf    func(capacity int) appender.Opener
	// Contents reads what is held, where neither CapturedInto nor Replay do.
	Contents func(context.Context, appender.Appender) ([]appender.Record, error)
	// MaxRecordBytes is the size of message beyond which a record is refused; 0
	// means that none is.
	MaxRecordBytes int
	// Concurrent says that several goroutines may append at a time, Exclusive
	// that a second opener is refused, NoAllocs that an append allocates
	// nothing, and OneNode that it takes records of its Env's node alone, with
	// rising numbers.
	Concurrent, Exclusive, NoAllocs, OneNode bool
	// TakesOver says that a second opener takes what is open over from the first,
	// and Ids that a record is stored once however often it is appended, by its
	// node, incarnation, stream and number.
	TakesOver, Ids bool
	// AtLeastOnce admits that a record may be there twice after a failure.
	AtLeastOnce bool
	// Drops says of a wrapper that it keeps records back by design and
	// acknowledges them; Contains that a panic inside becomes a PanicError.
	Drops, Contains bool
	// Retries and Breaks say how a wrapper does what they are named for, and Tee
	// is Wrap around several, for one that appends to each.
	Retries *Retries
	Breaks  *Breaks
	Tee     func(inner []appender.Appender, env appender.Env) appender.Appender
	// RealClock hands it the machine's clock instead of a virtual one on which
	// sleeping takes no time: for what waits for other processes.
	RealClock bool
	// Hang bounds, in real time, how long a call may take until it is said to
	// hang. Default 10 s.
	Hang time.Duration
}

// Draw is where a law takes its choices from: a seed, or a property-testing
// library, which then makes them small. Lower is simpler.
type Draw interface {
	// Int draws from lo to hi, both included.
	Int(label string, lo, hi int) int
	Uint64(label string) uint64
}

// Broken is a law that does not hold, with the case that shows it.
type Broken struct {
	Law Law
	// Case is what was done, in words, and Err what was wrong.
	Case []string
	Err  error
}

func (b *Broken) Error() string {
	s := fmt.Sprintf("%s: %s", b.Law.Name, b.Law.Says)
	if len(b.Case) > 0 {
		s += "\n    after:"
		for i, c := range b.Case {
			if i == 12 && len(b.Case) > 14 {
				s += fmt.Sprintf(" (and %d more);", len(b.Case)-i)
				break
			}
			s += " " + c + ";"
		}
	}
	return s + "\n    " + b.Err.Error()
}

// Unwrap returns what was wrong.
func (b *Broken) Unwrap() error { return b.Err }

// All lists the laws in the order in which they are reported.
func All() []Law {
	var all []Law
	for _, some := range [][]Law{orderLaws, valueLaws, callLaws, wrapperLaws, promiseLaws, lifeLaws, durableLaws, damageLaws, costLaws} {
		all = append(all, some...)
	}
	return all
}

// Lacks says why a law does not apply to a subject, "" if it does. It opens one.
func (l Law) Lacks(cfg Config) (string, error) {
	s := newSubject(&cfg)
	defer s.end()
	a, err := s.open()
	if err != nil {
		return "", err
	}
	return l.lacks(&cfg, a), nil
}

// Check asks a law of one case, drawn. The error is a *Broken.
func (l Law) Check(cfg Config, d Draw) (err error) {
	s := newSubject(&cfg)
	defer s.end()
	defer func() {
		if v := recover(); v != nil {
			bad, ok := v.(bail)
			if !ok {
				panic(v)
			}
			err = bad.err
		}
		if err != nil {
			err = &Broken{Law: l, Case: s.story, Err: err}
		}
	}()
	return l.check(s, d)
}

// bail is how a helper of laws ends a case.
type bail struct{ err error }

func fail(format string, args ...any) { panic(bail{fmt.Errorf(format, args...)}) }

// must ends a case that cannot go on.
func must(err error, doing string) {
	if err != nil {
		panic(bail{fmt.Errorf("%s: %w", doing, err)})
	}
}

// The reasons for which a law does not apply.

func always(*Config, appender.Appender) string { return "" }

func needs[T any](what string) func(*Config, appender.Appender) string {
	return func(_ *Config, a appender.Appender) string {
		if _, ok := a.(T); !ok {
			return "no " + what
		}
		return ""
	}
}

func needsIf(what string, has func(*Config) bool) func(*Config, appender.Appender) string {
	return func(c *Config, _ appender.Appender) string {
		if !has(c) {
			return what
		}
		return ""
	}
}

func allOf(fs ...func(*Config, appender.Appender) string) func(*Config, appender.Appender) string {
	return func(c *Config, a appender.Appender) string {
		for _, f := range fs {
			if why := f(c, a); why != "" {
				return why
			}
		}
		return ""
	}
}

func readable(c *Config, a appender.Appender) string {
	_, captures := a.(appender.Capturer)
	_, replays := a.(appender.Replayer)
	if captures || replays || c.Contents != nil || c.Wrap != nil {
		return ""
	}
	return "nothing can be read back: no CapturedInto, no Replay, no Config.Contents"
}

var (
	wrapper  = needsIf("no wrapper", func(c *Config) bool { return c.Wrap != nil })
	durable  = needsIf("no Config.Reopen", func(c *Config) bool { return c.Reopen != nil })
	crashes  = needsIf("no Config.Crash", func(c *Config) bool { return c.Crash != nil })
	bounded  = needsIf("no Config.Capacity", func(c *Config) bool { return c.Capacity != 0 || c.NewOf != nil })
	errLaw   = errors.New("laws: no such law")
	anyBatch = needs[appender.BatchAppender]("AppendBatch")
)
