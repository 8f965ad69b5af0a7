package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// client may dial this machine, where the tests' receivers are.
func client(t *testing.T) *Client {
	t.Helper()
	c := NewClient(mustGuard(t, "127.0.0.0/8", "::1"))
	t.Cleanup(c.Close)
	return c
}

func receiver(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func to(url string) *Request {
	return &Request{URL: url, ID: "msg_1", Secrets: []Secret{NewSecret()}, Body: []byte(`{"a":1}`)}
}

func TestSendSignsAndSends(t *testing.T) {
	t.Parallel()
	type got struct {
		method, host string
		header       http.Header
		body         []byte
	}
	requests := make(chan got, 1)
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- got{r.Method, r.Host, r.Header, body}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "thanks")
	})
	r := to(url + "/hook")
	r.Token = "service-token"
	r.Headers = map[string]string{
		"X-Tenant": "acme", "Authorization": "Basic mine", "webhook-id": "mine", "Webhook-Extra": "mine", "Content-Type": "text/plain", "Host": "mine.example",
		"Content-Length": "1", "Transfer-Encoding": "chunked", "Connection": "close", "X-Bad": "a\r\nb: c", "Expect": "100-continue", "Proxy-Authorization": "mine",
	}
	a := client(t).Send(t.Context(), r)
	if a.Err != nil || a.Code != http.StatusCreated || string(a.Body) != "thanks" || a.Latency <= 0 {
		t.Fatalf("%+v", a)
	}
	g := <-requests
	if g.method != http.MethodPost || !strings.HasPrefix(g.host, "127.0.0.1:") || !bytes.Equal(g.body, r.Body) {
		t.Errorf("%s to %s: %s", g.method, g.host, g.body)
	}
	if err := Verify(g.header, g.body, r.Secrets...); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"X-Tenant": "acme", "Authorization": "Bearer service-token", "Content-Type": "application/json", "Webhook-Id": "msg_1",
		"Webhook-Extra": "", "X-Bad": "", "Connection": "", "Expect": "", "Proxy-Authorization": "", "Accept-Encoding": "", "User-Agent": "Latchkey",
	} {
		if got := g.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSendKeepsConnections(t *testing.T) {
	t.Parallel()
	var from []string
	url := receiver(t, func(_ http.ResponseWriter, r *http.Request) { from = append(from, r.RemoteAddr) })
	c := client(t)
	for range 3 {
		if a := c.Send(t.Context(), to(url)); a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if from[0] != from[1] || from[1] != from[2] {
		t.Errorf("three requests came over %v", from)
	}
}

func TestSendOverTLS(t *testing.T) {
	t.Parallel()
	protocols := make(chan string, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocols <- r.Proto }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	c := client(t)
	if a := c.Send(t.Context(), to(s.URL)); a.Err == nil || a.Code != 0 {
		t.Errorf("a certificate that nobody signed was taken: %+v", a)
	}
	c = client(t)
	c.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	c.transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	if a := c.Send(t.Context(), to(s.URL)); a.Err != nil || <-protocols != "HTTP/2.0" {
		t.Errorf("%+v", a)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("it was followed") })
	for _, code := range []int{300, 301, 302, 303, 307, 308} {
		url := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere)
			w.WriteHeader(code)
		})
		a := client(t).Send(t.Context(), to(url))
		if v := Judge(a, time.Now()); a.Code != code || a.Err != nil || v.Outcome != Retry {
			t.Errorf("%d: %+v, %+v", code, a, v)
		}
	}
}

// It isn't parallel, for the environment is everyone's.
func TestSendTakesNoProxyFromTheEnvironment(t *testing.T) {
	proxy := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	c := NewClient(mustGuard(t, "receiver.example"))
	defer c.Close()
	if c.transport.Proxy != nil {
		t.Error("the transport asks for a proxy")
	}
	if a := c.Send(t.Context(), to("http://receiver.invalid/")); a.Err == nil {
		t.Errorf("%+v", a)
	}
}

func TestSendReadsSoMuch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size int
		cut  bool
	}{{maxAnswer, false}, {maxAnswer + 1, true}, {4 * maxAnswer, true}} {
		url := receiver(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("a"), c.size)) })
		a := client(t).Send(t.Context(), to(url))
		if a.Err != nil || len(a.Body) != min(c.size, maxAnswer) || a.Cut != c.cut {
			t.Errorf("of %d bytes it read %d, cut %v: %v", c.size, len(a.Body), a.Cut, a.Err)
		}
	}
}

