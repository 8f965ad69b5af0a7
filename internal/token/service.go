package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ServiceSubject is sub and azp of service tokens.
const ServiceSubject = "auth-service"

const (
	serviceLifetime    = 300 * time.Second
	maxServiceLifetime = 3600 * time.Second
	reusedUntil        = time.Minute // before the end
	mostKept           = 10_000
)

// ErrNoTenant says that a service token was asked for in the name of a tenant that isn't there.
var ErrNoTenant = errors.New("there is no such tenant")

// ServiceToken gives a token with which the server itself speaks for a tenant: sub and azp are [ServiceSubject], aud is the
// tenant's audience, or the management API's where it has none. expiresIn is 300 s if 0, and 3600 s at most. No other claim
// can be set, and no hook runs.
//
// The same token is given again while at least a minute of it is left, so that a request with one seldom costs a
// signature; a change of the tenant's audience shows when that ends. Errors: [ErrNoTenant].
func (i *Issuer) ServiceToken(ctx context.Context, tenantID, scope string, expiresIn time.Duration) (string, error) {
	if expiresIn == 0 {
		expiresIn = serviceLifetime
	}
	if expiresIn < 0 || expiresIn > maxServiceLifetime {
		return "", fmt.Errorf("token: service token: it lives for %v at most, and not for %v", maxServiceLifetime, expiresIn)
	}
	raw, err := i.serviceToken(ctx, serviceToken{tenantID, scope, expiresIn})
	if err != nil {
		return "", fmt.Errorf("token: service token: %w", err)
	}
	return raw, nil
}

func (i *Issuer) serviceToken(ctx context.Context, t serviceToken) (string, error) {
	s, err := i.notOlderThan(ctx, readEvery)
	if err != nil {
		return "", err
	}
	now := i.now()
	if raw, found := i.services.get(t, s.current.KeyID, now); found {
		return raw, nil
	}
	var audience string
	err = i.cfg.Database.QueryRow(ctx, `select audience from auth.tenants where id = $1`, t.tenant).Scan(&audience)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNoTenant
	}
	if err != nil {
		return "", err
	}
	if audience == "" {
		audience = i.cfg.Audience
	}
	expires := now.Add(t.expiresIn)
	raw, err := i.sign(s, Claims{
		Subject: ServiceSubject, AuthorizedParty: ServiceSubject, Audience: []string{audience}, TenantID: t.tenant, Scope: t.scope, Expires: expires,
	})
	if err == nil {
		i.services.put(t, signed{raw: raw, kid: s.current.KeyID, expires: expires}, now)
	}
	return raw, err
}

// serviceToken is what sets one apart from the next.
type serviceToken struct {
	tenant, scope string
	expiresIn     time.Duration
}

type signed struct {
	raw, kid string
	expires  time.Time
}

func (s signed) usable(now time.Time) bool { return s.expires.Sub(now) >= reusedUntil }

// serviceTokens keeps tokens for the next who asks.
type serviceTokens struct {
	mu   sync.Mutex
	kept map[serviceToken]signed
}

// get finds one that is signed by the current key: after a rotation there may be a reason not to use the others.
func (s *serviceTokens) get(t serviceToken, kid string, now time.Time) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, found := s.kept[t]
	return kept.raw, found && kept.kid == kid && kept.usable(now)
}

func (s *serviceTokens) put(t serviceToken, token signed, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[serviceToken]signed{}
	}
	if len(s.kept) >= mostKept {
		for t, kept := range s.kept {
			if !kept.usable(now) {
				delete(s.kept, t)
			}
		}
	}
	if len(s.kept) < mostKept && token.usable(now) {
		s.kept[t] = token
	}
}
