package inbound

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/internal/edge"
)

// Request is what hooks and logs are told of a request. A form has to be parsed before, so that its limits are the handler's.
func (f *Finder) Request(r *http.Request) auth.Request {
	out := auth.Request{
		ID: r.Header.Get(edge.RequestID), IP: f.Address(r), UserAgent: r.UserAgent(), Method: r.Method, Hostname: r.Host,
		Language: r.Header.Get("Accept-Language"), Query: r.URL.Query(), Form: url.Values{},
	}
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		out.Hostname = host
	}
	for name, values := range r.PostForm {
		if !slices.Contains(secrets(), strings.ToLower(name)) {
			out.Form[name] = values
		}
	}
	if f.GeoIP != nil {
		if at := f.GeoIP(r); at != nil {
			out.GeoIP = *at
		}
	}
	return out
}

// secrets are the fields of forms that no hook and no log is told.
func secrets() []string {
	return []string{
		"password", "old_password", "new_password", "password_confirmation", "re_password", "client_secret", "client_assertion", "assertion", "code",
		"code_verifier", "otp", "oob_code", "binding_code", "recovery_code", "refresh_token", "access_token", "id_token", "id_token_hint", "token", "subject_token",
	}
}

// Address is the IP address that a request came from: the peer's, and behind proxies that are trusted the last one in X-Forwarded-For that
// isn't one of these.
func (f *Finder) Address(r *http.Request) string {
	peer := edge.Address(r.RemoteAddr)
	if !f.trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if _, err := netip.ParseAddr(hop); err != nil {
			break // whoever wrote that is not to be believed about what is before it
		}
		if peer = hop; !f.trusts(hop) {
			break
		}
	}
	return peer
}

func (f *Finder) trusts(ip string) bool {
	at, err := netip.ParseAddr(ip)
	return err == nil && slices.ContainsFunc(f.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
}
