package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/edge"
)

const requestIDHeader = edge.RequestID

// atEdge is around every route.
func atEdge(log *slog.Logger) func(http.Handler) http.Handler {
	return edge.Around(log, func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, internalError(nil)) })
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
