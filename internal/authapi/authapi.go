package authapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
)

// Config is what the API is made of. Flows and Finder are needed.
type Config struct {
	Flows  *flows.Flows
	Finder *inbound.Finder // with a store; its Cookies are those of the pages
	Logger *slog.Logger    // nil: none

	// RateLimit is how many requests there may be within a minute from one address. 0: 300; less: as many as come. How often one may
	// try a password or have mails sent is the flows' business, whatever this says.
	RateLimit int
}

// API is the routes. It is safe for concurrent use.
type API struct{ s *server }

type server struct {
	flows  *flows.Flows
	finder *inbound.Finder
	log    *slog.Logger
	limits *limiter
}

// New makes the API.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Flows == nil:
		return nil, errors.New("authapi: Config.Flows is nil: make them by flows.New")
	case cfg.Finder == nil || cfg.Finder.Store == nil:
		return nil, errors.New("authapi: Config.Finder is nil, or has no store: it tells which tenant and client a request is for")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &API{&server{flows: cfg.Flows, finder: cfg.Finder, log: cfg.Logger, limits: newLimiter(cfg.RateLimit)}}, nil
}

// Mount adds the routes.
func (a *API) Mount(r chi.Router) {
	s := a.s
	add := func(method, path string, tell shape, do handler) {
		around := edge.Around(s.log, func(w http.ResponseWriter, _ *http.Request) { tell(w, fault()) })
		r.With(around).Method(method, path, s.handle(tell, do))
	}
	add(http.MethodPost, "/dbconnections/signup", signupShape, s.signup)
	add(http.MethodPost, "/dbconnections/change_password", oauthShape, s.sendReset)
	add(http.MethodPost, "/passwordless/start", oauthShape, s.sendCode)
	add(http.MethodGet, "/v2/logout", oauthShape, s.endSession)

	add(http.MethodPost, "/auth/register", plainShape, s.register)
	add(http.MethodPost, "/auth/login", plainShape, s.login)
	add(http.MethodPost, "/auth/refresh", plainShape, s.refresh)
	add(http.MethodPost, "/auth/logout", plainShape, s.logout)
	add(http.MethodPost, "/auth/change-password", plainShape, s.changePassword)
	add(http.MethodPost, "/auth/password-reset/request", plainShape, s.requestReset)
	add(http.MethodPost, "/auth/password-reset/confirm", plainShape, s.confirmReset)
	add(http.MethodPost, "/auth/verify-email/request", plainShape, s.requestVerification)
	add(http.MethodPost, "/auth/verify-email/confirm", plainShape, s.confirmVerification)
}

// handler answers a request, or says why not.
type handler func(http.ResponseWriter, *http.Request) error

// handle is around every handler: how often, how much, and what is told of an error.
func (s *server) handle(tell shape, do handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := s.limits.count(w, r, s.finder.Address(r))
		if err == nil {
			err = do(w, r)
		}
		if err == nil {
			return
		}
		p := problemOf(err)
		if p.status == http.StatusInternalServerError {
			s.log.ErrorContext(r.Context(), "a request failed", "request_id", r.Header.Get(edge.RequestID), "path", r.URL.Path, "error", err)
		}
		tell(w, p)
	})
}
