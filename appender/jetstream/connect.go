package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reconnectWait is how long the client waits before it tries the same server
// again. A little more is drawn by the client itself, so that a fleet does not
// come back as one.
const reconnectWait = 50 * time.Millisecond

// link is a connection to the servers.
type link struct {
	conn  *nats.Conn
	js    jetstream.JetStream
	own   bool // we made conn
	names string
	// complaint is the last error that the client reported on its own, such as
	// a permission that is missing: the request itself then just times out.
	complaint atomic.Pointer[error]
}

// dial connects as o says, within o.Timeout and ctx's deadline.
func dial(ctx context.Context, o *Options) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &link{conn: o.Conn, names: o.server()}
	if l.conn == nil {
		timeout := o.Timeout
		// A deadline that is past while ctx has not ended is one of another clock,
		// such as a simulation's.
		if deadline, ok := ctx.Deadline(); ok {
			if left := time.Until(deadline); left > 0 {
				timeout = min(timeout, left)
			}
		}
		conn, err := nats.Connect(o.URL, append(o.credentials(),
			nats.Name("meshsim"),
			nats.Timeout(timeout),
			// What is sent while no server is connected must fail, not wait
			// for a server to come: it would be stored after it was reported
			// as failed.
			nats.ReconnectBufSize(-1),
			nats.MaxReconnects(-1),
			nats.ReconnectWait(reconnectWait),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.complaint.Store(&err) }),
		)...)
		if err != nil {
			return nil, o.refused(err)
		}
		l.conn, l.own = conn, true
	} else if l.conn.Opts.ReconnectBufSize >= 0 {
		return nil, errors.New("jetstream: Options.Conn has a reconnect buffer, out of which a failed record would be stored later: make it with nats.ReconnectBufSize(-1)")
	}
	js, err := jetstream.New(l.conn, jetstream.WithDefaultTimeout(o.Timeout))
	if err != nil {
		l.close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	l.js = js
	return l, nil
}

func (l *link) close() {
	if l.own {
		l.conn.Close()
	}
}

// credentials are the options that say who we are, and whom we trust.
func (o *Options) credentials() []nats.Option {
	var opts []nats.Option
	if o.Creds != "" {
		opts = append(opts, nats.UserCredentials(o.Creds))
	}
	if o.NKey != "" {
		opts = append(opts, func(no *nats.Options) error {
			key, err := nats.NkeyOptionFromSeed(o.NKey)
			if err != nil {
				return err
			}
			return key(no)
		})
	}
	if o.User != "" {
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		opts = append(opts, nats.Token(o.Token))
	}
	if o.CA != "" {
		opts = append(opts, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		opts = append(opts, nats.ClientCert(o.Cert, o.Key))
	}
	return opts
}

// server is how messages name the servers: without passwords.
func (o *Options) server() string {
	if o.Conn != nil {
		return o.Conn.ConnectedUrlRedacted()
	}
	var names []string
	for name := range strings.SplitSeq(o.URL, ",") {
		name = strings.TrimSpace(name)
		if u, err := url.Parse(name); err == nil {
			name = u.Redacted()
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// refused says why there is no connection, and what to do.
func (o *Options) refused(err error) error {
	hint := ""
	switch {
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		hint = ": no server answers there; start one with nats-server -js, or give another URL"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		hint = ": the server does not know these credentials"
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		hint = ": one side wants TLS and the other does not; write tls:// and give CA, or nats://"
	case strings.Contains(err.Error(), "x509: "):
		hint = ": the server's certificate is not trusted; give the authority that signed it as CA"
	}
	return fmt.Errorf("jetstream: %s%s: %w", o.server(), hint, err)
}

// explain makes an answer of the JetStream API one that says what to do.
func (l *link) explain(doing string, err error) error {
	hint := ""
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		hint = " (the server runs without JetStream, or has no leader at the moment: start it with -js)"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		hint = " (JetStream is not enabled for this account)"
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting):
		err = fmt.Errorf("%w: %w", ErrNotConnected, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		if c := l.complaint.Load(); c != nil && errors.Is(*c, nats.ErrPermissionViolation) {
			return fmt.Errorf("jetstream: %s at %s (grant what is missing): %w: %w", doing, l.names, *c, err)
		}
	case errors.As(err, &api):
		switch api.ErrorCode {
		case codeSubjectOverlap:
			hint = " (another stream takes these subjects already: choose another Prefix)"
		case codeNoPeers, codeReplicasNotSupported:
			hint = " (there are not as many servers as Replicas asks for)"
		}
	}
	return fmt.Errorf("jetstream: %s at %s%s: %w", doing, l.names, hint, err)
}

// Error codes of the server's that the client package has no name for.
const (
	codeNoPeers              jetstream.ErrorCode = 10005
	codeReplicasNotSupported jetstream.ErrorCode = 10074
	codeSubjectOverlap       jetstream.ErrorCode = 10065
	codeHeaderTooLarge       jetstream.ErrorCode = 10097
	codeSealed               jetstream.ErrorCode = 10109
)
