package auth

// PostLoginAPI is what a PostLogin hook may do with the login. What it says takes effect when the hook has returned; if the hook
// fails, nothing of it does.
type PostLoginAPI struct {
	Access      Access
	Prompt      Prompt
	Redirect    Redirect
	IDToken     TokenClaims // the claims of the ID token
	AccessToken TokenClaims // and of the access token
	User        LoginUser
	Token       Tokens
}

// Access refuses.
type Access struct{ said *said }

// Deny refuses, with a reason for the user and the code access_denied; hooks.Reject, returned, has a code of one's own. The
// hook goes on until it returns, and the first refusal counts, whatever else was said.
func (a Access) Deny(reason string) { a.said.refuse("access_denied", reason, "Access was denied") }

// Prompt shows forms.
type Prompt struct{ said *said }

// Render suspends the login and has the user fill in a form of the tenant's, by its id. The login goes on with the OnContinuePostLogin
// hook of the same name, and then the hooks behind this one. It takes a redirect's place, and the other way round: the last call counts.
func (p Prompt) Render(formID string) {
	if formID == "" {
		p.said.wrong(errNoForm)
		return
	}
	p.said.suspend("", formID)
}

// LoginUser changes the user. What it sets is written when the login succeeds.
type LoginUser struct{ UserMetadata }

// SetAppMetadata sets a member of the user's app_metadata, as SetUserMetadata does with user_metadata.
func (u LoginUser) SetAppMetadata(key string, value any) {
	u.said.set(func(s *said) *Members { return &s.app }, "app metadata", key, value)
}

func (s *said) suspend(redirect, form string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirect, s.form = redirect, form
}
