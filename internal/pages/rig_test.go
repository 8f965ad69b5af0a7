package pages_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/mail"
	"github.com/latchkey-dev/latchkey/internal/pages"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	callback = "https://app.example.com/callback"
	secret   = "correct horse battery"
	another  = "staple correct horse"
)

// site is a login server, whose mails are kept in a mailbox, and the application app.
type site struct {
	t      *testing.T
	env    *hookstest.Env
	box    *mail.Mailbox
	finder *inbound.Finder
	url    string
	log    *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tenants is the test's database, which is made after the hooks are registered.
type tenants struct{ pool atomic.Pointer[pgxpool.Pool] }

func (d *tenants) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return d.pool.Load().QueryRow(ctx, sql, args...)
}

func newSite(t *testing.T, register func(*auth.Hooks)) *site {
	t.Helper()
	s := &site{t: t, log: &lines{}}
	reg := db.NewHooks()
	hooks := auth.NewHooks(reg)
	if register != nil {
		register(hooks)
	}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	keys, err := seal.Parse(seal.New())
	s.ok(err)
	hooks.Serve(auth.Services{Opener: keys})
	s.box, err = mail.NewMailbox()
	s.ok(err)
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	database := &tenants{}
	s.ok(mail.Register(hooks, mail.Config{Via: s.box, Database: database, Issuer: s.url + "/", From: "noreply@example.com", Logger: log}))
	s.env = hookstest.New(t, reg, hookstest.Logger(log))
	database.pool.Store(s.env.Pool())
	tokens, err := token.Open(t.Context(), token.Config{Database: s.env.Pool(), Keys: keys, Issuer: s.url + "/", Alg: token.EdDSA})
	s.ok(err)
	f, err := flows.New(flows.Config{
		Store: s.env.Store, Hooks: hooks, Tokens: tokens, Keys: keys, Logger: log,
		Passwords: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	})
	s.ok(err)
	s.finder = &inbound.Finder{Store: s.env.Store, Keys: keys, Flows: f, Cookies: inbound.CookiesFor(s.url)}
	p, err := pages.New(pages.Config{Finder: s.finder, Answer: answers{s}, Issuer: s.url + "/", Logger: log})
	s.ok(err)
	mux := chi.NewRouter()
	p.Mount(mux)
	mux.Get("/begin", s.begin)
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)

	s.env.SQL(`update auth.tenants set friendly_name = 'Acme'`)
	s.env.SQL(`insert into auth.clients (tenant_id, client_id, name, app_type, callbacks, token_endpoint_auth_method) values ($1, 'app', 'Orders', 'spa', $2, 'none')`, hookstest.Tenant, []string{callback})
	s.env.SQL(`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ($1, 'db', 'db', 'auth0', '{app}'), ($1, 'mail', 'mail', 'email', '{app}')`, hookstest.Tenant)
	return s
}

// begin is what the authorization endpoint does.
func (s *site) begin(w http.ResponseWriter, r *http.Request) {
	c, err := s.finder.Caller(r, "app")
	var login *flows.Login
	if err == nil {
		login, err = s.finder.Flows.Begin(r.Context(), c, flows.AuthorizationRequest{
			ClientID: "app", RedirectURI: callback, ResponseType: "code", Scope: []string{"openid"}, State: "theirs", LoginHint: r.URL.Query().Get("login_hint"), ScreenHint: r.URL.Query().Get("screen_hint"),
			CodeChallenge: strings.Repeat("c", 43), CodeChallengeMethod: "S256",
		}, s.finder.Cookies.Bind(w, r, c.Tenant.ID))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/u/login?state="+url.QueryEscape(login.State), http.StatusFound)
}

// answers is what the OpenID provider does with a finished login.
type answers struct{ s *site }

func (a answers) Answer(w http.ResponseWriter, r *http.Request, c flows.Caller, _ *flows.Login, step flows.Step, err error) {
	answer := url.Values{"code": {step.Code}}
	var no *flows.Refused
	switch {
	case errors.As(err, &no):
		answer = url.Values{"error": {no.Code}, "error_description": {no.Description}}
	case err != nil:
		answer = url.Values{"error": {"server_error"}}
	default:
		a.s.finder.Cookies.SetSession(w, &c.Tenant, step.SessionToken)
	}
	http.Redirect(w, r, callback+"?"+answer.Encode(), http.StatusSeeOther)
}

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// mail is what the newest mail to an address has: its link, or its code.
func (s *site) mail(to, subject string) string {
	s.t.Helper()
	s.env.CatchUp()
	for _, m := range s.box.Mails() {
		if m.To == to && strings.Contains(m.Subject, subject) {
			if m.Link == "" {
				return regexp.MustCompile(`\n(\d{6})\n`).FindStringSubmatch(m.Text)[1]
			}
			return m.Link
		}
	}
	s.t.Fatalf("no mail %q went to %s", subject, to)
	return ""
}

func (s *site) text(sql string, args ...any) (out string) {
	s.t.Helper()
	s.ok(s.env.Pool().QueryRow(s.t.Context(), sql, args...).Scan(&out))
	return out
}

// requireHidden looks for secrets in every table, and in the log.
func (s *site) requireHidden(secrets ...string) {
	s.t.Helper()
	const all = `select array_agg(table_schema || '.' || table_name) from information_schema.tables where table_schema in ('auth', 'latchkey') and table_type = 'BASE TABLE'`
	var tables []string
	s.ok(s.env.Pool().QueryRow(s.t.Context(), all).Scan(&tables))
	for _, secret := range secrets {
		for _, table := range tables {
			found := s.text(`select count(*)::text from `+table+` t where strpos(t::text, $1) + strpos(t::text, encode($1::bytea, 'hex')) > 0`, secret)
			if found != "0" || secret == "" {
				s.t.Errorf("%s rows of %s have %q", found, table, secret)
			}
		}
		if strings.Contains(s.log.String(), secret) {
			s.t.Errorf("%q is in the log", secret)
		}
	}
}

// browser follows redirects on the site, and stops where they leave it.
type browser struct {
	*site
	client *http.Client
	status int
	at     string // the address that it is at
	page   string
	header http.Header
}

var errLeft = errors.New("left the site")

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	s.ok(err)
	b := &browser{site: s}
	b.client = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.Method != http.MethodGet {
			return errors.New("a redirect posts again")
		}
		if !strings.HasPrefix(r.URL.String(), s.url+"/") {
			b.at = r.URL.String()
			return errLeft
		}
		return nil
	}}
	return b
}

