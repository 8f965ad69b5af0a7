package authapi

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// sendCode is POST /passwordless/start. The code is redeemed at /oauth/token.
func (s *server) sendCode(w http.ResponseWriter, r *http.Request) error {
	f, err := readEither(r)
	if err != nil {
		return err
	}
	clientID, secret, connection, email, send := f.required("client_id"), f.text("client_secret"), f.required("connection"), f.required("email"), f.text("send")
	request := f.object("authParams")
	if send != "" && send != "code" {
		f.bad = append(f.bad, "send: has to be code, which is what is sent")
	}
	if err := f.done(); err != nil {
		return err
	}
	c, err := s.finder.Caller(r, clientID)
	if err != nil {
		return err
	}
	if err := s.finder.Authenticate(r.Context(), c, secret); err != nil {
		return err
	}
	if err := s.flows.SendCode(r.Context(), c, flows.SendCode{Connection: connection, Address: email, Request: request}); err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		ID            string `json:"_id"` // of nothing: what is known of the address isn't told
		Email         string `json:"email"`
		EmailVerified bool   `json:"email_verified"`
	}{strings.ToLower(rand.Text()[:24]), strings.ToLower(strings.TrimSpace(email)), false})
	return nil
}
