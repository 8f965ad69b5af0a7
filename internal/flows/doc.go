// Package flows is what happens when people sign up, log in, log out and change their passwords: the rules, the hooks in their
// order, what is written in which transaction, the lines in the tenant's log. It knows no HTTP and no page: the provider
// (internal/oidc), the authentication API (internal/authapi) and the pages (internal/pages) call it, and each shows what came of
// it in its own way.
package flows
