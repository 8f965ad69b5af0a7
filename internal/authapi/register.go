package authapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// account is a user as FullAuth's endpoints show one: what it may know of itself.
type account struct {
	ID            string          `json:"user_id"`
	Email         *string         `json:"email"`
	EmailVerified bool            `json:"email_verified"`
	Username      *string         `json:"username,omitempty"`
	Name          *string         `json:"name,omitempty"`
	GivenName     *string         `json:"given_name,omitempty"`
	FamilyName    *string         `json:"family_name,omitempty"`
	Nickname      *string         `json:"nickname,omitempty"`
	Picture       *string         `json:"picture,omitempty"`
	UserMetadata  json.RawMessage `json:"user_metadata"`
	CreatedAt     time.Time       `json:"created_at"`
}

func accountOf(u *db.User) account {
	return account{
		u.UserID, u.Email, u.EmailVerified, u.Username, u.Name, u.GivenName, u.FamilyName, u.Nickname, u.Picture, u.UserMetadata, u.CreatedAt,
	}
}

// register is POST /auth/register.
func (s *server) register(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	clientID, in := f.text("client_id"), signupOf(f)
	if err := f.only(); err != nil {
		return err
	}
	c, err := s.caller(r, clientID)
	if err != nil {
		return err
	}
	u, err := s.flows.Signup(r.Context(), c, in)
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, accountOf(&u))
	return nil
}

// request reads the body of an endpoint that has a mail sent.
func (s *server) request(r *http.Request) (c flows.Caller, connection, email string, err error) {
	f, err := readJSON(r)
	if err != nil {
		return c, "", "", err
	}
	clientID, connection, email := f.text("client_id"), f.text("connection"), f.required("email")
	if err := f.only(); err != nil {
		return c, "", "", err
	}
	c, err = s.caller(r, clientID)
	return c, connection, email, err
}

// accepted says the same whether or not there is an account.
func accepted(w http.ResponseWriter) {
	answer(w, http.StatusAccepted, struct {
		Message string `json:"message"`
	}{"If there is such an account, a mail is on its way."})
}

// requestReset is POST /auth/password-reset/request.
func (s *server) requestReset(w http.ResponseWriter, r *http.Request) error {
	c, connection, email, err := s.request(r)
	if err == nil {
		err = s.flows.RequestPasswordReset(r.Context(), c, connection, email)
	}
	if err != nil {
		return err
	}
	accepted(w)
	return nil
}

// requestVerification is POST /auth/verify-email/request.
func (s *server) requestVerification(w http.ResponseWriter, r *http.Request) error {
	c, connection, email, err := s.request(r)
	if err == nil {
		err = s.flows.RequestVerification(r.Context(), c, connection, email)
	}
	if err != nil {
		return err
	}
	accepted(w)
	return nil
}

// confirmReset is POST /auth/password-reset/confirm.
func (s *server) confirmReset(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	clientID, token, password := f.text("client_id"), f.required("token"), f.required("new_password")
	if err := f.only(); err != nil {
		return err
	}
	c, err := s.caller(r, clientID)
	if err == nil {
		_, _, err = s.flows.ResetPassword(r.Context(), c, token, password)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// confirmVerification is POST /auth/verify-email/confirm.
func (s *server) confirmVerification(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	clientID, token := f.text("client_id"), f.required("token")
	if err := f.only(); err != nil {
		return err
	}
	c, err := s.caller(r, clientID)
	if err != nil {
		return err
	}
	u, _, err := s.flows.VerifyEmail(r.Context(), c, token)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, accountOf(&u))
	return nil
}
