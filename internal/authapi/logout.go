package authapi

import (
	"errors"
	"net/http"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
)

// endSession is GET /v2/logout. Where to go then is checked first: a session isn't ended by a link that leads nowhere.
func (s *server) endSession(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	c, err := s.finder.Caller(r, query.Get("client_id"))
	if err != nil {
		return err
	}
	allowed := c.Tenant.AllowedLogoutURLs
	if c.Client != nil {
		allowed = c.Client.AllowedLogoutURLs
	}
	back := query.Get("returnTo")
	switch {
	case back == "" && len(allowed) > 0:
		back = allowed[0]
	case back != "" && !slices.Contains(allowed, back) && !slices.Contains(c.Tenant.AllowedLogoutURLs, back):
		return invalid("returnTo is none of the allowed_logout_urls of the client or the tenant: it has to be one of them, character by character.")
	}
	session, err := s.flows.Session(r.Context(), c.Tenant.ID, s.finder.Cookies.Browser(r, c.Tenant.ID).Session)
	if err == nil {
		err = s.flows.Logout(r.Context(), c, session)
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	s.finder.Cookies.EndSession(w, c.Tenant.ID)
	if back == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK")) // the client may be gone
		return nil
	}
	http.Redirect(w, r, back, http.StatusFound)
	return nil
}
