// Package flows has hooks on registration, login and users that many services want, to copy from: each function registers one.
//
//	registration.go  domains that are blocked; a profile that is enriched at signup
//	login.go         a second factor for admins; terms that another site has users accept
//	users.go         an e-mail address that is locked, a user who is protected, and who is told of a deletion
package flows

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
)

// BlockDomains refuses addresses of these domains, as soon as one is entered.
func BlockDomains(flows *auth.Hooks, domains ...string) {
	flows.ValidateRegistrationUsername("block-domains", func(_ context.Context, ev *auth.RegistrationAttempt, api auth.ValidateRegistrationAPI) error {
		_, domain, _ := strings.Cut(ev.User.Email, "@")
		if slices.Contains(domains, domain) {
			api.Deny("Signups from disposable email providers are not allowed")
		}
		return nil
	})
}

// EnrichProfile notes in user_metadata when and from where a user signed up.
func EnrichProfile(flows *auth.Hooks) {
	flows.PreUserRegistration("enrich-profile", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
		api.User.SetUserMetadata("signup_date", time.Now().UTC())
		api.User.SetUserMetadata("signup_ip", ev.Request.IP)
		api.User.SetUserMetadata("signup_country", ev.Request.GeoIP.CountryCode)
		return nil
	})
}
