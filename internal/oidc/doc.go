// Package oidc is the OpenID provider: the endpoints of OAuth 2.0 and OpenID Connect over HTTP, at the paths that Auth0 has. The rules are
// internal/flows', the routes and the reading of requests zitadel's op, whose Server is implemented here.
//
//	provider.go     what it is made of, and its routes
//	exchange.go     a request on its way through op: who makes it, and how it ends
//	discovery.go    /.well-known/openid-configuration
//	authorize.go    /authorize; client.go is a client as op sees it
//	continue.go     /continue: a user comes back from the site that a hook sent it to
//	answer.go       how a login goes on in the browser: to the application, to a form, to another site; form_post.go
//	token.go        /oauth/token; body.go reads a form or JSON; password.go the grants that op doesn't have
//	inspect.go      /userinfo, /oauth/introspect, /oauth/revoke
//	logout.go       /oidc/logout
//	refuse.go       errors as RFC 6749 has them, and for people
//	cors.go         which web pages may read answers
package oidc
