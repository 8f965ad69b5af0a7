package oidc

import (
	"net/http"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
)

// allow lets a web page of one of the client's origins read the answer. Cookies are never taken along.
func (p *Provider) allow(w http.ResponseWriter, r *http.Request, c *db.Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin != "" && (slices.Contains(c.WebOrigins, origin) || slices.Contains(c.AllowedOrigins, origin)) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
	}
}

// allowAny does so for a page of any client's origin: the answer is the same for everyone.
func (p *Provider) allowAny(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	allowed, err := p.cfg.Finder.Store.AllowsOrigin(r.Context(), "", origin)
	if err != nil || !allowed { // a browser that can't be told is told no
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	return true
}

// preflight answers a browser that asks before it sends a page's request. Which client will ask isn't known yet: so any that has the origin
// will do, and what is answered then is that client's business.
func (p *Provider) preflight(w http.ResponseWriter, r *http.Request) {
	if p.allowAny(w, r) {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Auth0-Client, DPoP")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
