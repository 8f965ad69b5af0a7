package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// clientSubject ends the subject of tokens that a client has in its own name.
const clientSubject = "@clients"

// Inspection is what introspection tells of a token (RFC 7662). Of one that isn't active, nothing but that.
type Inspection struct {
	Active    bool
	Refresh   bool   // it is a refresh token, of which ID, Subject, ClientID, Scope and Expires are known
	ClientID  string // that it was given to
	ID        string
	Subject   string
	SessionID string
	Audience  []string
	Scope     string
	Issuer    string
	IssuedAt  time.Time
	Expires   time.Time
	User      *db.User // nil: it is of a client or a service
	Claims    token.Claims
}

// Inspect tells about an access token of any audience, or a refresh token: whether it is active, which it isn't when it was revoked, or its
// session or grant was, or its user is blocked or gone. ID tokens are not active.
func (f *Flows) Inspect(ctx context.Context, tenantID, raw string) (Inspection, error) {
	i, err := f.inspect(ctx, tenantID, raw)
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, db.ErrNotFound) {
		return Inspection{}, nil
	}
	if err != nil {
		return Inspection{}, fmt.Errorf("flows: inspect: %w", err)
	}
	return i, nil
}

func (f *Flows) inspect(ctx context.Context, tenantID, raw string) (Inspection, error) {
	if strings.Count(raw, ".") != 2 {
		return f.inspectRefresh(ctx, tenantID, raw)
	}
	c, err := f.cfg.Tokens.Inspect(ctx, raw)
	if err != nil {
		return Inspection{}, err
	}
	if c.TenantID != tenantID {
		return Inspection{}, db.ErrNotFound
	}
	user, err := f.inForce(ctx, &c)
	if err != nil {
		return Inspection{}, err
	}
	return Inspection{
		Active: true, ClientID: c.AuthorizedParty, ID: c.ID, Subject: c.Subject, SessionID: c.SessionID, Audience: c.Audience, Scope: c.Scope,
		Issuer: f.cfg.Tokens.URL(), IssuedAt: c.IssuedAt, Expires: c.Expires, User: user, Claims: c,
	}, nil
}

// inForce checks what a verified token can't tell by itself, and reads its user, if it is of one. Errors: db.ErrNotFound.
func (f *Flows) inForce(ctx context.Context, c *token.Claims) (*db.User, error) {
	ids := slices.DeleteFunc([]string{c.ID, c.SessionID, c.Grant}, func(id string) bool { return id == "" })
	revoked, err := f.cfg.Store.Revocations.Any(ctx, c.TenantID, ids...)
	if err != nil {
		return nil, err
	}
	client, ofClient := strings.CutSuffix(c.Subject, clientSubject)
	switch {
	case revoked:
		return nil, db.ErrNotFound
	case c.Subject == token.ServiceSubject:
		return nil, nil //nolint:nilnil // of no user
	case ofClient && client == c.AuthorizedParty:
		_, err := f.cfg.Store.Clients.Get(ctx, c.TenantID, client)
		return nil, err
	}
	return f.activeUser(ctx, c.TenantID, c.Subject)
}

func (f *Flows) activeUser(ctx context.Context, tenantID, id string) (*db.User, error) {
	user, err := f.cfg.Store.Users.Get(ctx, tenantID, id)
	if err == nil && user.Blocked {
		err = db.ErrNotFound
	}
	return &user, err
}

func (f *Flows) inspectRefresh(ctx context.Context, tenantID, raw string) (Inspection, error) {
	row, err := f.cfg.Store.RefreshTokens.Find(ctx, tenantID, raw)
	if err != nil {
		return Inspection{}, err
	}
	now := f.cfg.Now()
	if row.RevokedAt != nil || row.UsedAt != nil || !row.ExpiresAt.After(now) || row.IdleExpiresAt != nil && !row.IdleExpiresAt.After(now) {
		return Inspection{}, db.ErrNotFound
	}
	if revoked, err := f.cfg.Store.Revocations.Any(ctx, tenantID, row.FamilyID); err != nil || revoked {
		return Inspection{}, errors.Join(err, db.ErrNotFound)
	}
	user, err := f.activeUser(ctx, tenantID, row.UserID)
	return Inspection{
		Active: true, Refresh: true, ClientID: row.ClientID, ID: row.ID, Subject: row.UserID, Scope: strings.Join(row.Scope, " "),
		Issuer: f.cfg.Tokens.URL(), IssuedAt: row.CreatedAt, Expires: row.ExpiresAt, User: user,
	}, err
}

// UserInfo is what an access token for /userinfo tells of its user, by its scope. It returns the token's claims too: their tenant is whose
// user it is. Errors: [Refused], invalid_token.
func (f *Flows) UserInfo(ctx context.Context, raw string) (auth.Members, token.Claims, error) {
	invalid := &Refused{"invalid_token", "The token isn't good for userinfo, or has expired or was revoked."}
	c, err := f.cfg.Tokens.Verify(ctx, raw, f.userInfoAudience())
	if errors.Is(err, token.ErrInvalid) {
		return nil, c, invalid
	}
	var user *db.User
	if err == nil {
		user, err = f.inForce(ctx, &c)
	}
	if errors.Is(err, db.ErrNotFound) || err == nil && user == nil {
		return nil, c, invalid
	}
	if err != nil {
		return nil, c, fmt.Errorf("flows: userinfo: %w", err)
	}
	claims, err := claimsOf(user, strings.Fields(c.Scope))
	if err == nil {
		claims["sub"], err = json.Marshal(user.UserID)
	}
	return claims, c, err
}
