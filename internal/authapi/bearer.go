package authapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// bearer is the user whose access token a request has, and the application that it was given to. A user's tokens for any audience of
// the tenant will do, unless they were revoked.
func (s *server) bearer(w http.ResponseWriter, r *http.Request) (flows.Caller, flows.Inspection, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || raw == "" {
		w.Header().Set("Www-Authenticate", "Bearer")
		return flows.Caller{}, flows.Inspection{}, &problem{http.StatusUnauthorized, "invalid_token", "An access token is needed: send Authorization: Bearer."}
	}
	invalid := &problem{http.StatusUnauthorized, "invalid_token", "The token isn't good, or has expired or was revoked."}
	party := partyOf(raw)
	if party == "" {
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		return flows.Caller{}, flows.Inspection{}, invalid
	}
	c, err := s.finder.Caller(r, party)
	if err != nil {
		if p := problemOf(err); p.code == "invalid_client" {
			err = invalid
		}
		return c, flows.Inspection{}, err
	}
	i, err := s.flows.Inspect(r.Context(), c.Tenant.ID, raw)
	if err != nil {
		return c, i, err
	}
	if !i.Active || i.User == nil || i.ClientID != party {
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		return c, i, invalid
	}
	return c, i, nil
}

// partyOf is the application that a token says it was given to. Nothing is verified by this: it says where to look.
func partyOf(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Party string `json:"azp"`
	}
	_ = json.Unmarshal(text, &claims) // what is no JSON has none
	return claims.Party
}

// logout is POST /auth/logout.
func (s *server) logout(w http.ResponseWriter, r *http.Request) error {
	c, i, err := s.bearer(w, r)
	if err == nil {
		err = s.flows.LogoutToken(r.Context(), c, &i)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changePassword is POST /auth/change-password. The caller's tokens end as all others do, but for those of its session, if it has one.
func (s *server) changePassword(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	old, password := f.required("current_password"), f.required("new_password")
	if err := f.only(); err != nil {
		return err
	}
	c, i, err := s.bearer(w, r)
	if err == nil {
		err = s.flows.ChangePassword(r.Context(), c, *i.User, old, password, i.SessionID)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
