package embedded

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// account is the one that clients without credentials are in.
const account = "$G"

// clusterTimeout bounds how long servers may take to agree on a leader.
const clusterTimeout = 30 * time.Second

// portAttempts is how often a cluster is started on other ports when one that
// was free a moment ago is taken.
const portAttempts = 3

// Cluster is several servers in this process that replicate to each other: for
// tests, because what kills one process kills them all. Its methods are safe
// for concurrent use.
type Cluster struct {
	options []*server.Options // by index

	mu      sync.Mutex
	servers []*Server // nil where stopped
}

// StartCluster runs n servers, each in a directory of its own under o.Dir, and
// waits until they have a leader; o.Port is ignored. For streams with three
// replicas n is at least 3.
func StartCluster(n int, o Options) (*Cluster, error) {
	if n < 2 {
		return nil, fmt.Errorf("embedded: a cluster of %d", n)
	}
	var err error
	for range portAttempts {
		var c *Cluster
		if c, err = startCluster(n, o); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func startCluster(n int, o Options) (*Cluster, error) {
	if o.Dir == "" {
		return nil, errors.New("embedded: no directory was given to keep streams in")
	}
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	var routes []*url.URL
	for _, port := range ports[n:] {
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(host, strconv.Itoa(port))})
	}
	c := &Cluster{servers: make([]*Server, n)}
	for i := range n {
		so := o.server()
		so.Port = ports[i]
		so.ServerName = "n" + strconv.Itoa(i)
		so.StoreDir = filepath.Join(o.Dir, so.ServerName)
		so.Cluster = server.ClusterOpts{Name: "meshsim", Host: host, Port: ports[n+i]}
		so.Routes = routes
		c.options = append(c.options, so)
	}
	for i := range n {
		if err := c.Start(i); err != nil {
			c.Shutdown()
			return nil, err
		}
	}
	// Streams are placed on the servers that the leader knows of.
	err = c.await("leader of the whole cluster", func(s *Server) bool {
		return s.srv.JetStreamIsLeader() && len(s.srv.JetStreamClusterPeers()) == n
	})
	if err != nil {
		c.Shutdown()
		return nil, err
	}
	return c, nil
}

// freePorts finds ports that nobody listens on. They are let go again, so
// somebody else may take one before it is used.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("embedded: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// URL names all servers, separated by commas, running or not.
func (c *Cluster) URL() string {
	var urls []string
	for _, o := range c.options {
		scheme := "nats"
		if o.TLS {
			scheme = "tls"
		}
		urls = append(urls, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(o.Port)))
	}
	return strings.Join(urls, ",")
}

// Len is the number of servers, running or not.
func (c *Cluster) Len() int { return len(c.options) }

// Server is the i-th server, or nil while it is stopped.
func (c *Cluster) Server(i int) *Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[i]
}

// Start runs the i-th server, again if it was stopped, with the ports and the
// directory that it had. It is without effect while the server runs. The
// server may still be catching up when Start returns.
func (c *Cluster) Start(i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.servers[i] != nil {
		return nil
	}
	// The server keeps its options and changes them.
	s, err := start(c.options[i].Clone())
	if err != nil {
		return err
	}
	c.servers[i] = s
	return nil
}

// Stop stops the i-th server, if it runs, and waits for its end.
func (c *Cluster) Stop(i int) {
	c.mu.Lock()
	s := c.servers[i]
	c.servers[i] = nil
	c.mu.Unlock()
	if s != nil {
		s.Shutdown()
	}
}

// Leader is the index of the server that leads the stream, or -1.
func (c *Cluster) Leader(stream string) int {
	for i := range c.options {
		if s := c.Server(i); s != nil && s.srv.JetStreamIsStreamLeader(account, stream) {
			return i
		}
	}
	return -1
}

// StopLeader stops the server that leads the stream and returns its index, or
// -1 if none does.
func (c *Cluster) StopLeader(stream string) int {
	i := c.Leader(stream)
	if i >= 0 {
		c.Stop(i)
	}
	return i
}

// AwaitLeader waits until a server leads the stream.
func (c *Cluster) AwaitLeader(stream string) error {
	return c.await("leader of stream "+stream, func(s *Server) bool {
		return s.srv.JetStreamIsStreamLeader(account, stream)
	})
}

// AwaitCurrent waits until every server that runs has caught up with the stream.
func (c *Cluster) AwaitCurrent(stream string) error {
	deadline := time.Now().Add(clusterTimeout)
	for i := range c.options {
		for {
			s := c.Server(i)
			if s == nil || s.srv.JetStreamIsStreamCurrent(account, stream) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("embedded: server %d does not catch up with stream %s", i, stream)
			}
			time.Sleep(pollInterval)
		}
	}
	return nil
}

const pollInterval = 5 * time.Millisecond

// await waits until one server is as wanted.
func (c *Cluster) await(what string, is func(*Server) bool) error {
	for deadline := time.Now().Add(clusterTimeout); time.Now().Before(deadline); time.Sleep(pollInterval) {
		for i := range c.options {
			if s := c.Server(i); s != nil && is(s) {
				return nil
			}
		}
	}
	return fmt.Errorf("embedded: no %s", what)
}

// Shutdown stops all servers. It may be called again.
func (c *Cluster) Shutdown() {
	for i := range c.options {
		c.Stop(i)
	}
}
