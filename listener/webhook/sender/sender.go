package sender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Config is what it takes to send.
type Config struct {
	// Tables are the hooked ones, schema.table, of which there may be triggers: db.Hooks.Tables.
	Tables []string
	// Guard says where requests may go. Default: public addresses only.
	Guard *webhook.Guard
	// Seal opens the hooks' secrets; nil: hooks that have some can't be sent.
	Seal Opener
	// Tokens makes the service tokens of requests; nil: they carry none.
	Tokens Tokens
	// DB is where [Sender.Ask] reads the hooks and writes its lines of auth.logs; nil: it can't ask.
	DB *pgxpool.Pool
	// AskTimeout is the time for all webhooks that are asked about one write together. Default 10 s; 1 to 30 s.
	AskTimeout time.Duration
	// Invoker sends in place of Latchkey.
	Invoker webhook.Invoker
}

// Opener opens what is sealed under a name.
type Opener interface {
	Open(sealed []byte, name string) ([]byte, error)
}

// Tokens makes service tokens; 0 is the usual time until they expire. It may be called for each request, so it keeps those that
// are valid for a while.
type Tokens interface {
	ServiceToken(ctx context.Context, tenantID, scope string, expiresIn time.Duration) (string, error)
}

// Scope is what the service token of a request has, unless its Invoker asks for another.
const Scope = "webhook"

// Sender sends webhooks. It is safe for concurrent use. Close it when nothing is sent any more.
type Sender struct {
	cfg      Config
	client   *webhook.Client
	triggers webhook.Triggers
	asked    webhook.Endpoints // those of synchronous webhooks

	mu     sync.Mutex
	limits map[string]limit // of hooks, so that a hook that was changed otherwise keeps its turns
}

type limit struct {
	perSecond float64
	*webhook.Limit
}

// New makes a sender.
func New(cfg Config) (*Sender, error) {
	if cfg.Guard == nil {
		guard, err := webhook.NewGuard()
		if err != nil {
			return nil, fmt.Errorf("sender: %w", err)
		}
		cfg.Guard = guard
	}
	if cfg.AskTimeout == 0 {
		cfg.AskTimeout = webhook.SyncTimeout
	}
	if err := webhook.CheckSyncTimeout(cfg.AskTimeout); err != nil {
		return nil, fmt.Errorf("sender: Config.AskTimeout: %w", err)
	}
	return &Sender{
		cfg: cfg, client: webhook.NewClient(cfg.Guard), triggers: webhook.NewTriggers(cfg.Tables),
		asked: webhook.Endpoints{MaxPause: maxAskPause}, limits: map[string]limit{},
	}, nil
}

// Close ends idle connections.
func (s *Sender) Close() { s.client.Close() }

// Message is what is sent to a hook.
type Message struct {
	ID          string // the webhook-id
	Body        []byte
	Timeout     time.Duration
	Traceparent string
}

// Send makes one attempt. What keeps it from being sent is in the answer, as what came of it.
func (s *Sender) Send(ctx context.Context, h *Hook, m Message) *webhook.Answer {
	r, err := s.request(ctx, h, m)
	if err != nil {
		return &webhook.Answer{Err: err}
	}
	return s.client.Send(ctx, r)
}

// request is what Send sends. Its error is never the endpoint's fault.
func (s *Sender) request(ctx context.Context, h *Hook, m Message) (*webhook.Request, error) {
	if h.problem != nil {
		return nil, h.problem
	}
	r := &webhook.Request{URL: h.URL, ID: m.ID, Headers: h.headers, Body: m.Body, Timeout: m.Timeout, Traceparent: m.Traceparent}
	for _, secret := range h.secrets {
		if secret.until.IsZero() || time.Now().Before(secret.until) {
			r.Secrets = append(r.Secrets, secret.Secret)
		}
	}
	switch {
	case s.cfg.Invoker != nil:
		r.Invoke = func(ctx context.Context, transport http.RoundTripper) (*http.Response, error) {
			return s.cfg.Invoker(ctx, webhook.Invocation{
				Hook:     webhook.HookInfo{ID: h.ID, Name: h.Name, TriggerID: h.TriggerID, URL: h.URL, Headers: h.headers},
				TenantID: h.TenantID, Data: m.Body, WebhookID: m.ID, Transport: transport,
				CreateServiceToken: func(ctx context.Context, scope string) (string, error) { return s.token(ctx, h.TenantID, scope) },
			})
		}
	case len(r.Secrets) == 0:
		return nil, errors.New("the hook has no secret to sign with: make one with POST /api/v2/hooks/{id}/rotate-secret")
	default:
		token, err := s.token(ctx, h.TenantID, "")
		if err != nil {
			return nil, fmt.Errorf("make a service token: %w", err)
		}
		r.Token = token
	}
	return r, nil
}

func (s *Sender) token(ctx context.Context, tenantID, scope string) (string, error) {
	if s.cfg.Tokens == nil {
		return "", nil
	}
	if scope == "" {
		scope = Scope
	}
	return s.cfg.Tokens.ServiceToken(ctx, tenantID, scope, 0)
}

// limitOf keeps the limit of a hook as long as its rate is the same.
func (s *Sender) limitOf(h *Hook) *webhook.Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := h.TenantID + "\n" + h.ID
	if h.RateLimit == 0 {
		delete(s.limits, key)
		return nil
	}
	if was := s.limits[key]; was.perSecond == h.RateLimit {
		return was.Limit
	}
	made, err := webhook.NewLimit(h.RateLimit)
	if err != nil {
		h.problem = errors.Join(h.problem, err)
		return nil
	}
	s.limits[key] = limit{h.RateLimit, made}
	return made
}
