package db

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound says that the tenant has no such row.
var ErrNotFound = errors.New("not found")

// Conflict says that another row has the value that must be unique.
type Conflict struct {
	Entity string
	Field  string
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("another %s has this %s", c.Entity, c.Field)
}

// Invalid says that a field's value can't be stored.
type Invalid struct {
	Entity string
	Field  string
	Reason string
}

func (i *Invalid) Error() string { return fmt.Sprintf("%s of %s: %s", i.Field, i.Entity, i.Reason) }

// failed adds what was done, and gives the database's refusals a type.
func failed(err error, verb, entity string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("db: %s %s: %w", verb, entity, typed(err, entity))
}

// SQLSTATE codes, Postgres manual, appendix A.
const (
	notNull    = "23502"
	foreignKey = "23503"
	unique     = "23505"
	check      = "23514"
)

func typed(err error, entity string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.SchemaName != "auth" {
		return err
	}
	switch pg.Code {
	case unique:
		return &Conflict{Entity: entity, Field: constraintField(pg)}
	case foreignKey:
		return &Invalid{Entity: entity, Field: constraintField(pg), Reason: "what it names does not exist, or is still in use"}
	case notNull:
		return &Invalid{Entity: entity, Field: pg.ColumnName, Reason: "must not be null"}
	case check:
		return &Invalid{Entity: entity, Field: constraintField(pg), Reason: "is not allowed"}
	}
	return err
}

// constraintField reads the column out of a constraint's name, which the schema keeps to TABLE_COLUMNS_KIND; a primary
// key is the id.
func constraintField(pg *pgconn.PgError) string {
	name := strings.TrimPrefix(pg.ConstraintName, pg.TableName+"_")
	if name == "pkey" {
		return "id"
	}
	for _, kind := range []string{"_key", "_fkey", "_check"} {
		name = strings.TrimSuffix(name, kind)
	}
	if field := strings.TrimPrefix(name, "tenant_id_"); field != "" {
		return field
	}
	return name
}
