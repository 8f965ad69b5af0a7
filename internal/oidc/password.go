package oidc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// byPassword answers the grants in which an application hands over what its user typed: a password, or a code that came by mail. A client may do
// that only if its grant_types name it.
func (p *Provider) byPassword(x *exchange, grant string) {
	ctx := x.r.Context()
	as, err := credentials(x.r)
	if err == nil {
		err = p.authenticate(ctx, x, &as)
	}
	if err == nil && !flows.Allows(x.caller.Client, grant) {
		err = p.notAllowed(ctx, x, grant)
	}
	var tokens flows.Tokens
	if err == nil {
		tokens, err = p.loginDirectly(ctx, x.caller, grant, x.r.PostForm)
	}
	if err != nil {
		p.fail(x, err)
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	_ = json.NewEncoder(x.w).Encode(answerOf(tokens)) // the client may be gone
}

func (p *Provider) loginDirectly(ctx context.Context, c flows.Caller, grant string, form url.Values) (tokens flows.Tokens, err error) {
	needed := []string{"username", "password"}
	if grant == flows.GrantOTP {
		needed = []string{"username", "otp"}
	}
	if grant != flows.GrantPassword {
		needed = append(needed, "realm")
	}
	for _, name := range needed {
		if form.Get(name) == "" {
			return tokens, invalid("%s is missing.", name)
		}
	}
	var who flows.Authenticated
	switch grant {
	case flows.GrantPassword:
		who, err = p.cfg.Flows.CheckPassword(ctx, c, c.Tenant.DefaultDirectory, form.Get("username"), form.Get("password"))
	case flows.GrantPasswordRealm:
		who, err = p.cfg.Flows.CheckPassword(ctx, c, form.Get("realm"), form.Get("username"), form.Get("password"))
	default:
		who, err = p.cfg.Flows.CheckCode(ctx, c, form.Get("realm"), form.Get("username"), form.Get("otp"))
	}
	if err != nil {
		return tokens, err
	}
	scope := strings.Fields(form.Get("scope"))
	if !form.Has("scope") {
		scope = []string{"openid", "profile", "email"} // as Auth0 has it
	}
	g, err := p.cfg.Flows.Direct(ctx, c, who, form.Get("audience"), scope)
	if err != nil {
		return tokens, err
	}
	return p.cfg.Flows.Issue(ctx, c, g)
}
