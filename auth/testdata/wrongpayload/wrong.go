// Package wrongpayload must not compile: lines 16 and 17 are mistakes.
package wrongpayload

import (
	"context"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func logout(context.Context, hooks.Tx, hooks.Event, auth.Logout) error { return nil }

func wrong(ctx context.Context, flows *auth.Hooks, tx *db.Tx) error {
	auth.On(flows, auth.AfterLogout, "fine", logout)
	auth.On(flows, auth.AfterLogin, "another event's payload", logout)
	return auth.Raise(ctx, tx.AuthEvents, "acme", auth.AfterRegister, auth.Registration{})
}
