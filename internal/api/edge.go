package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128
)

// atEdge is around every route: the request's id, the headers that all answers have, and an answer for a panic.
func atEdge(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(requestIDHeader)
			if !validRequestID(id) {
				id = "req_" + rand.Text()[:21]
				r.Header.Set(requestIDHeader, id)
			}
			h := w.Header()
			h.Set(requestIDHeader, id)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			defer answerPanic(w, r, log)
			next.ServeHTTP(w, r)
		})
	}
}

// answerPanic tells the caller nothing of it, and the log all.
func answerPanic(w http.ResponseWriter, r *http.Request, log *slog.Logger) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http ends the connection
	}
	log.ErrorContext(r.Context(), "a request panicked", "request_id", r.Header.Get(requestIDHeader), "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	writeProblem(w, internalError(nil))
}

// validRequestID takes what is fit for logs and headers.
func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:/+=", c)
	})
}

// writeProblem is for what never reaches an operation.
func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.StatusCode)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}

func noRoute(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, notFound(fmt.Sprintf("There is nothing at %s: /docs says what there is.", r.URL.Path)))
}

// wrongMethod names the methods that the path has.
func wrongMethod(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			if routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
				allowed = append(allowed, method)
			}
		}
		p := newProblem(http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("%s takes %s, not %s.", r.URL.Path, strings.Join(allowed, ", "), r.Method))
		p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
		writeProblem(w, p)
	}
}
