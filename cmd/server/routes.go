package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/listener"
)

// routes are the HTTP endpoints: whether the process lives, and whether it owns its group and streams.
func routes(l *listener.Listener) http.Handler {
	r := chi.NewRouter()
	health(r, l)
	return r
}

func health(r chi.Router, l *listener.Listener) {
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	r.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-l.Ready():
			plain(w, http.StatusOK, "ready")
		default:
			plain(w, http.StatusServiceUnavailable, "standing by: another process owns the group, or the start isn't done")
		}
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may be gone
}
