package oidc_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/go-chi/chi/v5"
	"golang.org/x/oauth2"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/oidc"
	"github.com/latchkey-dev/latchkey/internal/pages"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	callback = "https://app.example.com/callback"
	password = "correct horse battery"
)

// rig is a provider with its pages, the user ann@example.com and the applications app and other.
type rig struct {
	t      *testing.T
	env    *hookstest.Env
	tokens *token.Issuer
	url    string
}

func newRig(t *testing.T, register func(*auth.Hooks)) *rig {
	t.Helper()
	r := &rig{t: t}
	reg := db.NewHooks()
	hooks := auth.NewHooks(reg)
	if register != nil {
		register(hooks)
	}
	server := httptest.NewUnstartedServer(nil)
	r.url = "http://" + server.Listener.Addr().String()
	keys, err := seal.Parse(seal.New())
	r.ok(err)
	hooks.Serve(auth.Services{Opener: keys})
	r.env = hookstest.New(t, reg)
	r.tokens, err = token.Open(t.Context(), token.Config{Database: r.env.Pool(), Keys: keys, Issuer: r.url + "/"})
	r.ok(err)
	cheap := &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	f, err := flows.New(flows.Config{Store: r.env.Store, Hooks: hooks, Tokens: r.tokens, Keys: keys, Passwords: cheap, Logger: slog.New(slog.DiscardHandler)})
	r.ok(err)
	finder := &inbound.Finder{Store: r.env.Store, Keys: keys, Flows: f, Cookies: inbound.CookiesFor(r.url)}
	provider, err := oidc.New(oidc.Config{Flows: f, Finder: finder, Tokens: r.tokens})
	r.ok(err)
	own, err := pages.New(pages.Config{Finder: finder, Answer: provider, Issuer: r.url + "/"})
	r.ok(err)
	mux := chi.NewRouter()
	provider.Mount(mux)
	own.Mount(mux)
	mux.Get("/.well-known/jwks.json", func(w http.ResponseWriter, req *http.Request) {
		set, err := r.tokens.JWKS(req.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)

	hash, err := argon2id.CreateHash(password, cheap)
	r.ok(err)
	for _, client := range []string{"app", "other"} {
		r.env.SQL(`insert into auth.clients (tenant_id, client_id, name, app_type, callbacks, grant_types, token_endpoint_auth_method)
			values ($1, $2, $2, 'spa', $3, '{authorization_code,refresh_token}', 'none')`, hookstest.Tenant, client, []string{callback})
	}
	r.env.SQL(`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ($1, 'db', 'db', 'auth0', '{app,other}')`, hookstest.Tenant)
	r.env.SQL(`insert into auth.resource_servers (tenant_id, identifier, allow_offline_access, scopes) values ($1, 'urn:api', true, '[{"value": "read:all"}]')`, hookstest.Tenant)
	r.env.SQL(`insert into auth.users (tenant_id, user_id, email, email_verified, connection) values ($1, 'auth0|ann', 'ann@example.com', true, 'db')`, hookstest.Tenant)
	r.env.SQL(`insert into auth.passwords (tenant_id, user_id, hash) values ($1, 'auth0|ann', $2)`, hookstest.Tenant, hash)
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// app is how an application that knows nothing of us is configured.
func (r *rig) app(scopes ...string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: "app", RedirectURL: callback, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: r.url + "/authorize", TokenURL: r.url + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// browser follows redirects, and stops where they leave the provider.
type browser struct {
	*rig
	client *http.Client
	left   *url.URL // the address outside that it was sent to
	at     *url.URL
	status int
	page   string
}

func (r *rig) browser() *browser {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	r.ok(err)
	b := &browser{rig: r}
	b.client = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(req.URL.String(), r.url+"/") {
			b.left = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

func (b *browser) send(method, address string, form url.Values) {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, body)
	b.ok(err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	b.left = nil
	response, err := b.client.Do(req)
	b.ok(err)
	text, err := io.ReadAll(response.Body)
	b.ok(errors.Join(err, response.Body.Close()))
	b.at, b.status, b.page = response.Request.URL, response.StatusCode, string(text)
}

// logIn is what ann does at the page that the application sent her to.
func (b *browser) logIn(address string) url.Values {
	b.t.Helper()
	b.send(http.MethodGet, address, nil)
	if b.left == nil {
		b.send(http.MethodPost, b.at.String(), url.Values{"identifier": {"ann@example.com"}, "password": {password}})
	}
	if b.left == nil {
		b.t.Fatalf("the login ended at %s with %d:\n%s", b.at, b.status, b.page)
	}
	return b.left.Query()
}
