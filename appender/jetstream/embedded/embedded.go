package embedded

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const host = "127.0.0.1"

// startTimeout bounds how long a server may take to listen. It takes a few
// milliseconds; a directory with much to recover takes longer.
const startTimeout = 30 * time.Second

// ErrDirInUse: another server of this kind, here or in another process, keeps
// its streams in the same directory.
var ErrDirInUse = errors.New("embedded: directory is in use by another server")

// Options say what kind of server to run.
type Options struct {
	// Dir is where streams are kept; it is created (0700). It must not be empty.
	Dir string
	// Port to listen on at 127.0.0.1; 0 means any free one.
	Port int
	// SyncAlways makes the server sync every message before it acknowledges
	// it: an acknowledged record survives a power failure. A batch gains
	// nothing by it, because the server syncs message by message: measured, 60
	// to 95 times the cost of a record.
	SyncAlways bool
	// SyncInterval is how often files are synced otherwise, and so how much a
	// power failure may take back of what was acknowledged; 0 means 1 s. (A
	// NATS server's own default is 2 minutes, which suits replicas that do not
	// share a power supply; this one is usually alone.) The death of the
	// process alone takes nothing back.
	SyncInterval time.Duration
	// MaxPayload is the largest message taken, in bytes with its headers; 0
	// means the server's own default of 1 MiB.
	MaxPayload int
	// User and Password are asked of clients, if set.
	User, Password string
	// TLS is asked of clients, if set.
	TLS *tls.Config
}

// Server is a NATS server with JetStream in this process. Its methods are safe
// for concurrent use.
type Server struct {
	srv      *server.Server
	lock     io.Closer
	shutdown sync.Once
}

// Start runs a server on 127.0.0.1. It logs nothing and handles no signal. It
// costs a few milliseconds and some twenty goroutines, which Shutdown ends.
func Start(o Options) (*Server, error) {
	so := o.server()
	if o.Port == 0 {
		so.Port = server.RANDOM_PORT
	}
	return start(so)
}

// server translates the options.
func (o Options) server() *server.Options {
	so := &server.Options{
		Host:                   host,
		Port:                   o.Port,
		JetStream:              true,
		StoreDir:               o.Dir,
		SyncAlways:             o.SyncAlways,
		SyncInterval:           o.SyncInterval,
		MaxPayload:             int32(o.MaxPayload),
		Username:               o.User,
		Password:               o.Password,
		TLSConfig:              o.TLS,
		TLS:                    o.TLS != nil,
		NoLog:                  true,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
	}
	if o.TLS != nil {
		so.TLSTimeout = 5
	}
	if so.SyncInterval == 0 {
		so.SyncInterval = time.Second
	}
	return so
}

func start(so *server.Options) (*Server, error) {
	if so.StoreDir == "" {
		return nil, errors.New("embedded: no directory was given to keep streams in")
	}
	if err := os.MkdirAll(so.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	// NATS itself keeps no other server out of a directory: two of them in one
	// destroy each other's streams. The lock goes when the process dies.
	lock := flock.New(filepath.Join(so.StoreDir, "meshsim.lock"), flock.SetPermissions(0o600))
	switch taken, err := lock.TryLock(); {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("embedded: locking %s: %w", lock.Path(), err), lock.Close())
	case !taken:
		return nil, errors.Join(fmt.Errorf("%w (%s)", ErrDirInUse, so.StoreDir), lock.Close())
	}
	srv, err := server.NewServer(so)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: %w", err), lock.Close())
	}
	s := &Server{srv: srv, lock: lock}
	var log complaints
	srv.SetLogger(&log, false, false)
	srv.Start()
	switch {
	case !listens(srv, &log):
		err = errors.New("embedded: the server does not listen")
	case !srv.JetStreamEnabled():
		err = errors.New("embedded: the server runs without JetStream")
	default:
		return s, nil
	}
	s.Shutdown()
	if why := log.Err(); why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return nil, err
}

// listens waits until the server does, or has given up.
func listens(srv *server.Server, log *complaints) bool {
	const step = 50 * time.Millisecond
	for range startTimeout / step {
		if srv.ReadyForConnections(step) {
			return true
		}
		if log.fatal() {
			return false
		}
	}
	return false
}

// URL is where clients connect: nats://127.0.0.1:port, or tls:// with TLS.
func (s *Server) URL() string { return s.srv.ClientURL() }

// Connect makes a connection that does not go through the network. It has no
// reconnect buffer, as the appender needs it.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{nats.InProcessServer(s.srv), nats.ReconnectBufSize(-1)}, opts...)
	conn, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	return conn, nil
}

// Shutdown stops the server, waits for its end and gives its directory free.
// Streams stay on disk. It may be called again.
func (s *Server) Shutdown() {
	s.shutdown.Do(func() {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
		_ = s.lock.Close() // an advisory lock: its file descriptor is all there is to it
	})
}

// complaints keeps the last errors that a server logs, for the message of a
// start that fails.
type complaints struct {
	mu     sync.Mutex
	last   []string
	gaveUp bool // the server would have ended its process
}

const complaintsMax = 4

func (c *complaints) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.last) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.last, "; "))
}

func (c *complaints) add(format string, v ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.last) == complaintsMax {
		c.last = c.last[1:]
	}
	c.last = append(c.last, fmt.Sprintf(format, v...))
}

func (c *complaints) Errorf(format string, v ...any) { c.add(format, v...) }
func (c *complaints) Fatalf(format string, v ...any) {
	c.add(format, v...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaveUp = true
}

func (c *complaints) fatal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gaveUp
}

func (*complaints) Noticef(string, ...any) {}
func (*complaints) Warnf(string, ...any)   {}
func (*complaints) Debugf(string, ...any)  {}
func (*complaints) Tracef(string, ...any)  {}
