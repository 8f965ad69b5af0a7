package authapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// defaultScope is what a login asks for that doesn't say: who the user is, and a refresh token.
const defaultScope = "openid profile email offline_access"

// mostClients is how many are looked at for the one that a request doesn't name.
const mostClients = 100

// publicClient is the token_endpoint_auth_method of clients that can't keep a secret.
const publicClient = "none"

// caller is the tenant and the application of a request to FullAuth's endpoints. They are called without one as well: then it is the
// tenant's only public application of a first party that may use the password grant, and nobody where there isn't just one.
func (s *server) caller(r *http.Request, clientID string) (flows.Caller, error) {
	c, err := s.finder.Caller(r, clientID)
	if err != nil || clientID != "" {
		return c, err
	}
	page, err := s.finder.Store.Clients.List(r.Context(), c.Tenant.ID, db.ListOptions{PerPage: mostClients, Filter: []db.Filter{db.Equal("is_first_party", "true")}})
	if err != nil {
		return c, err
	}
	all := len(page.Rows) < mostClients
	found := slices.DeleteFunc(page.Rows, func(client db.Client) bool {
		return client.TokenEndpointAuthMethod != publicClient || !mayLogIn(&client)
	})
	if all && len(found) == 1 {
		c.Client = &found[0]
	}
	return c, nil
}

func mayLogIn(client *db.Client) bool { return slices.Contains(client.GrantTypes, flows.GrantPassword) }

// client is caller for what gives tokens, which are an application's: it has to be there, and to authenticate if it has a secret.
func (s *server) client(r *http.Request, clientID, secret string) (flows.Caller, error) {
	c, err := s.caller(r, clientID)
	if err != nil {
		return c, err
	}
	if c.Client == nil {
		return c, invalid("client_id: is required, as the tenant has not just one public application of a first party with the grant type password")
	}
	return c, s.finder.Authenticate(r.Context(), c, secret)
}

// tokens is what logins and refreshes answer.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope,omitempty"`
}

func answerTokens(w http.ResponseWriter, t *flows.Tokens) {
	answer(w, http.StatusOK, tokens{t.AccessToken, t.RefreshToken, t.IDToken, t.TokenType, t.ExpiresIn, t.Scope})
}

// login is POST /auth/login: the password grant, in JSON.
func (s *server) login(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	clientID, secret, connection := f.text("client_id"), f.text("client_secret"), f.text("connection")
	email, username, password := f.text("email"), f.text("username"), f.required("password")
	audience, scope := f.text("audience"), f.text("scope")
	if (email == "") == (username == "") {
		f.bad = append(f.bad, "email: either it or username is required")
	}
	if err := f.only(); err != nil {
		return err
	}
	c, err := s.client(r, clientID, secret)
	if err != nil {
		return err
	}
	if !mayLogIn(c.Client) {
		return &flows.Refused{Code: "unauthorized_client", Description: "The client's grant_types don't have password."}
	}
	who, err := s.flows.CheckPassword(r.Context(), c, connection, email+username, password)
	if err != nil {
		return err
	}
	if scope == "" {
		scope = defaultScope
	}
	grant, err := s.flows.Direct(r.Context(), c, who, audience, strings.Fields(scope))
	if err != nil {
		return err
	}
	given, err := s.flows.Issue(r.Context(), c, grant)
	if err != nil {
		return err
	}
	answerTokens(w, &given)
	return nil
}

// refresh is POST /auth/refresh.
func (s *server) refresh(w http.ResponseWriter, r *http.Request) error {
	f, err := readJSON(r)
	if err != nil {
		return err
	}
	clientID, secret, token := f.text("client_id"), f.text("client_secret"), f.required("refresh_token")
	if err := f.only(); err != nil {
		return err
	}
	c, err := s.client(r, clientID, secret)
	if err != nil {
		return err
	}
	given, err := s.flows.Refresh(r.Context(), c, token, nil)
	if err != nil {
		return err
	}
	answerTokens(w, &given)
	return nil
}
