package db

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/hooks"
)

var (
	// ErrNotFound says that the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrSuppressed says that a trigger of the table left the row out without an error. What before-hooks wrote stays.
	ErrSuppressed = errors.New("a trigger of the table returned NULL, so the row was not written: let it raise an exception instead")
)

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
	Field  string // empty where the database doesn't say which
	Reason string
}

func (i *Invalid) Error() string {
	if i.Field == "" {
		return fmt.Sprintf("%s: %s", i.Entity, i.Reason)
	}
	return fmt.Sprintf("%s of %s: %s", i.Field, i.Entity, i.Reason)
}

// failed adds what was done, and gives the database's refusals a type. What a hook brought along is its own story: a
// unique violation in a hook's SQL is a fault of the hook, and no conflict of the row.
func failed(err error, verb, entity string) error {
	if err == nil {
		return nil
	}
	var fault *hooks.Fault
	var no *hooks.Rejection
	if !errors.As(err, &fault) && !errors.As(err, &no) {
		err = typed(err, entity)
	}
	return fmt.Errorf("db: %s %s: %w", verb, entity, err)
}

// SQLSTATE codes, Postgres manual, appendix A.
const (
	notNullViolation    = "23502"
	foreignKeyViolation = "23503"
	uniqueViolation     = "23505"
	checkViolation      = "23514"
	dataException       = "22" // a class

	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
)

func typed(err error, entity string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if pg.Code == notAsked {
		return notAskedError(pg.Message)
	}
	if err := sqlHookError(pg); err != nil {
		return err
	}
	if strings.HasPrefix(pg.Code, dataException) { // text with a zero byte, for one
		return &Invalid{Entity: entity, Reason: pg.Message}
	}
	if pg.SchemaName != "auth" {
		return err
	}
	switch pg.Code {
	case uniqueViolation:
		return &Conflict{Entity: entity, Field: keyField(pg)}
	case foreignKeyViolation:
		return &Invalid{Entity: entity, Field: keyField(pg), Reason: "what it names does not exist"}
	case notNullViolation:
		return &Invalid{Entity: entity, Field: pg.ColumnName, Reason: "must not be null"}
	case checkViolation:
		return &Invalid{Entity: entity, Field: checkField(pg), Reason: "is not allowed"}
	}
	return err
}

// keyField reads the column that tells one row from another out of `Key (tenant_id, connection, lower(email))=(...) ...`:
// the last. Postgres leaves the detail out where the role may not read the table.
func keyField(pg *pgconn.PgError) string {
	columns, _, found := strings.Cut(pg.Detail, ")=(")
	if !found {
		return pg.ConstraintName
	}
	last := columns[strings.LastIndexByte(columns, ' ')+1:]
	return strings.TrimRight(last[strings.LastIndexByte(last, '(')+1:], ")")
}

// checkField reads the column out of a constraint's name, which is TABLE_COLUMN_check.
func checkField(pg *pgconn.PgError) string {
	return strings.TrimSuffix(strings.TrimPrefix(pg.ConstraintName, pg.TableName+"_"), "_check")
}