func TestSendTimesOut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/half" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the receiver is closed
	c := client(t)
	for path, code := range map[string]int{"/none": 0, "/half": 200} {
		r := to(url + path)
		r.Timeout = 50 * time.Millisecond
		a := c.Send(t.Context(), r)
		if !errors.Is(a.Err, ErrTimeout) || a.Code != code || a.Latency < r.Timeout {
			t.Errorf("%s: %+v", path, a)
		}
		if d := Decide(PreUserUpdate, Deny, a); d.Allowed || d.Fault == nil {
			t.Errorf("%s: it decided %+v", path, d)
		}
		if want := map[bool]Outcome{true: Delivered, false: Retry}[code == 200]; Judge(a, time.Now()).Outcome != want {
			t.Errorf("%s: %+v", path, Judge(a, time.Now()))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := c.Send(ctx, to(url)); !errors.Is(a.Err, context.Canceled) || errors.Is(a.Err, ErrTimeout) {
		t.Errorf("cancelled: %v", a.Err)
	}
}

func TestSendWithoutAnswer(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	broken := receiver(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, r := range map[string]*Request{
		"nobody listens": to(closed), "the connection breaks": to(broken), "a bad scheme": to("ftp://127.0.0.1/"), "no secret": {URL: closed, ID: "msg_1"}, "no id": {URL: closed, Secrets: []Secret{NewSecret()}},
	} {
		a := client(t).Send(t.Context(), r)
		if v := Judge(a, time.Now()); a.Err == nil || a.Code != 0 || v.Outcome != Retry || !v.Down {
			t.Errorf("%s: %+v, %+v", name, a, v)
		}
	}
}

func TestAttemptIsFitToKeep(t *testing.T) {
	t.Parallel()
	r := to("https://receiver.example/?key=query-word")
	r.Token = "token-in-clear"
	r.Headers = map[string]string{"X-Api-Key": "header-in-clear"}
	a := &Answer{Code: 500, Body: []byte("\xff\x00 token-in-clear header-in-clear " + r.Secrets[0].Reveal() + strings.Repeat("ü", 600)), Err: errors.New("bad token-in-clear")}
	a.conceal(r)
	got := a.Attempt()
	if n := utf8.RuneCountInString(got.Body); n != 512 || !utf8.ValidString(got.Body) || strings.ContainsRune(got.Body, 0) {
		t.Errorf("%d characters: %q", n, got.Body)
	}
	if strings.Contains(got.Body+got.Error, "in-clear") || strings.Contains(got.Body, r.Secrets[0].Reveal()[6:20]) || got.Error != "bad ***" {
		t.Errorf("it shows: %+v", got)
	}
	long := &Answer{Body: []byte(strings.Repeat("x", 505) + "token-in-clear")} // the cut would go through it
	long.conceal(r)
	if got := long.Attempt(); strings.Contains(got.Body, "token") {
		t.Errorf("it shows a part: %s", got.Body[500:])
	}
	for _, url := range []string{"http://127.0.0.1:1/?key=query-word", "http://10.0.0.1/?key=query-word"} { // errors name no URL
		if a := client(t).Send(t.Context(), to(url)); a.Err == nil || strings.Contains(a.Attempt().Error, "query-word") {
			t.Errorf("%v", a.Err)
		}
	}
}

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	if err := CheckHeaders(map[string]string{"X-Api-Key": "a b\tc", "X_Y": ""}); err != nil {
		t.Error(err)
	}
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprint("X-", i)] = ""
	}
	for name, h := range map[string]map[string]string{
		"ours": {"Webhook-Signature": "v1,x"}, "token": {"authorization": "x"}, "length": {"content-LENGTH": "1"}, "hop by hop": {"Upgrade": "h2c"}, "host": {"Host": "a"},
		"no name": {"": "x"}, "space": {"X Y": "x"}, "colon": {"X:": "x"}, "line break": {"X-A": "secret-word\r\nX-B: c"}, "NUL": {"X": "\x00"}, "umlaut": {"Ü": "x"},
		"twice": {"X-A": "1", "x-a": "2"}, "many": many, "long": {"X-A": strings.Repeat("a", 8<<10)},
	} {
		if err := CheckHeaders(h); err == nil || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckSyncTimeout(t *testing.T) {
	t.Parallel()
	for d, ok := range map[time.Duration]bool{time.Second: true, 30 * time.Second: true, SyncTimeout: true, 999 * time.Millisecond: false, 31 * time.Second: false, 0: false} {
		if err := CheckSyncTimeout(d); (err == nil) != ok {
			t.Errorf("%s: %v", d, err)
		}
	}
}
