// Package api is the management API over HTTP: all that the repositories hold, in the shape of Auth0's management API, hooks as data,
// what became of their deliveries, the feed of events, logs. It is described by itself at /openapi.json (OpenAPI 3.1) and, for
// people, at /docs.
//
// Everything belongs to one tenant, which the bearer token names; what is another tenant's doesn't exist. Writes of resources
// go through the repositories, so all of their hooks run and their webhooks are asked. Writes of hooks run none: a bad one can
// always be taken away.
//
//	api.go         what it is made of, and its routes
//	operation.go   what every operation has: a scope, a caller, errors of one shape
//	bearer.go      who calls, on behalf of which tenant, and what they may do; limits.go: how often
//	problem.go     the shape of every error, and the table from errors to statuses
//	answering.go   the framework's own errors in that shape; edge.go: request ids, panics, headers, what has no route
//	resource.go    list, get, create, patch and delete, the same for all; assigned.go what belongs to a row and is added and removed
//	paging.go      page, per_page, q, sort; listing.go: fields and checkpoints; list.go is a list with or without totals
//	fields.go      the description of an entity whose members are its row's
//	users.go       /users; user_body.go is a user as JSON; identities.go, user_roles.go, user_permissions.go what it has
//	roles.go, connections.go, resource_servers.go, clients.go, client_grants.go, organizations.go, forms.go, ...  one resource each
//	tenant_settings.go, signing_keys.go, stats.go, tickets.go  the rest of the tenant
//	jobs.go        /jobs; jobs_worker.go works on them; import_file.go reads a file, import_users.go checks its users,
//	               import_write.go asks about them and writes them; export_users.go makes a file, and sends it
//	oauth_token.go  POST /oauth/token; oauth_document.go describes it
//	hooks.go       /hooks; hook_body.go is a hook as JSON, hook_secrets.go opens what is sealed;
//	               internal/tenanthook says what is wrong with one, and makes it
//	hook_actions.go  pause, enable, try, a new secret
//	deliveries.go  what was sent and what came of it; failed.go what failed; replay.go what is sent again
//	events.go      the feed: a page, a long poll; stream.go sends it as server-sent events, tail.go waits for more
//	logs.go        the tenant's log lines; audit.go writes one for each change that is made here
//	docs.go        the page at /docs
package api
