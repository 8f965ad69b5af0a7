package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// RedirectToken is a token for the site that a user is sent to.
type RedirectToken struct {
	Secret    string        // shared with the other site; 32 random bytes or more
	Payload   any           // what encoding/json makes a JSON object of; without the claims state, sub, iat and exp, which are set
	ExpiresIn time.Duration // 15 minutes if 0
}

// RedirectCheck says how to read the token with which a user comes back.
type RedirectCheck struct {
	Secret    string
	Parameter string // of the query or the form; session_token if empty
}

const (
	redirectLifetime  = 15 * time.Minute
	redirectParameter = "session_token"
	redirectType      = "redirect+jwt" // of tokens on their way out
)

var errNoSecret = errors.New("auth: redirect token: the secret is empty, and anyone could sign")

// EncodeToken makes a JWT, signed with the secret by HS256, for the query of SendUserTo: it tells the other site what the payload
// says, about whom (sub, the user's id), and in which login (state). It passes through the user's hands, who can read it.
func (r Redirect) EncodeToken(t RedirectToken) (string, error) {
	if t.Secret == "" {
		return "", errNoSecret
	}
	if r.ev == nil || r.ev.Transaction.State == "" {
		return "", errors.New("auth: redirect token: the login has no state to bind it to: PostLogin.Transaction.State is empty")
	}
	claims, err := payloadOf(t.Payload)
	if err != nil {
		return "", fmt.Errorf("auth: redirect token: payload: %w", err)
	}
	if t.ExpiresIn == 0 {
		t.ExpiresIn = redirectLifetime
	}
	now := time.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(t.Secret)}, (&jose.SignerOptions{}).WithType(redirectType))
	if err != nil {
		return "", fmt.Errorf("auth: redirect token: %w", err)
	}
	text, err := json.Marshal(struct {
		jwt.Claims
		State string `json:"state"`
	}{jwt.Claims{Subject: r.ev.User.UserID, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(t.ExpiresIn))}, r.ev.Transaction.State})
	if err == nil {
		text, err = claims.into(text)
	}
	if err != nil {
		return "", fmt.Errorf("auth: redirect token: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("auth: redirect token: %w", err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("auth: redirect token: %w", err)
	}
	return raw, nil
}

func payloadOf(payload any) (Members, error) {
	claims := Members{}
	text, err := json.Marshal(payload)
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		return nil, err
	}
	for _, ours := range []string{"state", "sub", "iat", "exp"} {
		if _, theirs := claims[ours]; theirs {
			return nil, fmt.Errorf("%q is set already: give yours another name", ours)
		}
	}
	return claims, nil // nil of a payload that is null
}

// ValidateToken reads the token with which a user came back, in an OnContinuePostLogin hook: a JWT that the other site signed with the
// secret by HS256, with this login's state as the claim state, and with an expiry, exp, that isn't over. It is nil for anything else,
// also for a token that [Redirect.EncodeToken] made: the user had that one in hand, and could bring it back by himself. An empty secret
// fails the hook.
func (r Redirect) ValidateToken(c RedirectCheck) Members {
	if r.ev == nil {
		return nil
	}
	if c.Secret == "" {
		r.said.wrong(errNoSecret)
		return nil
	}
	if c.Parameter == "" {
		c.Parameter = redirectParameter
	}
	given := append(append([]string(nil), r.ev.Request.Query[c.Parameter]...), r.ev.Request.Form[c.Parameter]...)
	if len(given) != 1 {
		return nil
	}
	parsed, err := jwt.ParseSigned(given[0], []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].ExtraHeaders[jose.HeaderType] == redirectType {
		return nil
	}
	var all map[string]json.RawMessage
	var read struct {
		jwt.Claims
		State string `json:"state"`
	}
	if parsed.Claims([]byte(c.Secret), &all, &read) != nil || read.Expiry == nil || read.State == "" || read.State != r.ev.Transaction.State {
		return nil
	}
	if read.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, 0) != nil {
		return nil
	}
	return all
}
