package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// FuzzAnswer: reading an answer by hand gives what the JSON package gives.
func FuzzAnswer(f *testing.F) {
	known := `{"stream":"log@n1", "seq":`
	for _, s := range []string{
		known + "17}", known + "0}", known + "18446744073709551616}", known + "1", known + "17,\"duplicate\": true}", known + "}",
		known + "-1}", known + "+1}", known + "017}", known + " 17}", known + "17 }", known + "99999999999999999999}", known + "1}}",
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"log@n1","seq":0}`,
		"", "null", "{}", `{"type":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &nats.Msg{Subject: "_INBOX.x.z", Data: data}
		quick := pipe{inbox: "_INBOX.x", known: []byte(known)}
		slow := pipe{inbox: "_INBOX.x"}
		a, aok := quick.parse(m)
		b, bok := slow.parse(m)
		require.True(t, aok)
		require.True(t, bok)
		require.EqualValues(t, 35, a.token)
		require.Equal(t, b, a)
	})
}

func TestOnlyAnswersToOurOwnAreTaken(t *testing.T) {
	p := pipe{inbox: "_INBOX.x"}
	for _, subject := range []string{"_INBOX.x", "_INBOX.x.", "_INBOX.x.?", "", "_INBOX.x.a.b"} {
		_, ok := p.parse(&nats.Msg{Subject: subject})
		require.False(t, ok, subject)
	}
	a, ok := p.parse(&nats.Msg{Subject: "_INBOX.x.1", Header: nats.Header{"Status": {"503"}}})
	require.True(t, ok)
	require.Equal(t, answer{token: 1, err: errNoResponders}, a)
}
