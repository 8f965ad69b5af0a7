package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// How long requests may take, answer included.
const (
	AsyncTimeout   = 15 * time.Second // one attempt
	SyncTimeout    = 10 * time.Second // unless the hook says otherwise
	MinSyncTimeout = time.Second
	MaxSyncTimeout = 30 * time.Second
)

// CheckSyncTimeout says what is wrong with the timeout that a synchronous hook asks for.
func CheckSyncTimeout(d time.Duration) error {
	if d < MinSyncTimeout || d > MaxSyncTimeout {
		return fmt.Errorf("webhook: a timeout of %s: it has to be %s to %s", d, MinSyncTimeout, MaxSyncTimeout)
	}
	return nil
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 256 << 10

// Request is one attempt.
type Request struct {
	URL     string
	ID      string            // the webhook-id, from [MessageID]
	Secrets []Secret          // the one in force first
	Headers map[string]string // the hook's own; what [CheckHeaders] refuses is left out
	Token   string            // a service token for Authorization: Bearer; empty for none
	Body    []byte            // shared between hooks: it is only read
	Timeout time.Duration     // 0 means AsyncTimeout; at most 30 s
	// Traceparent is W3C's header of the span that the request belongs to; empty for none.
	Traceparent string
	// Invoke sends in place of the client; nil: the client does.
	Invoke func(ctx context.Context, transport http.RoundTripper) (*http.Response, error)
}

// Client sends webhooks. It keeps connections, follows no redirect, keeps no cookies and takes no proxy from the environment.
// It is safe for concurrent use.
type Client struct{ transport *http.Transport }

// NewClient makes a client that dials where the guard lets it.
func NewClient(guard *Guard) *Client {
	return &Client{transport: &http.Transport{
		Proxy:                  nil, // a proxy would dial for us, past the guard
		DialContext:            guard.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // nobody asked for it, and what unpacks may be large
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    64,               // as many as one webhook may have; who sends bounds how many there are, because at a
		IdleConnTimeout:        90 * time.Second, // host that is shared one customer's endpoint must not hold up another's
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

// Close ends the connections that nobody uses.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Send makes one attempt, with a timestamp and signatures of its own. It doesn't return an error: that there was no answer
// is an answer too, and has the error in it. If that is context.Canceled, it was we who stopped: end the pass with Cancel, and
// count no attempt. Make no call of Send while a transaction is open.
func (c *Client) Send(ctx context.Context, r *Request) *Answer {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = AsyncTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, min(timeout, MaxSyncTimeout))
	defer cancel()
	a := &Answer{}
	began := time.Now()
	a.Err = c.exchange(ctx, r, a)
	a.Latency = time.Since(began)
	a.conceal(r)
	return a
}

// exchange uses the transport by itself: an http.Client would follow, and name the URL in its errors.
func (c *Client) exchange(ctx context.Context, r *Request, a *Answer) error {
	resp, err := c.roundTrip(ctx, r, a)
	if err != nil {
		return noAnswer(ctx, err)
	}
	defer resp.Body.Close()
	a.Code, a.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(body) > maxAnswer {
		body, a.Cut = body[:maxAnswer], true
	}
	a.Body = body
	if err != nil {
		return fmt.Errorf("read the answer: %w", noAnswer(ctx, err))
	}
	return nil
}

func (c *Client) roundTrip(ctx context.Context, r *Request, a *Answer) (*http.Response, error) {
	if r.Invoke != nil {
		return invoke(ctx, r, c.transport)
	}
	if _, err := parseURL(r.URL); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("the request can't be made of the hook's URL")
	}
	req.Header.Set("User-Agent", "Latchkey")
	addHeaders(req.Header, r.Headers)
	req.Header.Set("Content-Type", "application/json")
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.Traceparent != "" {
		req.Header.Set("Traceparent", r.Traceparent)
	}
	if err := Sign(req.Header, r.ID, time.Now(), r.Body, r.Secrets...); err != nil {
		return nil, err
	}
	a.signed(req.Header)
	return c.transport.RoundTrip(req)
}

// invoke calls what is not ours: it may panic, return neither an answer nor an error, or not return. What comes too late is
// closed when it comes.
func invoke(ctx context.Context, r *Request, transport http.RoundTripper) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	came := make(chan result, 1)
	go func() {
		var out result
		out.err = hooks.Guard(func() (err error) {
			out.resp, err = r.Invoke(ctx, transport) //nolint:bodyclose // unread closes it, or who reads it
			return err
		})
		came <- out
	}()
	unread := func(resp *http.Response) {
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close() // nobody reads it
		}
	}
	select {
	case out := <-came:
		switch {
		case out.err != nil:
			unread(out.resp)
			return nil, out.err
		case out.resp == nil || out.resp.Body == nil:
			return nil, errors.New("the invoker returned no response")
		}
		return out.resp, nil
	case <-ctx.Done():
		go func() { unread((<-came).resp) }()
		return nil, ctx.Err()
	}
}

func noAnswer(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}
