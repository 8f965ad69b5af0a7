package auth

import (
	"slices"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// PostLogin is what its hooks are told: who logs in, where, and how. It is the hook's own, but what its pointers lead to is
// others' too: don't change that.
type PostLogin struct {
	Tenant         Tenant
	User           db.User // with the metadata that earlier hooks of this login set
	Client         Client
	Request        Request // of a login that goes on: the request that came back
	Transaction    Transaction
	Authentication Authentication
	Authorization  Authorization
	Connection     Connection
	Organization   *Organization // nil where the login is in none
	Stats          Stats
	Session        *Session // nil where the browser has none yet
}

// Transaction is the login under way.
type Transaction struct {
	ID    string
	State string // with which pages and other sites come back: /continue?state=...; not the application's own, which hooks don't see

	Audience        string
	ACRValues       []string
	Locale          string
	LoginHint       string
	Prompt          []string
	Protocol        string // oidc-basic-profile, ...
	RedirectURI     string
	RequestedScopes []string
	ResponseType    []string
	ResponseMode    string
}

// Authentication is how the user has authenticated so far.
type Authentication struct {
	Methods []AuthenticationMethod
}

// AuthenticationMethod is one way in which the user proved to be who he is: pwd, email, federated, mfa.
type AuthenticationMethod struct {
	Name      string    `json:"name"`
	Timestamp time.Time `json:"timestamp"`
}

// Used reports whether a method of that name is among them.
func (a Authentication) Used(method string) bool {
	return slices.ContainsFunc(a.Methods, func(m AuthenticationMethod) bool { return m.Name == method })
}

// Authorization is what the user has, as of the login.
type Authorization struct {
	Roles []string // by name
}

// Has reports whether the user has the role of that name.
func (a Authorization) Has(role string) bool { return slices.Contains(a.Roles, role) }

// Connection is where the user authenticated.
type Connection struct {
	ID, Name, Strategy string
}

// Organization is the one that the login is in.
type Organization struct {
	ID, Name, DisplayName string
}

// Stats are the user's, this login included.
type Stats struct {
	LoginsCount int64
}

// Session is the browser's.
type Session struct {
	ID        string
	CreatedAt time.Time
}

// own is a copy for one hook, with what earlier ones made of the user.
func (e *PostLogin) own(sofar *LoginOutcome) (*PostLogin, error) {
	c := *e
	c.Authentication.Methods = slices.Clone(e.Authentication.Methods)
	c.Authorization.Roles = slices.Clone(e.Authorization.Roles)
	c.Transaction.RequestedScopes = slices.Clone(e.Transaction.RequestedScopes)
	var err error
	if c.User.UserMetadata, err = sofar.UserMetadata.into(c.User.UserMetadata); err != nil {
		return nil, err
	}
	c.User.AppMetadata, err = sofar.AppMetadata.into(c.User.AppMetadata)
	return &c, err
}
