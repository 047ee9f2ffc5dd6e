package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errors of one publish, or of the wait for its acknowledgement.
var (
	errCut          = errors.New("the connection broke")
	errTimeout      = errors.New("no answer in time")
	errNoResponders = errors.New("no server has the stream at the moment")
	errBadAck       = errors.New("the server's answer makes no sense")
)

// pipe publishes messages and collects the acknowledgements, as the client
// package's PublishMsgAsync does, but what it does is one call's: there is one
// timer for all, nothing outlives the call, no message is sent again behind its
// back, and a cut connection is seen at once.
//
// It is used by one call at a time.
type pipe struct {
	conn   *nats.Conn
	sub    *nats.Subscription
	acks   chan *nats.Msg
	status chan nats.Status

	inbox string // replies go to <inbox>.<token>
	next  uint64 // the next token; tokens are never used twice
	known []byte // what acknowledgements begin with, up to the sequence
	out   nats.Msg
	text  []byte // where the reply subject is composed
}

// newPipe subscribes to acknowledgements. late is how many may come in while
// nobody waits for them.
func newPipe(conn *nats.Conn, late int) (*pipe, error) {
	p := &pipe{conn: conn, acks: make(chan *nats.Msg, late), inbox: conn.NewInbox(), next: 1}
	sub, err := conn.ChanSubscribe(p.inbox+".*", p.acks)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	p.sub = sub
	p.status = conn.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	return p, nil
}

// close ends the subscription.
func (p *pipe) close() {
	_ = p.sub.Unsubscribe() // fails if the connection is gone, and the subscription with it
	p.conn.RemoveStatusListener(p.status)
}

// reset forgets what came in while nobody waited, and reports whether a server
// is connected.
func (p *pipe) reset() bool {
	for {
		select {
		case <-p.acks:
			continue
		case _, ok := <-p.status:
			if ok {
				continue
			}
		default:
		}
		return p.conn.IsConnected()
	}
}

// send publishes a message and returns the token that its answer will have. The
// message is copied. An error means that it was not sent.
func (p *pipe) send(subject string, h nats.Header, body []byte) (token uint64, err error) {
	token = p.next
	p.next++
	p.text = append(append(p.text[:0], p.inbox...), '.')
	p.text = strconv.AppendUint(p.text, token, 36)
	p.out = nats.Msg{Subject: subject, Reply: string(p.text), Header: h, Data: body}
	switch err = p.conn.PublishMsg(&p.out); {
	case err == nil:
		return token, nil
	case errors.Is(err, nats.ErrMaxPayload):
		return 0, ErrTooLarge
	default:
		return 0, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
}

// answer is what the server said to one publish.
type answer struct {
	token     uint64
	seq       uint64 // of the stored message, if err is nil
	duplicate bool   // it was stored before
	err       error  // a *jetstream.APIError, errNoResponders or errBadAck
}

// wait returns the next answer. An error says that none will come: the call is
// over, or the connection is.
func (p *pipe) wait(c *call) (answer, error) {
	for {
		select {
		case m := <-p.acks:
			if a, ok := p.parse(m); ok {
				return a, nil
			}
			continue
		default:
		}
		if err := c.over(); err != nil {
			return answer{}, err
		}
		select {
		case m := <-p.acks:
			if a, ok := p.parse(m); ok {
				return a, nil
			}
		case s, ok := <-p.status:
			if !ok || s != nats.CONNECTED {
				return answer{}, errCut
			}
		case <-c.ctx.Done():
		case <-c.expired:
			c.err = errTimeout
		case <-c.closed:
		}
	}
}

// awaitConnection waits until a server is connected.
func (p *pipe) awaitConnection(c *call) error {
	for !p.conn.IsConnected() {
		if err := c.over(); err != nil {
			return err
		}
		select {
		case _, ok := <-p.status:
			if !ok {
				return ErrNotConnected
			}
		case <-c.ctx.Done():
		case <-c.expired:
			c.err = errTimeout
		case <-c.closed:
		}
	}
	return nil
}

// parse reads an answer; ok is false for what is none. Nearly every answer is
// {"stream":"log@n1", "seq":17}, and reading that by hand is worth it: the JSON
// package takes as long as the server does.
func (p *pipe) parse(m *nats.Msg) (a answer, ok bool) {
	if len(m.Subject) <= len(p.inbox)+1 {
		return a, false
	}
	token, err := strconv.ParseUint(m.Subject[len(p.inbox)+1:], 36, 64)
	if err != nil {
		return a, false
	}
	a.token = token
	if rest, found := bytes.CutPrefix(m.Data, p.known); found && len(p.known) > 0 {
		if digits, found := bytes.CutSuffix(rest, []byte("}")); found {
			if seq, ok := parseDigits(digits); ok {
				a.seq = seq
				return a, true
			}
		}
	}
	if len(m.Data) == 0 && value(m.Header, "Status") == "503" {
		a.err = errNoResponders
		return a, true
	}
	var ack struct {
		Error     *jetstream.APIError `json:"error"`
		Stream    string              `json:"stream"`
		Seq       uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		a.err = fmt.Errorf("%w: %.60q", errBadAck, m.Data)
	case ack.Error != nil:
		a.err = ack.Error
	case ack.Stream == "" || ack.Seq == 0:
		a.err = fmt.Errorf("%w: %.60q", errBadAck, m.Data)
	default:
		a.seq, a.duplicate = ack.Seq, ack.Duplicate
		p.learn(m.Data, ack.Seq)
	}
	return a, true
}

// learn remembers what answers begin with.
func (p *pipe) learn(data []byte, seq uint64) {
	end := append(strconv.AppendUint(nil, seq, 10), '}')
	if head, ok := bytes.CutSuffix(data, end); ok && bytes.HasSuffix(head, []byte(`"seq":`)) {
		p.known = bytes.Clone(head)
	}
}

// parseDigits reads a positive number without leading zeros, of which 19 digits
// always fit.
func parseDigits(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
