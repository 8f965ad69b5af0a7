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
	if other == in.ID {
		return nil, badRequest("user_id: a user can't be linked to itself.")
	}
	err := s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		primary, err := tx.Users.Get(ctx, c.tenant, in.ID)
		if err != nil {
			return err
		}
		if primary.LinkedTo != nil {
			return db.ErrNotFound
		}
		all, err := tx.Users.Identities(ctx, c.tenant, other)
		if errors.Is(err, db.ErrNotFound) {
			return badRequest("user_id: there is no such account.")
		}
		if err != nil {
			return err
		}
		if all[0].LinkedTo != nil {
			return conflict("The account is linked to a user already: unlink it first.")
		}
		if err := ofConnection(ctx, tx, &all[0], in.Body.ConnectionID); err != nil {
			return err
		}
		for i := len(all) - 1; i >= 0; i-- { // its own last
			if _, err := tx.Users.Update(ctx, c.tenant, all[i].UserID, db.UpdateUser{LinkedTo: db.Set(in.ID)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.identitiesOf(ctx, c, in.ID)
}

func ofConnection(ctx context.Context, tx *db.Tx, u *db.User, id string) error {
	if id == "" {
		return nil
	}
	connection, err := tx.Connections.Get(ctx, u.TenantID, id)
	if errors.Is(err, db.ErrNotFound) || err == nil && connection.Name != u.Connection {
		return badRequest("connection_id: the account is of another connection.")
	}
	return err
}

func (s *server) unlinkIdentity(ctx context.Context, c *caller, in *identityInput) (*identitiesOutput, error) {
	id := identityID(in.Provider, in.UserID)
	err := s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		u, err := tx.Users.Get(ctx, c.tenant, id)
		if err != nil {
			return err
		}
		if u.LinkedTo == nil || *u.LinkedTo != in.ID {
			return db.ErrNotFound
		}
		_, err = tx.Users.Update(ctx, c.tenant, id, db.UpdateUser{LinkedTo: db.Null[string]()})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.identitiesOf(ctx, c, in.ID)
}

// identityID is a user's id of its parts.
func identityID(provider, id string) string {
	if len(id) > len(provider) && id[:len(provider)+1] == provider+"|" {
		return id
	}
	return provider + "|" + id
}

func (s *server) identitiesOf(ctx context.Context, c *caller, id string) (*identitiesOutput, error) {
	all, err := s.cfg.Store.Users.Identities(ctx, c.tenant, id)
	if err != nil {
		return nil, err
	}
	linked := make([]*db.User, 0, len(all)-1)
	for i := range all[1:] {
		linked = append(linked, &all[i+1])
	}
	return &identitiesOutput{identities(&all[0], linked)}, nil
}
