package flows

import (
	"context"
	"strings"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// The protocols of Transaction, as Auth0 names them.
const (
	protocolCode     = "oidc-basic-profile"
	protocolPassword = "oauth2-password"
	protocolRefresh  = "oauth2-refresh-token"
)

// postLogin is what PostLogin's hooks are told. It reads what the flow itself has no need of, so it is made only for hooks that there are.
func (f *Flows) postLogin(ctx context.Context, a *attempt, logins int64) (*auth.PostLogin, error) {
	ev := &auth.PostLogin{
		Tenant: auth.Tenant{ID: a.Tenant.ID}, User: a.who.User, Request: a.Request, Transaction: a.transaction(),
		Authentication: auth.Authentication{Methods: a.who.Methods}, Stats: auth.Stats{LoginsCount: logins}, Organization: organizationFor(a.in),
		Connection: auth.Connection{ID: a.who.Connection.ID, Name: a.who.Connection.Name, Strategy: a.who.Connection.Strategy},
	}
	if a.login != nil && a.login.Session != nil {
		ev.Session = &auth.Session{ID: a.login.Session.ID, CreatedAt: a.login.Session.CreatedAt}
	}
	var err error
	if ev.Client, err = f.hookClient(ctx, a.Caller); err != nil {
		return nil, err
	}
	ev.Authorization.Roles, err = f.roleNames(ctx, a)
	return ev, err
}

func (a *attempt) transaction() auth.Transaction {
	l := a.login
	if l == nil {
		return a.direct
	}
	t := auth.Transaction{
		ID: l.ID, State: l.State, Audience: l.Asked.Audience, ACRValues: strings.Fields(l.Asked.ACRValues), LoginHint: l.Asked.LoginHint,
		Prompt: l.Asked.Prompt, Protocol: protocolCode, RedirectURI: l.Asked.RedirectURI, RequestedScopes: l.Asked.Scope,
		ResponseType: strings.Fields(l.Asked.ResponseType), ResponseMode: l.Asked.ResponseMode,
	}
	t.Locale, _, _ = strings.Cut(l.Asked.UILocales, " ")
	return t
}

// hookClient is the application with its connections; the zero one where there is none.
func (f *Flows) hookClient(ctx context.Context, c Caller) (auth.Client, error) {
	if c.Client == nil {
		return auth.Client{}, nil
	}
	client := auth.Client{Client: *c.Client}
	err := f.cfg.Store.InTx(ctx, func(tx *db.Tx) (err error) {
		client.Client, client.Connections, err = db.ReadClient(ctx, tx, c.Tenant.ID, c.Client.ClientID)
		return err
	})
	return client, err
}

// roleNames lists the user's roles: its own, and those of its membership.
func (f *Flows) roleNames(ctx context.Context, a *attempt) ([]string, error) {
	roles, err := all(func(o db.ListOptions) (db.Page[db.Role], error) {
		return f.cfg.Store.UserRoles.Roles(ctx, a.Tenant.ID, a.who.User.UserID, o)
	})
	if err == nil && a.in != nil {
		var more []db.Role
		more, err = f.memberRoles(ctx, a.Tenant.ID, a.in.ID, a.who.User.UserID)
		roles = append(roles, more...)
	}
	names := []string{}
	for i := range roles {
		names = append(names, roles[i].Name)
	}
	return names, err
}

// all reads all pages of a list.
func all[T any](read func(db.ListOptions) (db.Page[T], error)) (rows []T, err error) {
	for o := (db.ListOptions{PerPage: 100}); ; o.Page++ {
		page, err := read(o)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, page.Rows...); len(page.Rows) < o.PerPage {
			return rows, nil
		}
	}
}
