// Package before shows before-hooks in both languages. In Go they run for writes through the repositories; in SQL, as the
// .sql files beside this one, for every writer: run those with psql, as the owner of the tables.
package before

import (
	"context"
	"embed"
	"encoding/json"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Files are the hooks in SQL, each of which says what its namesake here does.
//
//go:embed *.sql
var Files embed.FS

// BlockDomains refuses users with an e-mail address at one of the domains.
func BlockDomains(reg *db.Hooks, domains ...string) {
	check := func(u *db.User) error {
		if u.Email == nil {
			return nil
		}
		_, domain, _ := strings.Cut(*u.Email, "@") // trimmed and lowercased by now
		if slices.Contains(domains, domain) {
			return hooks.Reject("blocked_domain", "Signups from disposable email providers are not allowed")
		}
		return nil
	}
	reg.Users.BeforeCreate("block-domain", func(_ context.Context, _ hooks.Tx, u *db.User) error { return check(u) })
	reg.Users.BeforeUpdate("block-domain", func(_ context.Context, _ hooks.Tx, _ db.User, u *db.User) error { return check(u) })
}

// ProtectUsers keeps users whose app_metadata says "protected": true from being deleted.
func ProtectUsers(reg *db.Hooks) {
	reg.Users.BeforeDelete("protected", func(_ context.Context, _ hooks.Tx, u db.User) error {
		var metadata struct {
			Protected bool `json:"protected"`
		}
		if err := json.Unmarshal(u.AppMetadata, &metadata); err != nil {
			return err
		}
		if metadata.Protected {
			return hooks.Reject("protected", "This user is protected")
		}
		return nil
	})
}

// ValidateConnections demands what a connection's strategy needs, and keeps the last client from being taken away.
func ValidateConnections(reg *db.Hooks) {
	check := func(c *db.Connection) error {
		var options struct {
			ClientID string `json:"client_id"`
		}
		if err := json.Unmarshal(c.Options, &options); err != nil {
			return err
		}
		if c.Strategy == "auth0" && options.ClientID == "" {
			return hooks.Reject("client_id_missing", "Auth0 connections require a client_id")
		}
		return nil
	}
	reg.Connections.BeforeCreate("options", func(_ context.Context, _ hooks.Tx, c *db.Connection) error { return check(c) })
	reg.Connections.BeforeUpdate("options", func(_ context.Context, _ hooks.Tx, old db.Connection, c *db.Connection) error {
		if len(old.EnabledClients) > 0 && len(c.EnabledClients) == 0 {
			return hooks.Reject("no_clients", "Connection must have at least one enabled client")
		}
		return check(c)
	})
}