func (b *browser) send(r *http.Request) {
	b.t.Helper()
	b.at = ""
	response, err := b.client.Do(r)
	if errors.Is(err, errLeft) {
		b.status, b.page = http.StatusSeeOther, ""
		return
	}
	b.ok(err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	b.ok(err)
	b.status, b.page, b.at, b.header = response.StatusCode, string(page), response.Request.URL.String(), response.Header
}

func (b *browser) open(address string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	b.ok(err)
	b.send(r)
}

// begin begins a login at the application.
func (b *browser) begin() { b.t.Helper(); b.open(b.url + "/begin") }

// follow opens the link of that text.
func (b *browser) follow(text string) {
	b.t.Helper()
	m := regexp.MustCompile(`<a href="([^"]+)">` + regexp.QuoteMeta(text)).FindStringSubmatch(b.page)
	if m == nil {
		b.t.Fatalf("there is no link %q in\n%s", text, b.page)
	}
	b.open(b.url + html.UnescapeString(m[1]))
}

// form is the page's form with its fields filled in: name, value, ...
func (b *browser) form(fields ...string) *http.Request {
	b.t.Helper()
	m := regexp.MustCompile(`<form method="post" action="([^"]+)">`).FindStringSubmatch(b.page)
	if m == nil {
		b.t.Fatalf("there is no form in\n%s", b.page)
	}
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		if !strings.Contains(b.page, ` name="`+fields[i]+`"`) {
			b.t.Fatalf("there is no field %s in\n%s", fields[i], b.page)
		}
		values.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+html.UnescapeString(m[1]), strings.NewReader(values.Encode()))
	b.ok(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (b *browser) submit(fields ...string) { b.t.Helper(); b.send(b.form(fields...)) }

// want checks what the page says.
func (b *browser) want(status int, words ...string) {
	b.t.Helper()
	if b.status != status {
		b.t.Fatalf("%s answers %d; want %d\n%s", b.at, b.status, status, b.page)
	}
	for _, word := range words {
		if !strings.Contains(html.UnescapeString(b.page), word) {
			b.t.Fatalf("%s doesn't say %q:\n%s", b.at, word, b.page)
		}
	}
}

// wantDone checks that the login ended at the application, with a code.
func (b *browser) wantDone() {
	b.t.Helper()
	if !strings.HasPrefix(b.at, callback+"?code=") || len(b.at) < len(callback)+20 {
		b.t.Fatalf("the login is at %s\n%s", b.at, b.page)
	}
}

// problem is what the page says of the form that came before.
func (b *browser) problem() string {
	m := regexp.MustCompile(`id="problem">([^<]*)<`).FindStringSubmatch(b.page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// signUp makes a user, who is then logged in.
func (b *browser) signUp(email string) {
	b.t.Helper()
	b.begin()
	b.follow("Sign up")
	b.submit("email", email)
	b.submit("password", secret)
	b.wantDone()
}
