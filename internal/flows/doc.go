// Package flows is what happens when people sign up, log in, log out and change their passwords: the rules, the hooks in their
// order, what is written in which transaction, the lines in the tenant's log. It knows no HTTP and no page: the provider
// (internal/oidc), the authentication API (internal/authapi) and the pages (internal/pages) call it, and each shows what came of
// it in its own way.
//
// Accounts: signup.go makes users. password.go says whose a password is, lockout.go how often one may try, passwords.go what a password and
// its hash are. codes.go sends and takes codes, verification.go and reset.go links by mail, which tickets.go makes. connection.go is where users
// are looked for, logs.go how all of it gets into the tenant's log.
package flows
