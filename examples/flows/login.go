package flows

import (
	"context"

	"github.com/latchkey-dev/latchkey/auth"
)

// RequireMFA shows admins who came without a second factor the form that enrolls one, and lets them in when they have it.
func RequireMFA(flows *auth.Hooks, formID string) {
	flows.PostLogin("require-mfa", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
		isAdmin := ev.Authorization.Has("admin")
		hasMFA := ev.Authentication.Used("mfa")
		if isAdmin && !hasMFA {
			api.Prompt.Render(formID)
		}
		return nil
	})
	flows.OnContinuePostLogin("require-mfa", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
		if !ev.Authentication.Used("mfa") {
			api.Access.Deny("Admins need a second factor")
		}
		return nil
	})
}

// AcceptTerms sends users who haven't accepted the terms to a site that asks them, and believes what that site signs. The site gets
// who is asked in session_token, and sends the user back with a session_token of its own: {"state": ..., "exp": ..., "accepted": true}.
func AcceptTerms(flows *auth.Hooks, site, secret string) {
	flows.PostLogin("accept-terms", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
		accepted, err := auth.Metadata[bool](ev.User.AppMetadata, "terms_accepted")
		if err != nil || accepted {
			return err
		}
		token, err := api.Redirect.EncodeToken(auth.RedirectToken{Secret: secret, Payload: map[string]string{"locale": ev.Transaction.Locale}})
		if err != nil {
			return err
		}
		api.Redirect.SendUserTo(site, map[string]string{"session_token": token})
		return nil
	})
	flows.OnContinuePostLogin("accept-terms", func(_ context.Context, _ *auth.PostLogin, api auth.PostLoginAPI) error {
		answer := api.Redirect.ValidateToken(auth.RedirectCheck{Secret: secret})
		if string(answer["accepted"]) != "true" {
			api.Access.Deny("The terms have to be accepted")
			return nil
		}
		api.User.SetAppMetadata("terms_accepted", true)
		api.IDToken.SetCustomClaim("https://example.com/terms", "accepted")
		return nil
	})
}
