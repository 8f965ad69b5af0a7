//go:build unix

package listener_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// crashProxy stands between a listener and Postgres, and can make the lines dead and silent: neither what the server says
// nor that it ends them comes through, as behind a firewall that has forgotten them. New lines work.
type crashProxy struct {
	url string

	listen net.Listener
	server string
	wg     sync.WaitGroup

	mu    sync.Mutex
	lines []*proxyLine
	over  bool
}

type proxyLine struct {
	client, server net.Conn
	silent         atomic.Bool
	replication    atomic.Bool // it is the stream's
}

// newCrashProxy makes one that ends with the test.
func newCrashProxy(t *testing.T, database string) *crashProxy {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &crashProxy{server: u.Host}
	if p.listen, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listen.Addr().String()
	p.url = u.String()
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// silence makes the lines that there are dead, or only the stream's.
func (p *crashProxy) silence(onlyStream bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		l.silent.Store(!onlyStream || l.replication.Load())
	}
}

func (p *crashProxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return // it is closed
		}
		server, err := (&net.Dialer{}).Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &proxyLine{client: client, server: server}
		p.mu.Lock()
		p.lines = append(p.lines, l)
		if p.over {
			l.close()
		}
		p.mu.Unlock()
		p.wg.Go(l.toClient)
		p.wg.Go(l.toServer)
	}
}

func (l *proxyLine) toClient() {
	_, _ = io.Copy(l, l.server)
	if !l.silent.Load() {
		_ = l.client.Close()
	}
}

// Write passes on what the server says.
func (l *proxyLine) Write(data []byte) (int, error) {
	if l.silent.Load() {
		return len(data), nil
	}
	return l.client.Write(data)
}

func (l *proxyLine) toServer() {
	startup := make([]byte, 4096) // the first message has the parameters
	n, _ := l.client.Read(startup)
	l.replication.Store(bytes.Contains(startup[:n], []byte("\x00replication\x00")))
	if _, err := l.server.Write(startup[:n]); err == nil {
		_, _ = io.Copy(l.server, l.client)
	}
	_ = l.server.Close()
	_, _ = io.Copy(io.Discard, l.client) // what goes to a dead line is lost
	_ = l.client.Close()
}

func (l *proxyLine) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

func (p *crashProxy) close() {
	_ = p.listen.Close()
	p.mu.Lock()
	p.over = true
	for _, l := range p.lines {
		l.close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
