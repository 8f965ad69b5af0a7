package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// link names the account that becomes an identity of another.
type link struct {
	Provider     string `json:"provider" minLength:"1" maxLength:"100"`
	UserID       string `json:"user_id" minLength:"1" maxLength:"600" doc:"With the provider in front or without."`
	ConnectionID string `json:"connection_id,omitempty" maxLength:"100" doc:"Only an identity of this connection."`
}

type (
	identitiesOutput struct {
		Body []identity `nullable:"false"`
	}
	identityInput struct {
		ID       string `path:"id" maxLength:"600"`
		Provider string `path:"provider" maxLength:"100"`
		UserID   string `path:"user_id" maxLength:"600"`
	}
)

func (s *server) addIdentities() {
	add(s, operation{
		id: "link-identity", method: http.MethodPost, path: "/users/{id}/identities", scope: "update:users", tag: tagUsers, summary: "Link an account to a user",
		status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true,
		about: "The account becomes an identity of the user, and what was linked to it too.",
	}, s.linkIdentity)
	add(s, operation{
		id: "unlink-identity", method: http.MethodDelete, path: "/users/{id}/identities/{provider}/{user_id}", scope: "update:users", tag: tagUsers,
		summary: "Unlink an identity from a user", change: true, about: "It is an account of its own again.",
	}, s.unlinkIdentity)
}

func (s *server) linkIdentity(ctx context.Context, c *caller, in *changed[link]) (*identitiesOutput, error) {
	other := identityID(in.Body.Provider, in.Body.UserID)
	if err := s.linkable(ctx, c, other, in.Body.ConnectionID); err != nil {
		return nil, err
	}
	return identitiesAnswer(s.cfg.Store.Users.Link(ctx, c.tenant, in.ID, other))
}

// linkable says what is wrong with the account that is to be linked, where that isn't for the store to say.
func (s *server) linkable(ctx context.Context, c *caller, id, connectionID string) error {
	u, err := s.cfg.Store.Users.Get(ctx, c.tenant, id)
	if errors.Is(err, db.ErrNotFound) {
		return badRequest("user_id: there is no such account.")
	}
	if err != nil || connectionID == "" {
		return err
	}
	connection, err := s.cfg.Store.Connections.Get(ctx, c.tenant, connectionID)
	if errors.Is(err, db.ErrNotFound) || err == nil && connection.Name != u.Connection {
		return badRequest("connection_id: the account is of another connection.")
	}
	return err
}

func (s *server) unlinkIdentity(ctx context.Context, c *caller, in *identityInput) (*identitiesOutput, error) {
	return identitiesAnswer(s.cfg.Store.Users.Unlink(ctx, c.tenant, in.ID, identityID(in.Provider, in.UserID)))
}

// identityID is a user's id of its parts.
func identityID(provider, id string) string {
	if len(id) > len(provider) && id[:len(provider)+1] == provider+"|" {
		return id
	}
	return provider + "|" + id
}

// identitiesAnswer shows an account's identities, its own first.
func identitiesAnswer(all []db.User, err error) (*identitiesOutput, error) {
	if err != nil {
		return nil, err
	}
	linked := make([]*db.User, 0, len(all))
	for i := range all[1:] {
		linked = append(linked, &all[i+1])
	}
	return &identitiesOutput{identities(&all[0], linked)}, nil
}
