// Package api is the management API over HTTP: hooks as data, what became of their deliveries, the feed of events, logs. It is
// described by itself at /openapi.json (OpenAPI 3.1) and, for people, at /docs.
//
// Everything belongs to one tenant, which the bearer token names; what is another tenant's doesn't exist. No write here runs a
// hook: a bad one can always be taken away.
//
//	api.go         what it is made of, and its routes
//	operation.go   what every operation has: a scope, a caller, errors of one shape
//	bearer.go      who calls, on behalf of which tenant, and what they may do
//	problem.go     the shape of every error, and the table from errors to statuses
//	answering.go   the framework's own errors in that shape; edge.go: request ids, panics, headers, what has no route
//	paging.go      page, per_page, q, sort; list.go is a list with or without totals
//	hooks.go       /hooks; hook_body.go is a hook as JSON, hook_secrets.go opens what is sealed;
//	               internal/tenanthook says what is wrong with one, and makes it
//	hook_actions.go  pause, enable, try, a new secret
//	deliveries.go  what was sent and what came of it; failed.go what failed; replay.go what is sent again
//	events.go      the feed: a page, a long poll; stream.go sends it as server-sent events, tail.go waits for more
//	logs.go        the tenant's log lines; audit.go writes one for each change that is made here
//	docs.go        the page at /docs
package api
