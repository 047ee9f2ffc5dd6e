package embedded

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// Options say what kind of server to run.
type Options struct {
	// Dir is where streams are kept; it is created (0700). It must not be empty.
	Dir string
	// Port to listen on at 127.0.0.1; 0 means any free one.
	Port int
	// SyncAlways makes the server sync every message before it acknowledges.
	SyncAlways bool
	// SyncInterval is how often files are synced otherwise; 0 means 1 s.
	SyncInterval time.Duration
}

// Server is a NATS server in this process.
type Server struct{}

// Start runs a server with JetStream.
func Start(o Options) (*Server, error) { return nil, errors.New("embedded: not yet") }

// URL is where clients connect: nats://127.0.0.1:port.
func (s *Server) URL() string { return "" }

// Connect makes a connection that does not go through the network.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) { return nil, nil }

// Shutdown stops the server and waits for its end. It may be called again.
func (s *Server) Shutdown() {}

// Cluster is several servers that replicate to each other.
type Cluster struct{}

// StartCluster runs n servers (for tests: 3), each in its own directory under
// o.Dir; o.Port is ignored.
func StartCluster(n int, o Options) (*Cluster, error) { return nil, errors.New("embedded: not yet") }

// URL names all servers, separated by commas.
func (c *Cluster) URL() string { return "" }

// Shutdown stops all servers.
func (c *Cluster) Shutdown() {}
