package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	grantClientCredentials = "client_credentials"
	managementLifetime     = 24 * time.Hour
)

// The types of the log lines about exchanges.
const (
	logExchange       = "seccft"
	logExchangeFailed = "feccft"
)

// tokenRequest is what is asked for at the token endpoint (RFC 6749, 4.4).
type tokenRequest struct {
	GrantType string `json:"grant_type"`
	ClientID  string `json:"client_id"`
	Secret    string `json:"client_secret"`
	Audience  string `json:"audience"`
	Scope     string `json:"scope"`

	basic bool // the client's id and secret came in the Authorization header
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// oauthError is an error of the token endpoint, in its own shape (RFC 6749, 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

// errNoClient is the same for a client that there isn't and for a wrong secret.
func errNoClient() error {
	return &oauthError{"invalid_client", "There is no such client, or its secret is another."}
}

// exchange answers POST /oauth/token.
func (s *server) exchange(w http.ResponseWriter, r *http.Request) {
	if s.limits.tokens != nil && s.limits.tokens.OnLimit(w, r, edge.Address(r.RemoteAddr)) {
		writeProblem(w, tooMany(w))
		return
	}
	ctx := r.Context()
	var c db.Client
	req, err := readTokenRequest(w, r)
	if err == nil {
		c, err = s.authenticate(ctx, r, req)
	}
	var answer tokenAnswer
	if err == nil {
		answer, err = s.grant(ctx, &c, req)
	}
	s.logExchange(ctx, r, &c, err)
	w.Header().Set("Pragma", "no-cache")
	if err != nil {
		s.refuseToken(w, r, req.basic, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// readTokenRequest reads a form or JSON, and the client's credentials from the body or the header.
func readTokenRequest(w http.ResponseWriter, r *http.Request) (req tokenRequest, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return req, &oauthError{"invalid_request", "The body is no JSON object of strings."}
		}
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return req, &oauthError{"invalid_request", "The body is no form."}
		}
		for name, values := range r.PostForm {
			if len(values) > 1 {
				return req, &oauthError{"invalid_request", fmt.Sprintf("%s is there more than once.", name)}
			}
		}
		f := r.PostForm
		req = tokenRequest{GrantType: f.Get("grant_type"), ClientID: f.Get("client_id"), Secret: f.Get("client_secret"), Audience: f.Get("audience"), Scope: f.Get("scope")}
	default:
		return req, &oauthError{"invalid_request", "The body has to be a form or JSON: say so by Content-Type."}
	}
	if id, secret, ok := r.BasicAuth(); ok {
		if req.Secret != "" {
			return req, &oauthError{"invalid_request", "The client authenticates in two ways: use one."}
		}
		req.basic = true
		if req.ClientID, err = url.QueryUnescape(id); err == nil {
			req.Secret, err = url.QueryUnescape(secret)
		}
		if err != nil {
			return req, errNoClient()
		}
	}
	switch {
	case req.GrantType == "":
		return req, &oauthError{"invalid_request", "grant_type is missing."}
	case req.GrantType != grantClientCredentials:
		return req, &oauthError{"unsupported_grant_type", "Here, grant_type has to be client_credentials."}
	case req.ClientID == "" || req.Secret == "":
		return req, &oauthError{"invalid_client", "client_id and client_secret are needed, in the body or by HTTP Basic."}
	}
	return req, nil
}

// authenticate finds the client and compares its secret.
func (s *server) authenticate(ctx context.Context, r *http.Request, req tokenRequest) (db.Client, error) {
	c, err := s.clientOf(ctx, r, req.ClientID)
	if err != nil {
		return c, err
	}
	if c.TokenEndpointAuthMethod == publicClient {
		return c, errNoClient()
	}
	plain, err := s.clientSecret(ctx, &c)
	if errors.Is(err, db.ErrNotFound) {
		return c, errNoClient()
	}
	if err != nil {
		return c, err
	}
	ours, theirs := sha256.Sum256(plain), sha256.Sum256([]byte(req.Secret))
	if subtle.ConstantTimeCompare(ours[:], theirs[:]) != 1 {
		return c, errNoClient()
	}
	return c, nil
}

// clientOf finds a client in the tenant that the request names by header or host, and otherwise by its id alone.
func (s *server) clientOf(ctx context.Context, r *http.Request, id string) (c db.Client, err error) {
	tenant := r.Header.Get(tenantHeader)
	if tenant == "" {
		if tenant, err = s.cfg.Store.TenantOf(ctx, r.Host); err != nil && !errors.Is(err, db.ErrNotFound) {
			return c, err
		}
	}
	if tenant != "" {
		if c, err = s.cfg.Store.Clients.Get(ctx, tenant, id); errors.Is(err, db.ErrNotFound) {
			err = errNoClient()
		}
		return c, err
	}
	found, err := s.cfg.Store.ClientsNamed(ctx, id)
	switch {
	case err != nil:
		return c, err
	case len(found) == 0:
		return c, errNoClient()
	case len(found) > 1:
		return c, &oauthError{"invalid_request", "Several tenants have a client of this id: name the tenant with the header tenant-id."}
	}
	return found[0], nil
}

// grant makes the token that the client may have: scopes of its grant for the audience, all of them unless it asks for some.
func (s *server) grant(ctx context.Context, c *db.Client, req tokenRequest) (a tokenAnswer, err error) {
	if len(c.GrantTypes) > 0 && !slices.Contains(c.GrantTypes, grantClientCredentials) {
		return a, &oauthError{"unauthorized_client", "The client's grant_types don't have client_credentials."}
	}
	if req.Audience == "" {
		tenant, err := s.cfg.Store.Tenants.Get(ctx, c.TenantID)
		if err != nil {
			return a, err
		}
		if req.Audience = tenant.DefaultAudience; req.Audience == "" {
			return a, &oauthError{"invalid_request", "audience is missing, and the tenant has no default_audience."}
		}
	}
	grants, err := s.cfg.Store.ClientGrants.List(ctx, c.TenantID, db.ListOptions{Filter: []db.Filter{db.Equal("client_id", c.ClientID), db.Equal("audience", req.Audience)}})
	if err != nil {
		return a, err
	}
	if len(grants.Rows) == 0 {
		return a, &oauthError{"unauthorized_client", "The client has no grant for this audience."}
	}
	scope := grants.Rows[0].Scope
	if asked := strings.Fields(req.Scope); len(asked) > 0 {
		for _, name := range asked {
			if !slices.Contains(scope, name) {
				return a, &oauthError{"invalid_scope", fmt.Sprintf("The client's grant doesn't have the scope %q.", name)}
			}
		}
		scope = asked
	}
	lifetime, err := s.lifetime(ctx, c.TenantID, req.Audience)
	if err != nil {
		return a, err
	}
	a = tokenAnswer{TokenType: "Bearer", ExpiresIn: int64(lifetime.Seconds()), Scope: strings.Join(scope, " ")}
	a.AccessToken, err = s.cfg.Tokens.Mint(ctx, token.Claims{
		Subject: c.ClientID + "@clients", AuthorizedParty: c.ClientID, Audience: []string{req.Audience}, TenantID: c.TenantID, Scope: a.Scope, Expires: time.Now().Add(lifetime),
	})
	return a, err
}

// lifetime is how long a token for an audience lives: as its resource server says.
func (s *server) lifetime(ctx context.Context, tenant, audience string) (time.Duration, error) {
	page, err := s.cfg.Store.ResourceServers.List(ctx, tenant, db.ListOptions{Filter: []db.Filter{db.Equal("identifier", audience)}})
	switch {
	case err != nil:
		return 0, err
	case len(page.Rows) > 0:
		return min(time.Duration(page.Rows[0].TokenLifetime)*time.Second, token.MaxLifetime), nil
	case audience == s.cfg.Audience:
		return managementLifetime, nil
	}
	return 0, &oauthError{"unauthorized_client", "There is no resource server of this audience any more."}
}

func (s *server) refuseToken(w http.ResponseWriter, r *http.Request, basic bool, err error) {
	var refused *oauthError
	if !errors.As(err, &refused) {
		p := problemOf(err)
		if p.StatusCode == http.StatusInternalServerError {
			s.log.ErrorContext(r.Context(), "a request failed", "request_id", r.Header.Get(requestIDHeader), "path", r.URL.Path, "error", err)
		}
		writeProblem(w, p)
		return
	}
	status := http.StatusBadRequest
	if refused.Code == "invalid_client" {
		status = http.StatusUnauthorized
		if basic {
			w.Header().Set("Www-Authenticate", `Basic realm="token"`)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(refused) // the client may be gone
}

// logExchange writes a line into the log of the client's tenant, where the client is known.
func (s *server) logExchange(ctx context.Context, r *http.Request, c *db.Client, failure error) {
	if c.TenantID == "" {
		return
	}
	line := db.CreateLog{
		Type: logExchange, Description: "A client was given a token", ClientID: given(c.ClientID), IP: given(edge.Address(r.RemoteAddr)), UserAgent: given(r.UserAgent()),
	}
	if failure != nil {
		line.Type, line.Description = logExchangeFailed, "A client was refused a token"
		var refused *oauthError
		if errors.As(failure, &refused) {
			line.Description += ": " + refused.Description
		}
	}
	if _, err := s.cfg.Store.Logs.Create(context.WithoutCancel(ctx), c.TenantID, line); err != nil {
		s.log.ErrorContext(ctx, "a log line could not be written", "request_id", r.Header.Get(requestIDHeader), "operation", "token", "error", err)
	}
}
