// Package edge is what is around every route of every API: the request's id, the headers that all answers have, and an answer for a
// panic.
package edge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
)

// RequestID is the header that has the request's id, in requests and answers.
const RequestID = "X-Request-Id"

const maxRequestID = 128

// Around gives a request without a usable id one, and answers a panic by calling failed: the caller is told nothing of it, and the log all.
func Around(log *slog.Logger, failed func(http.ResponseWriter)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(RequestID)
			if !usable(id) {
				id = "req_" + rand.Text()[:21]
				r.Header.Set(RequestID, id)
			}
			h := w.Header()
			h.Set(RequestID, id)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			defer func() {
				if p := recover(); p != nil {
					tell(r, log, p)
					failed(w)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

func tell(r *http.Request, log *slog.Logger, p interface{}) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http ends the connection
	}
	log.ErrorContext(r.Context(), "a request panicked", "request_id", r.Header.Get(RequestID), "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// usable takes what is fit for logs and headers.
func usable(id string) bool {
	return id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:/+=", c)
	})
}
