package jetstream

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/jetstream/embedded"
)

const (
	benchBatch   = 128
	benchMessage = 200
	benchRecords = 4096
)

// plain is the client as anybody would use it for the same: messages with ids,
// into a stream that keeps as many.
type plain struct {
	js  jetstream.JetStream
	seq uint64
}

func newPlain(tb testing.TB, url string, replicas int) *plain {
	conn, err := nats.Connect(url)
	require.NoError(tb, err)
	tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(2*benchBatch), jetstream.WithPublishAsyncTimeout(5*time.Second))
	require.NoError(tb, err)
	_, err = js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "plain", Subjects: []string{"plain.n1"}, MaxMsgs: benchRecords, Replicas: replicas})
	require.NoError(tb, err)
	return &plain{js: js}
}

func (p *plain) message(body []byte) *nats.Msg {
	p.seq++
	return &nats.Msg{
		Subject: "plain.n1",
		Header:  nats.Header{nats.MsgIdHdr: {"n1/1/0/" + strconv.FormatUint(p.seq, 10)}},
		Data:    body,
	}
}

func (p *plain) batch(tb testing.TB, body []byte) {
	futures := make([]jetstream.PubAckFuture, benchBatch)
	for i := range futures {
		f, err := p.js.PublishMsgAsync(p.message(body))
		require.NoError(tb, err)
		futures[i] = f
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			require.NoError(tb, err)
		}
	}
}

func (p *plain) one(tb testing.TB, body []byte) {
	_, err := p.js.PublishMsg(context.Background(), p.message(body))
	require.NoError(tb, err)
}

type ours struct {
	a    *Appender
	recs []appender.Record
	seq  uint64
}

func newOurs(tb testing.TB, url, prefix string, replicas int) *ours {
	a, err := Open(context.Background(), appender.Env{Node: "n1", Incarnation: 1, Epoch: 1}, Options{URL: url, MaxRecords: benchRecords, Replicas: replicas, Prefix: prefix})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, a.Close()) })
	return &ours{a: a, recs: make([]appender.Record, benchBatch)}
}

func (o *ours) record(message string) appender.Record {
	o.seq++
	return appender.Record{Node: "n1", Incarnation: 1, Seq: o.seq, TimeMs: 1_700_000_000_000 + o.seq, Message: message}
}

func (o *ours) batch(tb testing.TB, message string) {
	for i := range o.recs {
		o.recs[i] = o.record(message)
	}
	_, err := o.a.AppendBatch(context.Background(), o.recs)
	require.NoError(tb, err)
}

func (o *ours) one(tb testing.TB, message string) {
	require.NoError(tb, o.a.Append(context.Background(), o.record(message)))
}

// rivals are both on the same servers. In a cluster both are connected to the
// same server, and one server leads both streams: a record takes as many hops.
func rivals(b *testing.B, servers int) (*ours, *plain) {
	if servers == 1 {
		srv, err := embedded.Start(embedded.Options{Dir: b.TempDir()})
		require.NoError(b, err)
		b.Cleanup(srv.Shutdown)
		return newOurs(b, srv.URL(), "log", 1), newPlain(b, srv.URL(), 1)
	}
	c, err := embedded.StartCluster(servers, embedded.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(c.Shutdown)
	url := c.Server(0).URL()
	p := newPlain(b, url, servers)
	for range 100 {
		o := newOurs(b, url, freshPrefix(), servers)
		if i := c.Leader(o.a.names.stream); i >= 0 && i == c.Leader("plain") {
			return o, p
		}
	}
	b.Fatal("no server leads both streams")
	return nil, nil
}

// BenchmarkAgainstThePlainClient alternates between this appender and the plain
// client on one server, so that both see the same machine, and reports the cost
// of a record for each, and the ratio.
func BenchmarkAgainstThePlainClient(b *testing.B) {
	body := make([]byte, benchMessage)
	for i := range body {
		body[i] = byte('a' + i%26)
	}
	message := string(body)
	for _, bench := range []struct {
		name    string
		servers int
		batch   int
		ours    func(*ours)
		plain   func(*plain)
	}{
		{"batch", 1, benchBatch, func(o *ours) { o.batch(b, message) }, func(p *plain) { p.batch(b, body) }},
		{"single", 1, 1, func(o *ours) { o.one(b, message) }, func(p *plain) { p.one(b, body) }},
		{"replicated", 3, benchBatch, func(o *ours) { o.batch(b, message) }, func(p *plain) { p.batch(b, body) }},
	} {
		b.Run(fmt.Sprintf("%s-%d", bench.name, bench.batch), func(b *testing.B) {
			o, p := rivals(b, bench.servers)
			defer o.a.Close()
			for range benchRecords / bench.batch { // to the limit, where streams live
				bench.ours(o)
				bench.plain(p)
			}
			var took [2]time.Duration
			b.ResetTimer()
			for b.Loop() {
				start := time.Now()
				bench.ours(o)
				between := time.Now()
				bench.plain(p)
				took[0] += between.Sub(start)
				took[1] += time.Since(between)
			}
			n := float64(b.N * bench.batch)
			b.ReportMetric(float64(took[0])/n, "ns/record")
			b.ReportMetric(float64(took[1])/n, "plain-ns/record")
			b.ReportMetric(float64(took[0])/float64(took[1]), "ratio")
		})
	}
}

// BenchmarkOpen is the cost of taking a chain over, from connecting to closing.
func BenchmarkOpen(b *testing.B) {
	srv, err := embedded.Start(embedded.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	defer srv.Shutdown()
	for b.Loop() {
		newOurs(b, srv.URL(), "log", 1).a.Close()
	}
}
