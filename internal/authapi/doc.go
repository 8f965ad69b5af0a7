// Package authapi is what applications call without a browser: Auth0's authentication API, and FullAuth's endpoints, both over
// internal/flows. POST /oauth/token, /oauth/revoke and /userinfo are the OpenID provider's.
//
//	authapi.go        what it is made of, and its routes
//	problem.go        what callers are told of an error, and in which of the three shapes; limits.go: how often they may call
//	fields.go         a body's fields; every bad one is named
//	dbconnections.go  POST /dbconnections/signup and change_password, as Auth0 has them
//	passwordless.go   POST /passwordless/start
//	logout.go         GET /v2/logout
//	register.go       POST /auth/register, /auth/verify-email/... and /auth/password-reset/...
//	login.go          POST /auth/login and /auth/refresh
//	bearer.go         POST /auth/logout and /auth/change-password, which take an access token
//
// What each takes and answers says docs/auth-api.md.
package authapi
