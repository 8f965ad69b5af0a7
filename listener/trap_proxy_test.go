package listener_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a listener and its server and knows where messages begin. It can change what passes, hold it up
// or cut it off.
type proxy struct {
	t       *testing.T
	target  string
	ln      net.Listener
	open    sync.WaitGroup
	forward struct {
		sync.Mutex
		fromClient, fromServer func(kind byte, body []byte) []byte
	}

	mu    sync.Mutex
	gate  chan struct{} // closed while messages pass
	conns map[net.Conn]bool
	ended bool
}

// newProxy returns one, and the connection string that leads through it.
func newProxy(t *testing.T, to string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, target: u.Host, gate: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.gate)
	var config net.ListenConfig
	if p.ln, err = config.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.ln.Addr().String()
	p.open.Go(p.accept)
	t.Cleanup(func() {
		_ = p.ln.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.thaw()
		p.cut()
		p.open.Wait()
	})
	return p, u.String()
}

// onClient and onServer have fn see, and change, each message of a side.
func (p *proxy) onClient(fn func(kind byte, body []byte) []byte) {
	p.forward.Lock()
	defer p.forward.Unlock()
	p.forward.fromClient = fn
}

func (p *proxy) onServer(fn func(kind byte, body []byte) []byte) {
	p.forward.Lock()
	defer p.forward.Unlock()
	p.forward.fromServer = fn
}

// freeze holds all messages up; connections stay.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) pass() {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	<-gate
}

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		if p.ended {
			_, _ = client.Close(), server.Close()
		}
		p.mu.Unlock()
		p.open.Go(func() { p.copy(server, client, true) })
		p.open.Go(func() { p.copy(client, server, false) })
	}
}

func (p *proxy) copy(to, from net.Conn, client bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	in := bufio.NewReader(from)
	untyped := client // the first message of a client has no kind
	for {
		head := make([]byte, 5)
		if untyped {
			head = head[:4]
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		length := head[len(head)-4:]
		body := make([]byte, binary.BigEndian.Uint32(length)-4)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		p.pass()
		if !untyped {
			p.forward.Lock()
			change := p.forward.fromServer
			if client {
				change = p.forward.fromClient
			}
			p.forward.Unlock()
			if change != nil {
				body = change(head[0], body)
			}
		}
		untyped = false
		binary.BigEndian.PutUint32(length, uint32(len(body)+4))
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// The kinds of messages in a stream.
const (
	copyData     = 'd'
	walData      = 'w'
	keepalive    = 'k'
	statusUpdate = 'r'
)

const walHeader = 1 + 8 + 8 + 8
