package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// config is the stream of one node.
//
// Its one limit is a number of messages for each subject, of which the record
// subject reaches it: so the oldest record goes when a new one comes, and the
// message that says who owns the stream stays. A limit on the whole stream, on
// its bytes or on its age would let that message go: a stream that has one is
// refused.
func (o *Options) config(n names) jetstream.StreamConfig {
	limit := int64(o.MaxRecords)
	if o.Unlimited {
		limit = -1
	}
	storage := jetstream.FileStorage
	if o.Memory {
		storage = jetstream.MemoryStorage
	}
	c := jetstream.StreamConfig{
		Name:              n.stream,
		Description:       "meshsim: the log of a node",
		Subjects:          []string{n.subject, n.owner, n.gap},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: limit,
		Storage:           storage,
		Replicas:          o.Replicas,
		Duplicates:        o.DedupeWindow,
		// For taking a stream over.
		AllowRollup:        true,
		AllowAtomicPublish: true,
	}
	if o.tweak != nil {
		o.tweak(&c)
	}
	return c
}

// differs says in what a stream is not as wanted, or nil.
func differs(have, want *jetstream.StreamConfig) *ConfigError {
	for _, f := range []struct {
		name       string
		have, want string
	}{
		{"MaxRecords", records(have.MaxMsgsPerSubject), records(want.MaxMsgsPerSubject)},
		{"Replicas", strconv.Itoa(have.Replicas), strconv.Itoa(want.Replicas)},
		{"DedupeWindow", have.Duplicates.String(), want.Duplicates.String()},
		{"storage", have.Storage.String(), want.Storage.String()},
		{"subjects", fmt.Sprint(have.Subjects), fmt.Sprint(want.Subjects)},
		{"retention", have.Retention.String(), want.Retention.String()},
		{"discard policy", have.Discard.String(), want.Discard.String()},
		{"max_msgs", records(have.MaxMsgs), records(want.MaxMsgs)},
		{"max_bytes", records(have.MaxBytes), records(want.MaxBytes)},
		{"max_age", have.MaxAge.String(), want.MaxAge.String()},
		{"allow_rollup_hdrs", strconv.FormatBool(have.AllowRollup), strconv.FormatBool(want.AllowRollup)},
		{"allow_atomic (from server 2.12 on)", strconv.FormatBool(have.AllowAtomicPublish), strconv.FormatBool(want.AllowAtomicPublish)},
		{"no_ack", strconv.FormatBool(have.NoAck), strconv.FormatBool(want.NoAck)},
		{"sealed", strconv.FormatBool(have.Sealed), strconv.FormatBool(want.Sealed)},
	} {
		if f.have != f.want {
			return &ConfigError{Stream: want.Name, Field: f.name, Have: f.have, Want: f.want}
		}
	}
	return nil
}

func records(limit int64) string {
	if limit <= 0 {
		return "unlimited"
	}
	return strconv.FormatInt(limit, 10)
}

// ensure creates the stream, or verifies that it is as wanted.
func (l *link) ensure(ctx context.Context, o *Options, n names) (jetstream.Stream, error) {
	want := o.config(n)
	for {
		s, err := l.js.Stream(ctx, n.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = l.js.CreateStream(ctx, want)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) && ctx.Err() == nil {
				continue // somebody created it meanwhile
			}
		}
		if err != nil {
			return nil, l.explain("opening stream "+n.stream, err)
		}
		difference := differs(&s.CachedInfo().Config, &want)
		switch {
		case difference == nil:
			return s, nil
		case !o.Update:
			return nil, difference
		}
		if s, err = l.js.UpdateStream(ctx, want); err != nil {
			return nil, l.explain("changing stream "+n.stream, err)
		}
		return s, nil
	}
}

// last is the last message on a subject; ok is false if there is none. The
// leader of the stream answers.
func (l *link) last(ctx context.Context, s jetstream.Stream, subject string) (m *jetstream.RawStreamMsg, ok bool, err error) {
	m, err = s.GetLastMsgForSubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, l.explain("reading "+subject, err)
	}
	return m, true, nil
}

// retained is how many messages a subject has.
func (l *link) retained(ctx context.Context, s jetstream.Stream, subject string) (uint64, error) {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, l.explain("counting "+subject, err)
	}
	return info.State.Subjects[subject], nil
}

const (
	// tailIdle is after how long the servers forget a consumer whose reader
	// has gone without saying so.
	tailIdle = 30 * time.Second
	// tailExpiry is how long one request for messages waits at a server.
	tailExpiry = 10 * time.Second
	// tailHeartbeat is how often a server says that it is still there; a tail
	// that misses two looks for another.
	tailHeartbeat = 2 * time.Second
)

// tail reads a subject in order.
type tail struct {
	stream   jetstream.Stream
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
}

// tail reads from sequence start on, headers alone if wanted.
func (l *link) tail(ctx context.Context, s jetstream.Stream, subject string, start uint64, headersOnly bool) (*tail, error) {
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects:    []string{subject},
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(start, 1),
		HeadersOnly:       headersOnly,
		InactiveThreshold: tailIdle,
		// Once, because the client would not look at ctx between attempts:
		// who follows a chain makes a new tail.
		MaxResetAttempts: 1,
	})
	if err != nil {
		return nil, l.explain("reading "+subject, err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(tailExpiry), jetstream.PullHeartbeat(tailHeartbeat))
	if err != nil {
		return nil, l.explain("reading "+subject, err)
	}
	return &tail{stream: s, consumer: consumer, messages: messages}, nil
}

func (t *tail) close(timeout time.Duration) {
	t.messages.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// If the servers cannot be told they forget the consumer by themselves.
	_ = t.stream.DeleteConsumer(ctx, t.consumer.CachedInfo().Name)
}
