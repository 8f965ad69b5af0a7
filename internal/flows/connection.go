package flows

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
)

// The strategies of connections whose users prove who they are here.
const (
	strategyDatabase = "auth0" // an e-mail address or username, and a password
	strategyEmail    = "email" // a code by e-mail
)

// connectionOptions is what of a connection's options the flows go by.
type connectionOptions struct {
	DisableSignup      bool   `json:"disable_signup"`
	RequiresUsername   bool   `json:"requires_username"`
	PasswordPolicy     string `json:"passwordPolicy"` // none, low, fair, good, excellent
	PasswordComplexity struct {
		MinLength int `json:"min_length"`
	} `json:"password_complexity_options"`
	// PreventEnumeration makes a signup with an address that is taken look like any other, see [Flows.Signup].
	PreventEnumeration bool `json:"prevent_enumeration"`
}

// usable is what a flow knows of the connection that it runs in.
type usable struct {
	db.Connection
	options connectionOptions
}

// connection reads the one of that name, or the only one of the strategy where there is no name. It has to be one that the
// application may use; without an application it is any.
func (f *Flows) connection(ctx context.Context, c *Caller, name, strategy string) (usable, error) {
	filter := []db.Filter{db.Equal("strategy", strategy)}
	if name != "" {
		filter = append(filter, db.Equal("name", name))
	}
	page, err := f.cfg.Store.Connections.List(ctx, c.Tenant.ID, db.ListOptions{Filter: filter})
	if err != nil {
		return usable{}, err
	}
	rows := slices.DeleteFunc(page.Rows, func(con db.Connection) bool {
		return c.Client != nil && !slices.Contains(con.EnabledClients, c.Client.ClientID)
	})
	if len(rows) != 1 {
		return usable{}, errNoConnection()
	}
	u := usable{Connection: rows[0]}
	if err := json.Unmarshal(u.Options, &u.options); err != nil {
		return usable{}, fmt.Errorf("flows: options of connection %s: %w", u.Name, err)
	}
	return u, nil
}

// userIn reads the user of a connection that an e-mail address or username belongs to; nil where there is none.
func (f *Flows) userIn(ctx context.Context, c *Caller, con *usable, identifier string) (*db.User, error) {
	u, err := f.cfg.Store.Users.In(ctx, c.Tenant.ID, con.Name, identifier)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil //nolint:nilnil // nobody is an answer, which must take as long as another
	}
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// newUserID makes an id beforehand, of the form that Auth0's have: an answer may need one for a user that there isn't.
func newUserID(con *usable) string {
	id := make([]byte, 12)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	return con.Strategy + "|" + hex.EncodeToString(id)
}

// account is the user that an identity belongs to: itself, unless it is linked.
func (f *Flows) account(ctx context.Context, identity *db.User) (db.User, error) {
	if identity.LinkedTo == nil {
		return *identity, nil
	}
	return f.cfg.Store.Users.Get(ctx, identity.TenantID, *identity.LinkedTo)
}

func errNoConnection() error {
	return &Refused{Code: "invalid_request", Description: "There is no such connection, or the application may not use it."}
}
