package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/alexedwards/argon2id"

	"github.com/latchkey-dev/latchkey/db"
)

type usersInput struct {
	Listing

	Connection   string `query:"connection" maxLength:"128" doc:"Only those of this connection."`
	SearchEngine string `query:"search_engine" enum:"v3" doc:"Accepted: there is one."`
}

// filters leave out linked identities: they are part of their account.
func (in *usersInput) filters() []db.Filter {
	f := []db.Filter{db.Unset("linked_to")}
	if in.Connection != "" {
		f = append(f, db.Equal("connection", in.Connection))
	}
	return f
}

func (s *server) users() *resource[db.User, user] {
	return &resource[db.User, user]{
		s: s, name: "user", plural: "users", path: "/users", tag: tagUsers, key: "user_id",
		filter: []string{
			"user_id", "email", "email_verified", "username", "phone_number", "name", "given_name", "family_name", "nickname", "provider", "connection",
			"identities.provider", "identities.connection", "blocked", "created_at", "updated_at",
		},
		sort: []string{"user_id", "email", "username", "name", "given_name", "family_name", "nickname", "created_at", "updated_at"},
		list: ofTenant(s.cfg.Store.Users.List), get: s.getUser, show: s.showUsers, keyOf: func(u *db.User) string { return u.UserID },
	}
}

func (s *server) addUsers() {
	r := s.users()
	addReads[db.User, user, usersInput](r)
	addCreate(r, "A password is kept as its Argon2id hash.", s.createUser)
	addUpdate(r, "user_metadata and app_metadata are merged at the first level.", s.updateUser)
	addDelete(r, "Linked identities go with it.", s.deleteUser)
	add(s, operation{
		id: "list-users-by-email", method: http.MethodGet, path: "/users-by-email", scope: "read:users", tag: tagUsers, summary: "List the users who have an e-mail address",
		answer: s.listOf(typeOf[user](), r.plural),
	}, s.usersByEmail)
}

// getUser reads an account: an identity that is linked to one is none by itself.
func (s *server) getUser(ctx context.Context, c *caller, id string) (db.User, error) {
	u, err := s.cfg.Store.Users.Get(ctx, c.tenant, id)
	if err == nil && u.LinkedTo != nil {
		err = db.ErrNotFound
	}
	return u, err
}

type emailInput struct {
	Selection

	Email string `query:"email" required:"true" minLength:"1" maxLength:"320"`
}

func (s *server) usersByEmail(ctx context.Context, c *caller, in *emailInput) (*listOutput, error) {
	found, err := s.cfg.Store.Users.ByEmail(ctx, c.tenant, in.Email)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(u db.User) bool { return u.LinkedTo != nil })
	rows, err := s.showUsers(ctx, c, found)
	if err != nil {
		return nil, err
	}
	list, err := selectAll(&in.Selection, rows)
	return s.list(list), err
}

// showUsers reads what is kept apart from the rows: linked identities and stats, for all of a page at once.
func (s *server) showUsers(ctx context.Context, c *caller, rows []db.User) ([]user, error) {
	list := make([]user, len(rows))
	if len(rows) == 0 {
		return list, nil
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].UserID
	}
	others, err := s.cfg.Store.Users.LinkedTo(ctx, c.tenant, ids...)
	if err != nil {
		return nil, err
	}
	linked := map[string][]*db.User{}
	for i := range others {
		linked[*others[i].LinkedTo] = append(linked[*others[i].LinkedTo], &others[i])
	}
	all, err := s.cfg.Store.Users.StatsOf(ctx, c.tenant, ids...)
	if err != nil {
		return nil, err
	}
	stats := map[string]*db.UserStats{}
	for i := range all {
		stats[all[i].UserID] = &all[i]
	}
	for i := range rows {
		list[i] = userJSON(&rows[i], linked[rows[i].UserID], stats[rows[i].UserID])
	}
	return list, nil
}

func (s *server) createUser(ctx context.Context, c *caller, b *newUser) (u db.User, err error) {
	in := b.row()
	if err := s.inConnection(ctx, c, &in); err != nil {
		return u, err
	}
	if in.PasswordHash, err = hashOf(b.Password); err != nil {
		return u, err
	}
	return s.cfg.Store.Users.Create(ctx, c.tenant, in)
}

func (s *server) updateUser(ctx context.Context, c *caller, id string, b *changedUser) (db.User, error) {
	u, err := s.getUser(ctx, c, id)
	if err != nil {
		return u, err
	}
	if b.Connection != "" && u.Connection != b.Connection {
		return u, badRequest("connection: a user stays in its connection, which is " + u.Connection + ".")
	}
	in := b.row()
	if in.PasswordHash, err = hashOf(b.Password); err != nil {
		return u, err
	}
	return s.cfg.Store.Users.Update(ctx, c.tenant, id, in)
}

func (s *server) deleteUser(ctx context.Context, c *caller, id string) error {
	if err := s.hasUser(ctx, c, id); err != nil {
		return err
	}
	return s.cfg.Store.Users.Delete(ctx, c.tenant, id)
}

// hashOf is a password's hash. It takes a while, so no transaction waits for it.
func hashOf(password *string) (string, error) {
	if password == nil {
		return "", nil
	}
	return argon2id.CreateHash(*password, argon2id.DefaultParams)
}

// inConnection gives a new user the provider that its connection's strategy is. The default connection needn't be there.
func (s *server) inConnection(ctx context.Context, c *caller, in *db.CreateUser) error {
	in.Provider = "auth0"
	if in.Connection != "" && in.Connection != defaultConnection {
		page, err := s.cfg.Store.Connections.List(ctx, c.tenant, db.ListOptions{Filter: []db.Filter{db.Equal("name", in.Connection)}})
		if err != nil {
			return err
		}
		if len(page.Rows) == 0 {
			return badRequest("connection: there is none of this name.")
		}
		in.Provider = page.Rows[0].Strategy
	}
	if prefix := in.Provider + "|"; in.UserID != "" && !strings.HasPrefix(in.UserID, prefix) {
		in.UserID = prefix + in.UserID
	}
	return nil
}

const defaultConnection = "Username-Password-Authentication"
