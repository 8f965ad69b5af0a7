package listener_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// cutter is a proxy between the listener and Postgres, and cuts a connection where it is told to.
type cutter struct {
	to, url string

	// loseAnswer cuts a connection when the server answers a COMMIT: it has happened, and nobody hears of it.
	loseAnswer atomic.Bool
	// loseRequest cuts a connection that has sent the words "cut me", before its next request reaches the server.
	loseRequest atomic.Bool
	cuts        atomic.Int32
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{to: u.Host}
	u.Host = l.Addr().String()
	p.url = u.String()
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { p.join(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return p
}

// join passes on what both say until one of them leaves.
func (p *cutter) join(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	cut := func() {
		_ = client.Close()
		_ = server.Close()
	}
	var marked atomic.Bool
	var both sync.WaitGroup
	both.Go(func() {
		defer cut()
		pass(server, client, func(data []byte) bool {
			if marked.Load() && p.loseRequest.CompareAndSwap(true, false) {
				p.cuts.Add(1)
				return false
			}
			if bytes.Contains(data, []byte("cut me")) {
				marked.Store(true)
			}
			return true
		})
	})
	both.Go(func() {
		defer cut()
		pass(client, server, func(data []byte) bool {
			if bytes.Contains(data, []byte("COMMIT\x00")) && p.loseAnswer.CompareAndSwap(true, false) {
				p.cuts.Add(1)
				return false
			}
			return true
		})
	})
	both.Wait()
}

func pass(to io.Writer, from io.Reader, may func(data []byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !may(buffer[:n]) {
			return
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// A COMMIT whose answer is lost has happened or not; either way the hook takes effect once, and the listener finds out which.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempt int // whose COMMIT is lost
		arm     func(*cutter)
		failed  int
		rows    []string
	}{
		"the answer":                 {1, func(p *cutter) { p.loseAnswer.Store(true) }, 0, nil},
		"the request":                {1, func(p *cutter) { p.loseRequest.Store(true) }, 1, []string{"h 1 done 2"}},
		"the answer to another try":  {2, func(p *cutter) { p.loseAnswer.Store(true) }, 1, []string{"h 1 done 2"}},
		"the request of another try": {2, func(p *cutter) { p.loseRequest.Store(true) }, 2, []string{"h 1 done 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			p := newCutter(t, r.url)
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if ev.Key == "a" && ev.Attempt < c.attempt {
					return errNo
				}
				if err := leave(ctx, tx, "h", ev); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `select $1::text`, "cut me"); err != nil {
					return err
				}
				if ev.Key == "a" && ev.Attempt == c.attempt {
					c.arm(p)
				}
				return nil
			})
			n := r.start(with(func(cfg *listener.Config) { cfg.DatabaseURL, cfg.ReplicationURL = p.url, r.url }))
			r.roles("a")
			n.catchUp()
			r.seen.awaitDone("h", 1)
			r.roles("b") // goes the ordinary way
			n.catchUp()
			r.seen.awaitDone("h", 2)
			r.seen.require("h", 2, c.failed)
			n.stop()
			r.requireDeliveries(c.rows...)
			if got := p.cuts.Load(); got != 1 {
				t.Fatalf("the proxy has cut %d connections, want 1", got)
			}
			r.requireEffects("h", "a", "b")
		})
	}
}
