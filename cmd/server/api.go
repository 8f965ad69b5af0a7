package main

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// management is the management API on the server's parts. conn is for the feed, the deliveries and the hooks' headers; all else goes
// through the store.
func (d *database) management(store *db.Store, conn *pgxpool.Pool, reg *db.Hooks, issuer *token.Issuer, secrets *seal.Keys, guard *webhook.Guard, s *sender.Sender, rateLimit int, log *slog.Logger) (*api.API, error) {
	return api.New(api.Config{
		Store: store, Conn: conn, Group: d.Group, Tokens: issuer, Audience: issuer.Audience(), Seal: secrets, Guard: guard, Tables: reg.Tables(), Trier: trier{s}, Logger: log,
		RateLimit: rateLimit,
	})
}
