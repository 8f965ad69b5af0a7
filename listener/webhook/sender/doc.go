// Package sender is the tenants' webhooks: the rows of auth.hooks with their secrets, and the requests that are made of them.
// The listener sends the asynchronous ones through it, for committed events; the store asks the synchronous ones, before a
// write. What one request is stands in package webhook.
//
//	rows.go    the hooks as they are kept
//	ask.go     asking the synchronous ones
//	asklog.go  what auth.logs has of an answer that was none, or a no
//	sender.go  what it takes to send, and sending
package sender
