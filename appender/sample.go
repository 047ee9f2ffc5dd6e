package appender

import "context"

// SampleOptions shape a [Sample]. The zero value keeps everything.
type SampleOptions struct {
	// OneIn keeps, on average, one of so many. At or below 1: all.
	OneIn int
	// Always, if set, keeps every record of which it is true, whatever the draw:
	// say, AtLeast(Warn).
	Always func(Record) bool
}

// Sample passes on a part of the records, drawn by the seed of its Env and the
// record's identity alone (SplitMix64's mixing of them): a record that is tried
// again is drawn as it was, and every run of a seed keeps the same ones. Those
// that are left out are acknowledged, and counted.
type Sample struct {
	dropping
	limit  uint64 // keeps draws below
	seed   uint64
	always func(Record) bool

	// The chain that the latest record was of, and what it and the seed mix to:
	// most records are of the same one.
	node  string
	rest  uint64
	chain uint64
}

var (
	_ BatchAppender = (*Sample)(nil)
	_ Flusher       = (*Sample)(nil)
	_ Statser       = (*Sample)(nil)
)

// NewSample samples what goes to inner.
func NewSample(inner Appender, env Env, o SampleOptions) *Sample {
	s := &Sample{dropping: dropping{wrapped: wrapped{inner: inner}}, limit: ^uint64(0), seed: Mix(env.Seed), always: o.Always}
	if o.OneIn > 1 {
		s.limit = ^uint64(0) / uint64(o.OneIn)
	}
	s.mixChain()
	return s
}

func (s *Sample) keep(rec Record) bool { return s.drawn(&rec) }

func (s *Sample) drawn(rec *Record) bool {
	if s.limit == ^uint64(0) || s.always != nil && s.always(*rec) {
		return true
	}
	rest := uint64(rec.Incarnation)<<8 | uint64(rec.Stream)
	if rec.Node != s.node || rest != s.rest {
		s.node, s.rest = rec.Node, rest
		s.mixChain()
	}
	return Mix(s.chain^rec.Seq) < s.limit
}

// mixChain mixes the chain byte by byte: nothing rare needs to be quicker.
func (s *Sample) mixChain() {
	h := Mix(s.seed ^ s.rest)
	for i := range len(s.node) {
		h = Mix(h ^ uint64(s.node[i]))
	}
	s.chain = h
}

// Append stores rec, or counts it as left out.
func (s *Sample) Append(ctx context.Context, rec Record) error {
	if !s.drawn(&rec) {
		return s.left(ctx)
	}
	return s.answeredOne(s.inner.Append(ctx, rec))
}

// AppendBatch stores the sample of recs, in one call of the appender inside.
func (s *Sample) AppendBatch(ctx context.Context, recs []Record) (int, error) {
	return s.batch(ctx, recs, s.keep)
}

// Sampled counts the records that were left out.
func (s *Sample) Sampled() uint64 { return s.dropped.Load() }
