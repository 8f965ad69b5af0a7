package recipes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// DefaultPermissions gives each new resource server three permissions. They are made in the hook's transaction, by the
// repository, so their own hooks run too.
func DefaultPermissions(reg *db.Hooks, store func() *db.Store) {
	reg.ResourceServers.AfterCreate("default-permissions", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.ResourceServer) error {
		for _, p := range []struct{ name, description string }{
			{"read:all", "Read all resources"},
			{"write:all", "Write all resources"},
			{"delete:all", "Delete all resources"},
		} {
			_, err := store().With(tx).Permissions.Create(ctx, row.TenantID, db.CreatePermission{
				PermissionRef: db.PermissionRef{ResourceServerIdentifier: row.Identifier, PermissionName: p.name}, Description: p.description,
			})
			var conflict *db.Conflict
			if err != nil && !errors.As(err, &conflict) { // whoever made the server may have made it already
				return err
			}
		}
		return nil
	})
}

// DefaultRole gives each new role some permissions to begin with.
func DefaultRole(reg *db.Hooks, store func() *db.Store, permissions ...db.PermissionRef) {
	reg.Roles.AfterCreate("default-role", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		_, err := store().With(tx).RolePermissions.Assign(ctx, row.TenantID, row.ID, permissions...)
		if errors.Is(err, db.ErrNotFound) { // the role is gone by now: the event is of the past
			return nil
		}
		return err
	})
}

// SyncRoles tells each resource server what its permissions of a role are now, by PUT BASE/api/roles/NAME, where base gives
// the address of a server. A call that fails is made again by itself, and one role's calls come in order.
//
// It reads through the store, not through the hook's transaction, which so never begins: no call over the network is made
// while a transaction is open.
func SyncRoles(reg *db.Hooks, store func() *db.Store, client *http.Client, base func(identifier string) string) {
	sync := func(ctx context.Context, _ hooks.Tx, _ hooks.Event, ref db.RoleRef, touched []db.PermissionRef) error {
		role, err := store().Roles.Get(ctx, ref.TenantID, ref.RoleID)
		if errors.Is(err, db.ErrNotFound) { // its AfterDelete is the place to tell
			return nil
		}
		if err != nil {
			return err
		}
		now, err := store().RolePermissions.List(ctx, ref.TenantID, ref.RoleID)
		if err != nil {
			return err
		}
		servers := map[string][]string{}
		for _, p := range touched {
			servers[p.ResourceServerIdentifier] = []string{}
		}
		for _, p := range now {
			if names, ok := servers[p.ResourceServerIdentifier]; ok {
				servers[p.ResourceServerIdentifier] = append(names, p.PermissionName)
			}
		}
		for identifier, names := range servers {
			if err := send(ctx, client, http.MethodPut, base(identifier)+"/api/roles/"+url.PathEscape(role.Name), map[string][]string{"permissions": names}); err != nil {
				return err
			}
		}
		return nil
	}
	reg.RolePermissions.AfterAssign("sync", sync)
	reg.RolePermissions.AfterRemove("sync", sync)
}

// send makes a call with a JSON body, and any answer but 2xx an error.
func send[Body any](ctx context.Context, client *http.Client, method, address string, body Body) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, address, answer.Status)
	}
	return nil
}
