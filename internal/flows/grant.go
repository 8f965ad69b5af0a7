package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// Grant is what tokens are issued for.
type Grant struct {
	ID              string // the login's: access tokens carry it, and refresh tokens are its family
	User            db.User
	ClientID        string // empty: of no application
	SessionID       string // empty: of no browser
	OrganizationID  string
	Audience        string
	Scope           []string // that was asked for
	Methods         []auth.AuthenticationMethod
	AuthenticatedAt time.Time
	IDToken         auth.Members // claims of PostLogin's hooks
	AccessToken     auth.Members
	Nonce           string
	RefreshToken    bool // one may be given, if the scope, the client and the resource server allow it
}

// Direct is a login without a browser: the password grant, a code by the API, FullAuth's login. It is counted, hooks run, after_login is
// raised, and there is no session. audience and scope are what the tokens are to be for, see [Flows.Issue].
//
// Errors: as [Flows.Authenticated]; interaction_required where a hook suspends the login, as there is nowhere to send the user. The tenant's forms
// and pages are not shown.
func (f *Flows) Direct(ctx context.Context, c Caller, who Authenticated, audience string, scope []string) (Grant, error) {
	a := &attempt{Caller: c, who: who, direct: auth.Transaction{
		ID: "login_" + rand.Text(), Audience: audience, RequestedScopes: scope, Protocol: protocolPassword,
	}}
	err := f.directly(c.stamped(ctx), a)
	if err != nil {
		return Grant{}, f.ended(ctx, a, err)
	}
	g := Grant{
		ID: a.direct.ID, User: a.who.User, Audience: audience, Scope: slices.Clone(scope), Methods: who.Methods, AuthenticatedAt: authenticatedAt(who.Methods),
		IDToken: a.hooks.IDToken, AccessToken: a.hooks.AccessToken, RefreshToken: true,
	}
	if c.Client != nil {
		g.ClientID = c.Client.ClientID
	}
	return g, nil
}

func (f *Flows) directly(ctx context.Context, a *attempt) error {
	if a.who.User.Blocked {
		return errBlocked()
	}
	if _, err := f.target(ctx, a.Caller, a.direct.Audience); err != nil {
		return err
	}
	if f.cfg.Hooks.HasPostLogin() {
		stats, err := a.count(ctx, f.cfg.Store.Users)
		if err != nil {
			return err
		}
		a.counted = true
		if err := f.askAlone(ctx, a, stats.LoginCount); err != nil {
			return err
		}
	}
	return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error { return f.greet(ctx, tx, a) })
}

// askAlone runs PostLogin's hooks where there is no browser to send anywhere, and writes the metadata that they set.
func (f *Flows) askAlone(ctx context.Context, a *attempt, logins int64) error {
	ev, err := f.postLogin(ctx, a, logins)
	if err != nil {
		return err
	}
	if a.hooks, err = f.cfg.Hooks.RunPostLogin(ctx, ev); err != nil {
		return err
	}
	if a.hooks.Suspended != nil {
		return &Refused{"interaction_required", "The login needs the user, in a browser."}
	}
	return f.writeMetadata(ctx, a)
}

// grantOf is the grant of a login that is done.
func (f *Flows) grantOf(ctx context.Context, login *Login) (Grant, error) {
	p, err := login.progress()
	if err != nil {
		return Grant{}, err
	}
	g := Grant{
		ID: login.ID, ClientID: login.ClientID, OrganizationID: p.OrganizationID, Audience: login.Asked.Audience, Scope: login.Asked.Scope,
		IDToken: p.IDToken, AccessToken: p.AccessToken, Nonce: login.Asked.Nonce, RefreshToken: true,
	}
	if login.SessionID != nil {
		g.SessionID = *login.SessionID
	}
	if err := json.Unmarshal(login.Methods, &g.Methods); err != nil {
		return Grant{}, fmt.Errorf("flows: grant: methods: %w", err)
	}
	g.AuthenticatedAt = authenticatedAt(g.Methods)
	g.User, err = f.grantee(ctx, login.TenantID, *login.UserID)
	return g, err
}

// grantee reads the user whom tokens are for, as it is by now.
func (f *Flows) grantee(ctx context.Context, tenantID, id string) (db.User, error) {
	user, err := f.cfg.Store.Users.Get(ctx, tenantID, id)
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && user.Blocked:
		return user, invalidGrant("The user is blocked, or there is none any more.")
	case err == nil && user.LinkedTo != nil:
		return user, invalidGrant("The user was linked to another account: log in again.")
	}
	return user, err
}
