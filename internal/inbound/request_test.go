package inbound_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/inbound"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://id.example.com:8080/continue?state=s", strings.NewReader("password=planted&code=planted&session_token=st"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Browser/1")
	r.Header.Set("Accept-Language", "de")
	r.Header.Set("X-Request-Id", "req_1")
	r.RemoteAddr = "[2001:db8::7]:4711"
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	f := inbound.Finder{GeoIP: func(*http.Request) *hooks.GeoIP { return &hooks.GeoIP{CountryCode: "AT"} }}
	got := f.Request(r)
	if got.ID != "req_1" || got.IP != "2001:db8::7" || got.UserAgent != "Browser/1" || got.Method != "POST" || got.Hostname != "id.example.com" || got.Language != "de" || got.GeoIP.CountryCode != "AT" {
		t.Errorf("%+v", got)
	}
	if got.Query.Get("state") != "s" || got.Form.Get("session_token") != "st" || len(got.Form) != 1 {
		t.Errorf("query %v, form %v", got.Query, got.Form)
	}
}

// Nobody but a trusted proxy says where a request came from.
func TestAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name, peer, forwarded, want string
		proxies                     []netip.Prefix
	}{
		{"no proxy is trusted", "10.0.0.1:1", "1.2.3.4", "10.0.0.1", nil},
		{"by a trusted one", "10.0.0.1:1", "1.2.3.4", "1.2.3.4", trusted},
		{"what the caller wrote itself", "10.0.0.1:1", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4", trusted},
		{"by another", "11.0.0.1:1", "1.2.3.4", "11.0.0.1", trusted},
		{"nonsense", "10.0.0.1:1", "9.9.9.9, x", "10.0.0.1", trusted},
		{"nothing", "10.0.0.1:1", "", "10.0.0.1", trusted},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		f := inbound.Finder{Proxies: c.proxies}
		if got := f.Address(r); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for issuer, plain := range map[string]bool{
		"https://id.example.com/": false, "http://id.example.com/": false, "http://127.0.0.1:8080/": true, "http://localhost/": true, "http://[::1]/": true,
		"https://127.0.0.1/": false, "http://[::]:8080/": true,
	} {
		c := inbound.CookiesFor(issuer)
		if c.Plain != plain {
			t.Errorf("%s: plain is %v", issuer, c.Plain)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		b := c.Bind(w, r, "acme")
		c.SetSession(w, &db.Tenant{ID: "acme", SessionLifetime: 168}, "token")
		next := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		for _, cookie := range w.Result().Cookies() {
			if strings.HasPrefix(cookie.Name, "__Host-") == plain || cookie.Secure == plain || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
				t.Errorf("%s: %s", issuer, cookie)
			}
			next.AddCookie(cookie)
		}
		if again := c.Browser(next, "acme"); again.Binding != b.Binding || again.Session != "token" {
			t.Errorf("%s: the browser has %+v", issuer, again)
		}
		if other := c.Browser(next, "globex"); other.Session != "" {
			t.Error("another tenant sees the session")
		}
		same := httptest.NewRecorder()
		if c.Bind(same, next, "acme"); len(same.Result().Cookies()) != 0 {
			t.Error("a browser that is bound was given another cookie")
		}
	}
}

// Of two cookies of a name one is somebody else's, such as a subdomain's.
func TestTwoCookies(t *testing.T) {
	t.Parallel()
	c := inbound.Cookies{Plain: true}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for _, value := range []string{"AAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBB"} {
		r.AddCookie(&http.Cookie{Name: "latchkey_browser", Value: value}) //nolint:gosec // of a request: it has no flags
	}
	if b := c.Browser(r, "acme"); b.Binding != "" {
		t.Errorf("it took %q", b.Binding)
	}
}
