// Package schema embeds Latchkey's migrations: schema auth (what is stored) and schema latchkey (the engine that watches
// it). They are plain goose files, read by sqlc too, so that the tables have one definition.
package schema

import "embed"

// Files holds the migrations, in the order of their numbers.
//
//go:embed *.sql
var Files embed.FS
