package authapi

import (
	"encoding/json"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// signedUp is what Auth0's signup answers. The id is without its provider.
type signedUp struct {
	ID            string          `json:"_id"`
	EmailVerified bool            `json:"email_verified"`
	Email         *string         `json:"email,omitempty"`
	Username      *string         `json:"username,omitempty"`
	Name          *string         `json:"name,omitempty"`
	GivenName     *string         `json:"given_name,omitempty"`
	FamilyName    *string         `json:"family_name,omitempty"`
	Nickname      *string         `json:"nickname,omitempty"`
	Picture       *string         `json:"picture,omitempty"`
	UserMetadata  json.RawMessage `json:"user_metadata,omitempty"`
}

// signup is POST /dbconnections/signup.
func (s *server) signup(w http.ResponseWriter, r *http.Request) error {
	f, err := readEither(r)
	if err != nil {
		return err
	}
	clientID := f.required("client_id")
	in := signupOf(f)
	if err := f.done(); err != nil {
		return err
	}
	c, err := s.finder.Caller(r, clientID)
	if err != nil {
		return err
	}
	u, err := s.flows.Signup(r.Context(), c, in)
	if err != nil {
		return err
	}
	out := signedUp{
		ID: idOf(&u), EmailVerified: u.EmailVerified, Email: u.Email, Username: u.Username, Name: u.Name, GivenName: u.GivenName,
		FamilyName: u.FamilyName, Nickname: u.Nickname, Picture: u.Picture,
	}
	if string(u.UserMetadata) != "{}" {
		out.UserMetadata = u.UserMetadata
	}
	answer(w, http.StatusOK, out)
	return nil
}

// signupOf reads what a user signs up with.
func signupOf(f *fields) flows.Signup {
	return flows.Signup{
		Connection: f.text("connection"), Email: f.text("email"), Username: f.text("username"), Password: f.required("password"), Name: f.text("name"),
		GivenName: f.text("given_name"), FamilyName: f.text("family_name"), Nickname: f.text("nickname"), Picture: f.text("picture"),
		UserMetadata: f.object("user_metadata"),
	}
}

// idOf is a user's id without its provider, as Auth0's signup and identities have it.
func idOf(u *db.User) string {
	if n := len(u.Provider) + 1; len(u.UserID) > n && u.UserID[:n] == u.Provider+"|" {
		return u.UserID[n:]
	}
	return u.UserID
}

// sendReset is POST /dbconnections/change_password, which changes none: it sends a mail.
func (s *server) sendReset(w http.ResponseWriter, r *http.Request) error {
	f, err := readEither(r)
	if err != nil {
		return err
	}
	clientID, email, connection := f.required("client_id"), f.required("email"), f.text("connection")
	if err := f.done(); err != nil {
		return err
	}
	c, err := s.finder.Caller(r, clientID)
	if err != nil {
		return err
	}
	if err := s.flows.RequestPasswordReset(r.Context(), c, connection, email); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("We've just sent you an email to reset your password.")) // the client may be gone
	return nil
}
