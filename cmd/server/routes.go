package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/oidc"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener"
)

// readyWithin bounds the look at the database.
const readyWithin = 2 * time.Second

// routes are the HTTP endpoints: whether the process lives, and whether it can do its work: it owns its group, or would
// take it over.
// Beside it are the public keys of tokens, the OpenID provider, and the management API, which answers for all that has no route here too.
func routes(l *listener.Listener, issuer *token.Issuer, provider *oidc.Provider, management http.Handler) http.Handler {
	r := chi.NewRouter()
	health(r, l)
	r.Get("/.well-known/jwks.json", jwks(issuer))
	provider.Mount(r)
	r.Mount("/", management)
	return r
}

func health(r chi.Router, l *listener.Listener) {
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		switch _, err := l.Status(ctx); {
		case err != nil:
			plain(w, http.StatusServiceUnavailable, "the database can't be reached")
		case l.Load().Epoch > 0:
			plain(w, http.StatusOK, "ready: owning the group")
		default: // ready to take over; a rolling deploy would else wait for it for ever
			plain(w, http.StatusOK, "ready: standing by")
		}
	})
}

// jwks answers with the keys that verify tokens. They may be kept for less than a key is published before it signs.
func jwks(issuer *token.Issuer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		keys, err := issuer.JWKS(ctx)
		if err != nil {
			plain(w, http.StatusServiceUnavailable, "the database can't be reached")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_ = json.NewEncoder(w).Encode(keys) // the client may be gone
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may be gone
}
