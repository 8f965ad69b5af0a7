// Package auth is where hooks on what happens in authentication are registered: a user registered, logged in, asked for a
// mail. Each event has a payload type of its own, so a hook for another doesn't compile:
//
//	reg := db.NewHooks()
//	flows := auth.NewHooks(reg)
//	auth.On(flows, auth.AfterLogin, "audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e auth.Login) error {
//		_, err := tx.Exec(ctx, `insert into audit (who, what) values ($1, 'login')`, e.User.UserID)
//		return err
//	})
//
// An event is a committed row, and its hooks are after-hooks as all others: from the write-ahead log, each once, whoever wrote
// the row, in the order of their registration. Where the fact is a row itself, it is that row ([AfterRegister],
// [AfterEmailVerify]); the others are rows of auth.auth_events, which [Raise] writes in the transaction of what happened.
// The server's flows raise them, and so may a service's own.
//
//	events.go   the events and what their hooks are given
//	hooks.go    registration
//	sources.go  which row is which event
//	raise.go    writing the rows that have no other source
package auth
