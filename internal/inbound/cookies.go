package inbound

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// Cookies are what a browser keeps for the login server: one that binds the logins that it begins to it, and one for each tenant that it has a
// session with. Scripts can't read them, and another site's forms don't bring them along (SameSite=Lax).
type Cookies struct {
	// Plain are cookies without Secure and the prefix __Host-, for http on the same machine: browsers keep no others there.
	Plain bool
}

// CookiesFor are the cookies of a server at an issuer's URL: plain ones only over http on loopback.
func CookiesFor(issuer string) Cookies {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" {
		return Cookies{}
	}
	ip := net.ParseIP(u.Hostname())
	return Cookies{Plain: u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())}
}

const (
	bindingCookie = "latchkey_browser"
	sessionCookie = "latchkey_session_"
	bindingSize   = 26 // of rand.Text
)

// Browser reads what a browser's cookies hold for a tenant.
func (c Cookies) Browser(r *http.Request, tenantID string) flows.Browser {
	return flows.Browser{Binding: c.read(r, bindingCookie), Session: c.read(r, sessionName(tenantID))}
}

// Bind is [Cookies.Browser] for a login that begins: a browser that has nothing to be bound by is given it.
func (c Cookies) Bind(w http.ResponseWriter, r *http.Request, tenantID string) flows.Browser {
	b := c.Browser(r, tenantID)
	if len(b.Binding) < bindingSize {
		b.Binding = rand.Text()
		c.write(w, bindingCookie, b.Binding, 0)
	}
	return b
}

// SetSession gives the browser the session of a login, for as long as the tenant's sessions last, or, if its session_cookie says non-persistent,
// until the browser is closed.
func (c Cookies) SetSession(w http.ResponseWriter, t *db.Tenant, token string) {
	const year = 365 * 24 * 3600
	age := max(1, int(min(t.SessionLifetime*3600, year)))
	settings := struct{ Mode string }{}
	if json.Unmarshal(t.SessionCookie, &settings) == nil && settings.Mode == "non-persistent" {
		age = 0
	}
	c.write(w, sessionName(t.ID), token, age)
}

// EndSession takes the session from the browser.
func (c Cookies) EndSession(w http.ResponseWriter, tenantID string) {
	c.write(w, sessionName(tenantID), "", -1)
}

// sessionName has a part that is the tenant's: its id may be no cookie's name.
func sessionName(tenantID string) string {
	sum := sha256.Sum256([]byte(tenantID))
	return sessionCookie + hex.EncodeToString(sum[:4])
}

func (c Cookies) name(name string) string {
	if c.Plain {
		return name
	}
	return "__Host-" + name
}

// read takes none of two cookies of a name: one of them is somebody else's.
func (c Cookies) read(r *http.Request, name string) string {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// write sets a cookie for seconds; 0 is until the browser is closed, and less takes it away.
func (c Cookies) write(w http.ResponseWriter, name, value string, seconds int) {
	cookie := &http.Cookie{Name: c.name(name), Value: value, Path: "/", MaxAge: seconds, Secure: !c.Plain, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if seconds > 0 {
		cookie.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	http.SetCookie(w, cookie)
}
