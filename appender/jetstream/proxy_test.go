package jetstream

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a client and a server, and misbehaves as networks do.
type proxy struct {
	tb       testing.TB
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu     sync.Mutex
	pairs  map[net.Conn]net.Conn // by the client's side
	held   map[net.Conn][]byte   // what clients said while hold was set
	apart  map[net.Conn]bool     // servers' sides that were stranded
	refuse bool                  // new connections are closed at once
	deaf   bool                  // what servers say is lost
	hold   bool                  // what clients say is kept
	mangle map[string]string     // what clients say is changed, in equal lengths
	closed bool
}

func startProxy(tb testing.TB, serverURL string) *proxy {
	u, err := url.Parse(serverURL)
	require.NoError(tb, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p := &proxy{tb: tb, listener: l, target: u.Host,
		pairs: map[net.Conn]net.Conn{}, held: map[net.Conn][]byte{}, apart: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

func (p *proxy) URL() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) close() {
	p.set(func() { p.closed = true })
	_ = p.listener.Close()
	p.cut()
	p.wg.Wait()
}

// set changes how the proxy behaves.
func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if !p.hold {
		for client, said := range p.held {
			_, _ = p.pairs[client].Write(said) // the copier sees the error
			delete(p.held, client)
		}
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, server := range p.pairs {
		_, _ = client.Close(), server.Close()
	}
	if p.closed {
		for server := range p.apart {
			_ = server.Close()
		}
	}
}

// stranded are connections whose client has gone, and what it said last.
type stranded struct {
	p       *proxy
	servers []net.Conn
	said    [][]byte
}

// strand breaks every connection for the client. What it said while hold was
// set is kept, and reaches the server when it is released.
func (p *proxy) strand() *stranded {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &stranded{p: p}
	for client, server := range p.pairs {
		s.servers = append(s.servers, server)
		s.said = append(s.said, p.held[client])
		p.apart[server] = true
		_ = client.Close()
	}
	clear(p.pairs)
	clear(p.held)
	return s
}

func (s *stranded) release() {
	for i, server := range s.servers {
		_, err := server.Write(s.said[i])
		require.NoError(s.p.tb, err)
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.refuse || p.closed
		p.mu.Unlock()
		if refuse {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.pairs[client] = server
		p.mu.Unlock()
		p.wg.Go(func() { p.fromClient(client, server) })
		p.wg.Go(func() { p.fromServer(client, server) })
	}
}

// fromClient carries what the client says, until it goes.
func (p *proxy) fromClient(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		p.mu.Lock()
		said := buf[:n]
		for old, replacement := range p.mangle {
			said = bytes.ReplaceAll(said, []byte(old), []byte(replacement))
		}
		switch {
		case p.apart[server]:
			p.mu.Unlock()
			return
		case err != nil:
			delete(p.pairs, client)
			delete(p.held, client)
			p.mu.Unlock()
			_, _ = client.Close(), server.Close()
			return
		case p.hold:
			p.held[client] = append(p.held[client], said...)
		default:
			_, _ = server.Write(said) // a server that has gone is seen by the other side
		}
		p.mu.Unlock()
	}
}

// fromServer carries what the server says, until it goes.
func (p *proxy) fromServer(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		p.mu.Lock()
		deaf, apart := p.deaf, p.apart[server]
		p.mu.Unlock()
		if err != nil {
			_, _ = client.Close(), server.Close()
			return
		}
		if !deaf && !apart {
			_, _ = client.Write(buf[:n]) // a client that has gone is seen by the other side
		}
	}
}
