package oidc

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// The paths, as Auth0 has them.
const (
	pathDiscovery  = "/.well-known/openid-configuration"
	pathKeys       = "/.well-known/jwks.json"
	pathAuthorize  = "/authorize"
	pathContinue   = "/continue"
	pathToken      = "/oauth/token"
	pathRevoke     = "/oauth/revoke"
	pathIntrospect = "/oauth/introspect"
	pathUserInfo   = "/userinfo"
	pathLogout     = "/oidc/logout"
)

// The pages that logins go on at.
const (
	pageLogin = "/u/login"
	pageForm  = "/u/form"
	pagePage  = "/u/page"
)

const (
	maxBody      = 64 << 10 // bytes, of a form or JSON
	defaultLimit = 300      // requests for tokens a minute, from one address: each may be a guess
)

// Config is what [New] needs.
type Config struct {
	Flows  *flows.Flows
	Finder *inbound.Finder
	Tokens *token.Issuer
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now

	// TokenLimit is how many requests to the token endpoint there may be within a minute of one address. 0: 300; less: as many as come.
	TokenLimit int
}

// Provider is the OpenID provider. It is safe for concurrent use.
type Provider struct {
	cfg   Config
	log   *slog.Logger
	op    http.Handler
	limit *httprate.RateLimiter // nil: none
}

// New makes the provider.
func New(cfg Config) (*Provider, error) {
	switch {
	case cfg.Flows == nil:
		return nil, errors.New("oidc: Config.Flows is nil: make them by flows.New")
	case cfg.Finder == nil:
		return nil, errors.New("oidc: Config.Finder is nil: give it an inbound.Finder")
	case cfg.Tokens == nil:
		return nil, errors.New("oidc: Config.Tokens is nil: give it an issuer by token.Open")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Provider{cfg: cfg, log: cfg.Logger}
	if cfg.TokenLimit == 0 {
		cfg.TokenLimit = defaultLimit
	}
	if cfg.TokenLimit > 0 {
		p.limit = httprate.NewRateLimiter(cfg.TokenLimit, time.Minute)
	}
	// What op has to say is in our answers and the tenant's log; its own log would have what was asked with.
	p.op = op.RegisterServer(&server{p: p}, op.Endpoints{
		Authorization: op.NewEndpoint(pathAuthorize), Token: op.NewEndpoint(pathToken), Introspection: op.NewEndpoint(pathIntrospect),
		Userinfo: op.NewEndpoint(pathUserInfo), Revocation: op.NewEndpoint(pathRevoke), EndSession: op.NewEndpoint(pathLogout),
	}, op.WithServerCORSOptions(nil), op.WithFallbackLogger(slog.New(slog.DiscardHandler)))
	return p, nil
}

// server is the provider as op calls it.
type server struct {
	op.UnimplementedServer
	p *Provider
}

// Mount adds the provider's routes.
func (p *Provider) Mount(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(edge.Around(p.log, func(w http.ResponseWriter, _ *http.Request) { refuse(w, errFault()) }))
		get, post, both := []string{http.MethodGet}, []string{http.MethodPost}, []string{http.MethodGet, http.MethodPost}
		p.add(r, pathDiscovery, get, p.discover)
		p.add(r, pathAuthorize, both, p.authorize)
		p.add(r, pathContinue, both, p.goOn)
		p.add(r, pathToken, post, p.token)
		p.add(r, pathRevoke, post, p.revoke)
		p.add(r, pathIntrospect, post, p.introspect)
		p.add(r, pathUserInfo, both, p.userInfo)
		p.add(r, pathLogout, both, p.logout)
		for _, path := range []string{pathDiscovery, pathKeys, pathToken, pathRevoke, pathUserInfo} {
			r.Options(path, p.preflight)
		}
	})
}

func (p *Provider) add(r chi.Router, path string, methods []string, handler http.HandlerFunc) {
	for _, method := range methods {
		r.Method(method, path, handler)
	}
}
