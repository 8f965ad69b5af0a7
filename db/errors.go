package db

import (
	"errors"
	"fmt"
	"slices"
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

// Invalid says which fields have values that can't be stored: all that the repository finds, or the one that the database
// refused.
type Invalid struct {
	Entity string
	Fields []InvalidField
}

// InvalidField is what is wrong with one.
type InvalidField struct {
	Name   string // empty where the database doesn't say which, and for what is wrong with several together
	Reason string
}

func (i *Invalid) Error() string {
	wrong := make([]string, len(i.Fields))
	for n, f := range i.Fields {
		of := i.Entity
		if f.Name != "" {
			of = f.Name + " of " + i.Entity
		}
		wrong[n] = of + ": " + f.Reason
	}
	return strings.Join(wrong, "; ")
}

func invalid(entity, field, reason string) *Invalid {
	return &Invalid{Entity: entity, Fields: []InvalidField{{Name: field, Reason: reason}}}
}

// names says whether an error is about a field; that of a foreign key is how the database says that there is no such row.
func names(err error, field string) bool {
	var wrong *Invalid
	return errors.As(err, &wrong) && slices.ContainsFunc(wrong.Fields, func(f InvalidField) bool { return f.Name == field })
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
		return invalid(entity, "", pg.Message)
	}
	if pg.SchemaName != "auth" {
		return err
	}
	switch pg.Code {
	case uniqueViolation:
		return &Conflict{Entity: entity, Field: keyField(pg)}
	case foreignKeyViolation:
		return invalid(entity, keyField(pg), "what it names does not exist")
	case notNullViolation:
		return invalid(entity, pg.ColumnName, "must not be null")
	case checkViolation:
		return invalid(entity, checkField(pg), "is not allowed")
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
