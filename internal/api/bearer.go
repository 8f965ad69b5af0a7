package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Tokens makes tokens, checks them, and has the keys that sign them. [token.Issuer] is it.
type Tokens interface {
	Verifier
	Minter
	SigningKeys
}

// Minter signs tokens.
type Minter interface {
	Mint(ctx context.Context, c token.Claims) (string, error)
	URL() string // the issuer's, which ends in a slash: links begin with it
}

// Verifier checks bearer tokens: signature, issuer, audience, times. A token that isn't to be trusted is a token.ErrInvalid; another
// error says that it could not tell.
type Verifier interface {
	Verify(ctx context.Context, raw, audience string) (token.Claims, error)
}

// tenantHeader is how a control-plane token names the tenant.
const tenantHeader = "tenant-id"

// caller is who makes a request, and for which tenant.
type caller struct {
	token.Claims
	tenant    string
	requestID string
	method    string
	path      string
	ip        string
	agent     string
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// authorize is the middleware of an operation: it lets pass who has its scope, or one that does as well.
func (s *server) authorize(o operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, err := s.callerFrom(ctx, o.scopes())
		if err == nil {
			err = s.limit(ctx, c)
		}
		if err == nil && !allowsAny(c.Claims, o.scopes()) {
			err = lacksScope(o.scopes())
		}
		heard := &taped{humaContext: ctx}
		if err != nil {
			s.answer(ctx, err)
		} else {
			next(huma.WithContext(heard, context.WithValue(ctx.Context(), callerKey{}, c)))
		}
		if o.change && c != nil {
			s.audit(ctx.Context(), c, o, ctx.Status(), heard.members())
		}
	}
}

func allowsAny(c token.Claims, scopes []string) bool { return slices.ContainsFunc(scopes, c.Allows) }

func lacksScope(scopes []string) *Problem {
	p := newProblem(http.StatusForbidden, "insufficient_scope", fmt.Sprintf("The token does not have the scope %s.", strings.Join(scopes, " or ")))
	p.header = http.Header{"Www-Authenticate": {fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, scopes[0])}}
	return p
}

// callerFrom is who calls; nil with every error.
func (s *server) callerFrom(ctx huma.Context, scopes []string) (*caller, error) {
	raw, problem := bearerToken(ctx.Header("Authorization"))
	if problem != nil {
		return nil, problem
	}
	claims, err := s.cfg.Tokens.Verify(ctx.Context(), raw, s.cfg.Audience)
	if err != nil && !errors.Is(err, token.ErrInvalid) {
		return nil, err
	}
	if err != nil {
		s.log.InfoContext(ctx.Context(), "a token was refused", "request_id", ctx.Header(requestIDHeader), "error", err)
		return nil, unauthorized("invalid_token", "The token is expired, of another issuer or audience, or not valid: get a new one.", `Bearer error="invalid_token"`)
	}
	if claims.TenantID == "" && !allowsAny(claims, scopes) { // or it could find out which tenants there are
		return nil, lacksScope(scopes)
	}
	tenant, err := s.tenantOf(ctx, claims)
	if err != nil {
		return nil, err
	}
	u := ctx.URL()
	return &caller{
		Claims: claims, tenant: tenant, requestID: ctx.Header(requestIDHeader), method: ctx.Method(), path: u.Path,
		ip: edge.Address(ctx.RemoteAddr()), agent: ctx.Header("User-Agent"),
	}, nil
}

func bearerToken(header string) (string, *Problem) {
	scheme, raw, _ := strings.Cut(header, " ")
	if raw = strings.TrimSpace(raw); !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return "", unauthorized("no_token", "A bearer token is needed: send Authorization: Bearer <token>.", "Bearer")
	}
	return raw, nil
}

func unauthorized(code, message, challenge string) *Problem {
	p := newProblem(http.StatusUnauthorized, code, message)
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}

// tenantOf is the token's tenant, or for a control-plane token the one that the request names by its header, or its host.
func (s *server) tenantOf(ctx huma.Context, claims token.Claims) (string, error) {
	named := ctx.Header(tenantHeader)
	switch {
	case claims.TenantID != "" && named != "" && named != claims.TenantID:
		return "", newProblem(http.StatusForbidden, "wrong_tenant", "The token is of another tenant than the header tenant-id names: leave the header out.")
	case claims.TenantID != "":
		return claims.TenantID, s.hostOf(ctx, claims.TenantID)
	case named == "":
		tenant, err := s.cfg.Store.TenantOf(ctx.Context(), ctx.Host())
		if errors.Is(err, db.ErrNotFound) {
			err = badRequest("The token is of no tenant, and neither is the host: name one with the header tenant-id.")
		}
		return tenant, err
	}
	if _, err := s.cfg.Store.Tenants.Get(ctx.Context(), named); errors.Is(err, db.ErrNotFound) {
		return "", notFound(fmt.Sprintf("There is no tenant %q.", named))
	} else if err != nil {
		return "", err
	}
	return named, nil
}

// hostOf refuses a host that is reached for another tenant. Names that are nobody's are everybody's.
func (s *server) hostOf(ctx huma.Context, tenant string) error {
	its, err := s.cfg.Store.TenantOf(ctx.Context(), ctx.Host())
	if errors.Is(err, db.ErrNotFound) || err == nil && its == tenant {
		return nil
	}
	if err == nil {
		err = newProblem(http.StatusForbidden, "wrong_tenant", "The token is of another tenant than the host: use one of that tenant, or another host.")
	}
	return err
}
