package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

const (
	root    = "/api/v2"
	maxBody = 256 << 10
)

// operation is what one route has beside its input and output.
type operation struct {
	id      string
	method  string
	path    string // below root
	scope   string
	also    []string // scopes that do as well
	tag     string
	summary string
	about   string
	status  int // 0: 200
	errors  []int
	answer  *huma.Response // in place of what the output's type says
	change  bool           // it writes: a line of the tenant's log says so, or that it was refused
}

// add makes a route of an operation. The handler's errors become problems by one table.
func add[In, Out any](s *server, o operation, handle func(ctx context.Context, c *caller, in *In) (*Out, error)) {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: root + o.path, Summary: o.summary, Description: o.about, Tags: []string{o.tag},
		DefaultStatus: o.status, MaxBodyBytes: maxBody + 1, // the framework counts the limit itself as too many
		Security:    o.security(),
		Middlewares: huma.Middlewares{s.authorize(o)},
		Responses:   s.responses(append([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError}, o.errors...)),
		Parameters: []*huma.Param{
			{Name: tenantHeader, In: "header", Description: "The tenant, where the token is a control-plane token.", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: requestIDHeader, In: "header", Description: "An id for logs; the answer has it too.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}
	if o.answer != nil {
		op.Responses[strconv.Itoa(max(o.status, http.StatusOK))] = o.answer
	}
	huma.Register(s.api, op, func(ctx context.Context, in *In) (*Out, error) {
		c := callerOf(ctx)
		ctx = db.WithStamp(ctx, hooks.Stamp{Actor: c.Subject, ClientID: c.AuthorizedParty, RequestID: c.requestID, IP: c.ip, UserAgent: c.agent})
		out, err := handle(ctx, c, in)
		if err != nil {
			return nil, s.told(ctx, c, err)
		}
		return out, nil
	})
}

// scopes are those of which a caller needs one.
func (o *operation) scopes() []string { return append([]string{o.scope}, o.also...) }

func (o *operation) security() []map[string][]string {
	var needs []map[string][]string
	for _, scope := range o.scopes() {
		needs = append(needs, map[string][]string{bearerScheme: {scope}})
	}
	return needs
}

// told is the problem of an error; what its caller isn't told goes into the log.
func (s *server) told(ctx context.Context, c *caller, err error) *Problem {
	p := problemOf(err)
	if p.StatusCode == http.StatusInternalServerError {
		s.log.ErrorContext(ctx, "a request failed", "request_id", c.requestID, "method", c.method, "path", c.path, "tenant", c.tenant, "error", err)
	}
	return p
}

// responses describe the errors of an operation.
func (s *server) responses(statuses []int) map[string]*huma.Response {
	described := map[string]*huma.Response{}
	for _, status := range append(statuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests) {
		described[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
		}
	}
	return described
}

// answer writes a problem from a middleware.
func (s *server) answer(ctx huma.Context, err error) {
	p := problemOf(err)
	if p.StatusCode == http.StatusInternalServerError {
		s.log.ErrorContext(ctx.Context(), "a request failed", "request_id", ctx.Header(requestIDHeader), "error", err)
	}
	for name, values := range p.header {
		for _, value := range values {
			ctx.AppendHeader(name, value)
		}
	}
	ctx.SetHeader("Content-Type", "application/json")
	ctx.SetStatus(p.StatusCode)
	_ = s.api.Marshal(ctx.BodyWriter(), "application/json", p) // the client may be gone
}
