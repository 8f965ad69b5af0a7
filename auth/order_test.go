package auth_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// What happens to a user is told in the order in which it happened, whichever table it comes from.
func TestOneUsersOrder(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	var mu sync.Mutex
	told := map[string][]string{}
	for _, name := range []string{"after_register", "after_login", "after_logout", "after_email_verify"} {
		auth.On(flows, auth.Named(name), "order", func(_ context.Context, _ hooks.Tx, _ hooks.Event, e auth.Occurrence) error {
			mu.Lock()
			defer mu.Unlock()
			told[e.UserID] = append(told[e.UserID], e.Event)
			return nil
		})
	}
	env := hookstest.New(t, reg)
	var ids []string
	for i := range 20 {
		id := fmt.Sprint("user", i)
		ids = append(ids, id)
		if err := env.Store.InTx(t.Context(), func(tx *db.Tx) error {
			u, err := tx.Users.Create(t.Context(), tenant, db.CreateUser{UserID: id})
			if err != nil {
				return err
			}
			for range 3 {
				if err := auth.Raise(t.Context(), tx.AuthEvents, tenant, auth.AfterLogin, auth.Login{User: u}); err != nil {
					return err
				}
				if err := auth.Raise(t.Context(), tx.AuthEvents, tenant, auth.AfterLogout, auth.Logout{UserID: id}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		env.SQL(`update auth.users set email_verified = true where user_id = $1`, id)
	}
	env.CatchUp()
	want := []string{"after_register", "after_login", "after_logout", "after_login", "after_logout", "after_login", "after_logout", "after_email_verify"}
	for _, id := range ids {
		if !slices.Equal(told[id], want) {
			t.Errorf("of %s was told %v, want %v", id, told[id], want)
		}
	}
}
