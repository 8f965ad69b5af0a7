// Package edge is around every route of the server: the request's id, the headers that all answers have, and an answer for a panic.
package edge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
)

// RequestID is the header of the request's id. It is set in what a handler gets, and in every answer.
const RequestID = "X-Request-Id"

const maxRequestID = 128

// Around is a middleware. failed answers a request whose handler panicked: the caller is told nothing of that, and the log all. It may
// stand around another of its kind.
func Around(log *slog.Logger, failed http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(RequestID)
			if !validRequestID(id) {
				id = "req_" + rand.Text()[:21]
				r.Header.Set(RequestID, id)
			}
			h := w.Header()
			h.Set(RequestID, id)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			defer answerPanic(w, r, log, failed)
			next.ServeHTTP(w, r)
		})
	}
}

func answerPanic(w http.ResponseWriter, r *http.Request, log *slog.Logger, failed http.HandlerFunc) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http ends the connection
	}
	log.ErrorContext(r.Context(), "a request panicked", "request_id", r.Header.Get(RequestID), "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	failed(w, r)
}

// validRequestID takes what is fit for logs and headers.
func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:/+=", c)
	})
}

// Address is a peer's address (http.Request.RemoteAddr) without its port.
func Address(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}
