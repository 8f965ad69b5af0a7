package mail_test

import (
	"encoding/base64"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// smtpServer takes mails, as an SMTP server does that offers nothing beside.
type smtpServer struct {
	t    *testing.T
	addr string
	took chan taken

	logins atomic.Int32 // that were tried, with the password p@ss

	mu    sync.Mutex
	turns []func(*textproto.Conn) bool // what happens to the next mails in the place of their being taken
}

// taken is a mail that came.
type taken struct{ from, to, data string }

func newSMTPServer(t *testing.T) *smtpServer {
	t.Helper()
	return serveSMTP(t, func(l net.Listener) net.Listener { return l })
}

// serveSMTP serves on what becomes of a listener.
func serveSMTP(t *testing.T, on func(net.Listener) net.Listener) *smtpServer {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = on(l)
	s := &smtpServer{t: t, addr: l.Addr().String(), took: make(chan taken, 100)}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { s.talk(textproto.NewConn(conn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return s
}

// next says what becomes of the next mail whose data came: false ends the connection without a word.
func (s *smtpServer) next(do func(*textproto.Conn) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = append(s.turns, do)
}

func (s *smtpServer) turn() func(*textproto.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.turns) == 0 {
		return func(c *textproto.Conn) bool { return c.PrintfLine("250 taken") == nil }
	}
	do := s.turns[0]
	s.turns = s.turns[1:]
	return do
}

func (s *smtpServer) talk(c *textproto.Conn) {
	defer func() { _ = c.Close() }() // the client may have
	var mail taken
	answer := "220 test"
	for {
		if c.PrintfLine("%s", answer) != nil {
			return
		}
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		answer = "250 ok"
		switch verb, rest, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO":
			if c.PrintfLine("250-test") != nil {
				return
			}
			answer = "250 AUTH PLAIN"
		case "AUTH":
			if answer = "235 welcome"; rest != "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00user\x00p@ss")) {
				answer = "535 no"
			}
			s.logins.Add(1)
		case "MAIL":
			mail = taken{from: rest}
		case "RCPT":
			mail.to += rest
		case "DATA":
			if c.PrintfLine("354 go on") != nil {
				return
			}
			data, err := c.ReadDotBytes()
			if err != nil {
				return
			}
			mail.data = string(data)
			s.took <- mail
			if !s.turn()(c) {
				return
			}
			line, err := c.ReadLine() // the answer was given
			if err != nil || strings.HasPrefix(line, "QUIT") {
				return
			}
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		}
	}
}

// await is the next mail.
func (s *smtpServer) await() taken {
	s.t.Helper()
	select {
	case m := <-s.took:
		return m
	case <-time.After(30 * time.Second):
		s.t.Fatal("no mail came")
		return taken{}
	}
}
