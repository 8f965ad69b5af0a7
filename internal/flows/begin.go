package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// loginLifetime is how long a login may be under way.
const loginLifetime = time.Hour

// AuthorizationRequest is what an application asks for at the authorization endpoint.
type AuthorizationRequest struct {
	ClientID            string   `json:"client_id"`
	RedirectURI         string   `json:"redirect_uri"`
	ResponseType        string   `json:"response_type"`
	ResponseMode        string   `json:"response_mode,omitempty"`
	Scope               []string `json:"scope,omitempty"`
	Audience            string   `json:"audience,omitempty"`
	State               string   `json:"state,omitempty"` // the application's own
	Nonce               string   `json:"nonce,omitempty"`
	CodeChallenge       string   `json:"code_challenge,omitempty"`
	CodeChallengeMethod string   `json:"code_challenge_method,omitempty"`
	Prompt              []string `json:"prompt,omitempty"`
	MaxAge              *int     `json:"max_age,omitempty"` // seconds
	LoginHint           string   `json:"login_hint,omitempty"`
	ScreenHint          string   `json:"screen_hint,omitempty"`
	Connection          string   `json:"connection,omitempty"`
	Organization        string   `json:"organization,omitempty"` // its id or its name
	UILocales           string   `json:"ui_locales,omitempty"`
	ACRValues           string   `json:"acr_values,omitempty"`
}

// Silent reports whether the user must not be shown anything.
func (r *AuthorizationRequest) Silent() bool { return slices.Contains(r.Prompt, "none") }

// Browser is what a browser's cookies hold.
type Browser struct {
	Binding string // of the logins that it began; the caller makes it, at random
	Session string // the token of its session; empty: none
}

// Login is a login under way.
type Login struct {
	db.LoginSession
	State   string // what URLs name it by
	Asked   AuthorizationRequest
	Session *db.Session // of the browser that it goes on in; nil: none
}

// Stage is where the login is.
func (l *Login) Stage() Stage { return Stage(l.Step) }

// Begin begins a login of the caller's client, when the request is one that it may make. No hook runs.
//
// Errors: [Refused]; one of code [InvalidCallback] must not be sent to the redirect URI, which isn't the client's, and any other may.
func (f *Flows) Begin(ctx context.Context, c Caller, req AuthorizationRequest, b Browser) (*Login, error) {
	if err := f.mayAsk(ctx, c, &req); err != nil {
		return nil, err
	}
	request, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("flows: begin: %w", err)
	}
	login, state, err := f.cfg.Store.LoginSessions.Create(ctx, c.Tenant.ID, db.CreateLoginSession{
		Step: string(StageIdentifier), ClientID: c.Client.ClientID, Browser: b.Binding, Request: request, Connection: req.Connection,
		IP: given(c.Request.IP), UserAgent: given(c.Request.UserAgent), Lifetime: loginLifetime,
	})
	if err != nil {
		return nil, fmt.Errorf("flows: begin: %w", err)
	}
	l := &Login{LoginSession: login, State: state, Asked: req}
	return l, f.sessionOf(ctx, l, b)
}

// FindLogin finds the login that a state names. Errors: [Refused], for one that there isn't, that took too long, or that another
// browser began.
func (f *Flows) FindLogin(ctx context.Context, tenantID, state string, b Browser) (*Login, error) {
	login, err := f.cfg.Store.LoginSessions.Find(ctx, tenantID, state)
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && !db.InBrowser(&login, b.Binding):
		return nil, errNoLogin()
	case err != nil:
		return nil, fmt.Errorf("flows: find login: %w", err)
	}
	l := &Login{LoginSession: login, State: state}
	if err := json.Unmarshal(login.Request, &l.Asked); err != nil {
		return nil, fmt.Errorf("flows: find login: request: %w", err)
	}
	return l, f.sessionOf(ctx, l, b)
}

func (f *Flows) sessionOf(ctx context.Context, l *Login, b Browser) error {
	s, err := f.Session(ctx, l.TenantID, b.Session)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err == nil {
		l.Session = &s
	}
	return err
}

// Session finds the session of a browser by the token in its cookie. Errors: db.ErrNotFound, also where it has ended or its user is
// blocked.
func (f *Flows) Session(ctx context.Context, tenantID, cookie string) (db.Session, error) {
	if cookie == "" {
		return db.Session{}, db.ErrNotFound
	}
	s, err := f.cfg.Store.Sessions.Find(ctx, tenantID, cookie)
	if err != nil {
		return s, fmt.Errorf("flows: session: %w", err)
	}
	return s, nil
}
