// Package recipes has hooks that many services want, to copy from: each function registers one.
//
//	roles.go        a log line for whatever happens to roles; an audit trail
//	permissions.go  default permissions of a new resource server and of a new role; resource servers told of their roles
//	users.go        metadata at signup; an e-mail address that is locked, or that must be the company's; who is told of users
//
// Those that must write or read through the store take a function that gives it, because hooks are registered before the
// store opens.
package recipes
