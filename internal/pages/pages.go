package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
)

// Answerer answers what a login's step leads to.
type Answerer interface {
	// Answer sends the browser on, with what one of the flows' functions returned: to the application with the code or an error, to another
	// site, to a form. It gives the browser its session's cookie.
	Answer(w http.ResponseWriter, r *http.Request, c flows.Caller, login *flows.Login, step flows.Step, err error)
}

// Config is what [New] needs.
type Config struct {
	Finder *inbound.Finder // with its Flows and Keys
	Answer Answerer
	Issuer string       // the server's URL
	Logger *slog.Logger // nil: slog.Default
}

// Pages serves the pages, all below /u/. It is safe for concurrent use.
type Pages struct {
	cfg   Config
	log   *slog.Logger
	views map[string]*template.Template
	serve http.Handler
}

// New makes the pages of a program.
func New(cfg Config) (*Pages, error) {
	switch {
	case cfg.Finder == nil || cfg.Finder.Flows == nil || cfg.Finder.Keys == nil:
		return nil, errors.New("pages: Config.Finder is nil, or has no Flows or Keys: give it the inbound.Finder of the server")
	case cfg.Answer == nil:
		return nil, errors.New("pages: Config.Answer is nil: give it what answers a finished step")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	p := &Pages{cfg: cfg, log: cfg.Logger}
	var err error
	if p.views, err = parseViews(); err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /u/style.css", p.style)
	for path, pg := range map[string]page{
		"/u/login": {p.showLogin, p.login}, "/u/login/code": {p.showCode, p.code}, "/u/signup": {p.showSignup, p.signup}, "/u/forgot": {p.showForgot, p.forgot},
	} {
		mux.HandleFunc("GET "+path, p.ofLogin(pg.show))
		mux.HandleFunc("POST "+path, p.ofLogin(pg.take))
	}
	for path, pg := range map[string]linkPage{"/u/reset-verify": {p.showReset, p.reset}, "/u/email-verification": {p.showVerify, p.verify}} {
		mux.HandleFunc("GET "+path, p.ofLink(pg.show))
		mux.HandleFunc("POST "+path, p.ofLink(pg.take))
	}
	mux.HandleFunc("GET /u/error", p.showError)
	mux.HandleFunc("GET /u/logged-out", p.showLoggedOut)
	mux.HandleFunc("/u/", func(w http.ResponseWriter, r *http.Request) {
		p.problem(w, r, http.StatusNotFound, "There is no such page.")
	})
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(cfg.Issuer); err == nil && u.Host != "" { // a proxy may call this server by another name
		if err := guard.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("pages: Config.Issuer: %w", err)
		}
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.problem(w, r, http.StatusForbidden, "The form was sent by another site.")
	}))
	p.serve = guard.Handler(mux)
	return p, nil
}

// Mount adds the pages to a server's routes.
func (p *Pages) Mount(r chi.Router) {
	r.With(edge.Around(p.log, func(w http.ResponseWriter, r *http.Request) {
		p.problem(w, r, http.StatusInternalServerError, "This is a fault of the server's. Try again in a while.")
	})).Handle("/u/*", p)
}

// maxForm bounds what a form may send.
const maxForm = 64 << 10

// ServeHTTP serves the pages.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			p.problem(w, r, http.StatusBadRequest, "The form can't be read.")
			return
		}
	}
	p.serve.ServeHTTP(w, r)
}

// setHeaders lets a page load its style sheet and nothing else, and no other site know of its address or show it. The policy has no
// form-action: browsers hold the redirects after a form against it, and those of a login end at sites that nobody can list.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a browser posts our own forms with Origin: null
	h.Set("Cache-Control", "no-store")
}

// render writes a page.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	var page bytes.Buffer
	if err := p.views[name].ExecuteTemplate(&page, "layout", v); err != nil {
		p.log.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the reader may be gone
}

// field is a value of the form without spaces around it.
func field(r *http.Request, name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
