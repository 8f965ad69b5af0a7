// Package auth is where hooks on authentication are registered: on the flows, which they may refuse, change or suspend, and on
// what happened, which they are told of.
//
// # Flows
//
// Each hook is given what it is asked about, and an API with what it may do there:
//
//	reg := db.NewHooks()
//	flows := auth.NewHooks(reg)
//	flows.PostLogin("require-mfa", func(ctx context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
//		if ev.Authorization.Has("admin") && !ev.Authentication.Used("mfa") {
//			api.Prompt.Render("mfa-enrollment-form")
//		}
//		return nil
//	})
//
//	ValidateRegistrationUsername  an address was entered to sign up with: may deny
//	PreUserRegistration           in the transaction that inserts a user: may deny, set metadata
//	PostUserRegistration          from the log, for every committed user
//	PostLogin                     after the user authenticated, before any token: may deny, send elsewhere, show a form, add claims, set metadata
//	OnContinuePostLogin           the user came back from there: may do the same
//	PreUserUpdate                 in the transaction that updates a user: may cancel, set metadata
//	PreUserDeletion               in the transaction that deletes a user: may cancel
//	PostUserDeletion              from the log, for every committed delete of a user
//	CredentialsExchange           before an application gets a token in its own name: may deny, add claims
//
// All of them fail closed: an error, a panic or a missed deadline ends what was asked about, but for the two that run from the log,
// which are tried again. No hook registered costs nothing. A hook on users is known as pre-user-update:name and the like in logs,
// metrics and hookstest, one on a flow by its name, of the flow post-login.
//
// The hooks on users run with every store and listener of the catalogue. The others run where a server calls [Hooks.RunPostLogin] and
// its like; this is also how a test runs them. What APIs need of the program, [Hooks.Serve] gives them.
//
// # Events
//
// Each event has a payload type of its own, so a hook for another doesn't compile:
//
//	auth.On(flows, auth.AfterLogin, "audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e auth.Login) error {
//		_, err := tx.Exec(ctx, `insert into audit (who, what) values ($1, 'login')`, e.User.UserID)
//		return err
//	})
//
// An event is a committed row, and its hooks are after-hooks as all others: from the write-ahead log, each once, whoever wrote
// the row, in the order of their registration. Where the fact is a row itself, it is that row ([AfterRegister],
// [AfterEmailVerify]); the others are rows of auth.auth_events, which [Raise] writes in the transaction of what happened. The token
// of a mail is sealed in its row by [RaiseSendEmail], and opened for the hook.
// The server's flows raise them, and so may a service's own.
//
//	hooks.go           Hooks; registration on events
//	on_flows.go        registration on flows
//	on_users.go        registration on users, and how these hooks come from rows
//	registration.go    ValidateRegistrationUsername: its event, its API, running it
//	users.go           what hooks on users are told, and may do
//	login.go           what PostLogin hooks are told
//	login_api.go       what they may do; claims.go, redirect.go and redirect_token.go have the longer parts
//	login_run.go       running them, and going on after a suspension
//	exchange.go        CredentialsExchange: its event, its API, running it
//	request.go         the tenant, request and client that hooks see
//	metadata.go        reading and setting metadata; what a hook said by its API
//	services.go        service tokens, and what the program serves
//	events.go          the events and what their hooks are given
//	sources.go         which row is which event
//	raise.go, mail.go  writing the rows that have no other source
package auth
