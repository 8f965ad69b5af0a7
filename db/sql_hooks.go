package db

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/hooks"
)

// SQLHook declares a before-hook in SQL: a function in the database that runs before each row is written, inside the
// transaction of whoever writes it: a repository, psql, COPY. Where a repository writes, the before-hooks in Go run first,
// and it sees what they made of the row; what it changes is not put into the repository's form again (an e-mail lowercased).
// TRUNCATE runs none. What the function gets and may return is said with latchkey.add_sql_hook, in sql/schema/00003_before.sql.
// Its refusal is a hooks.Rejection to the repository's caller, any other error of it a hooks.Fault.
type SQLHook struct {
	Table      string            // schema.table; it needs no hooks in Go
	Name       string            // with the table, its identity
	Operations []hooks.Operation // of Insert, Update and Delete; none: all three
	Priority   int               // higher runs first, equal ones by name
	// Function is schema.function, called as function(op text, old jsonb, new jsonb), and returns jsonb. Where there is a
	// Body its default is TABLE_NAME, in the table's schema.
	Function string
	// Body is PL/pgSQL, from begin to end. Empty: the function exists already.
	Body string
}

// SQLHook declares h. Opening a store, or [Install], puts it into the database where it is missing or different. It stays
// there when it leaves the code, as other programs may count on it: `select latchkey.drop_sql_hook('TABLE', 'NAME')` removes
// it. Where two programs declare it differently, the last to open wins.
func (h *Hooks) SQLHook(hook SQLHook) { h.sqlHooks = append(h.sqlHooks, hook) }

// sqlErr is what only the catalogue can know to be wrong; the database checks the rest.
func (h *Hooks) sqlErr() error {
	var problems []error
	for i, hook := range h.sqlHooks {
		if slices.ContainsFunc(h.sqlHooks[:i], func(o SQLHook) bool { return o.Table == hook.Table && o.Name == hook.Name }) {
			problems = append(problems, fmt.Errorf("db: SQL hook %q of %s: the name is taken: give one of the two another", hook.Name, hook.Table))
		}
		if hook.Function == "" && hook.Body == "" {
			problems = append(problems, fmt.Errorf("db: SQL hook %q of %s has neither a Function nor a Body: give it one", hook.Name, hook.Table))
		}
	}
	return errors.Join(problems...)
}

// add has the database take the hook on; where it is there already, that changes nothing and locks nobody out.
func (s SQLHook) add(ctx context.Context, tx pgx.Tx) error {
	var body *string
	if s.Body != "" {
		body = &s.Body
	}
	function := s.Function
	if function == "" {
		schema, table, err := hooks.ParseTableName(s.Table)
		if err != nil { // the database says what it takes the name for
			schema, table, _ = strings.Cut(s.Table, ".")
		}
		function = pgx.Identifier{schema, table + "_" + s.Name}.Sanitize()
	}
	operations := s.Operations
	if len(operations) == 0 {
		operations = []hooks.Operation{hooks.Insert, hooks.Update, hooks.Delete}
	}
	names := make([]string, len(operations))
	for i, o := range operations {
		names[i] = o.String()
	}
	_, err := tx.Exec(ctx, `select latchkey.add_sql_hook($1, $2, $3, $4, $5, $6)`, s.Table, s.Name, strings.Join(names, ","), function, s.Priority, body)
	return err
}

// Install puts into the database what h declares for every writer: SQL hooks and write policies. Opening a store does the
// same, where its role may; where it may not, call Install after [Migrate], as the role that migrates. It changes
// what differs, and locks writers of a table out for a moment then, and only then.
func Install(ctx context.Context, databaseURL string, h *Hooks) error {
	if err := h.Err(); err != nil {
		return fmt.Errorf("db: install: %w", err)
	}
	pool, err := pgxpool.New(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("db: install: %w", err)
	}
	defer pool.Close()
	if err := CheckSchema(ctx, pool); err != nil {
		return fmt.Errorf("db: install: %w", err)
	}
	if err := h.install(ctx, pool); err != nil {
		return fmt.Errorf("db: install: %w", err)
	}
	return nil
}

func (h *Hooks) install(ctx context.Context, pool *pgxpool.Pool) error {
	for _, hook := range h.sqlHooks {
		if err := installing(ctx, pool, func(tx pgx.Tx) error { return hook.add(ctx, tx) }); err != nil {
			return fmt.Errorf("SQL hook %s of %s: %w", hook.Name, hook.Table, err)
		}
	}
	for _, table := range h.Tables() {
		policy := h.registry.Policy(table)
		if policy == "" {
			continue
		}
		err := installing(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `select latchkey.set_write_policy($1, $2)`, table, string(policy))
			return err
		})
		if err != nil {
			return fmt.Errorf("write policy %s of %s: %w", policy, table, err)
		}
	}
	return nil
}

// installTries and installWait bound how often, and how long each time, the writers of a table wait for a trigger to be made.
const (
	installTries = 20
	installWait  = "500ms"
)

// installing runs fn in a transaction that waits for no long writer with others queueing behind it.
func installing(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `set local lock_timeout = '`+installWait+`'`); err != nil {
				return err
			}
			return fn(tx)
		})
		var pg *pgconn.PgError
		switch {
		case !errors.As(err, &pg):
			return err
		case pg.Code == lockNotAvailable && try < installTries:
			continue
		case pg.Code == insufficientPrivilege:
			return fmt.Errorf("%w: call db.Install, once for each release, as the role that migrates", err)
		case pg.Hint != "":
			return fmt.Errorf("%w: %s", err, pg.Hint)
		}
		return err
	}
}

// SQLSTATEs of sql/schema/00003_before.sql.
const (
	hookRejected = "LK010" // latchkey.reject; the code is the detail
	hookMisused  = "LK012" // a hook whose function is gone, or that returned what can't be used
)

// hookMark is what the trigger leaves in the context of an error: whose it is. The innermost comes first.
var hookMark = regexp.MustCompile(`'hook ([A-Za-z][A-Za-z0-9_.:-]*) of ((?:[^']|'')+)'`)

// sqlHookError makes what a hook in SQL raised the error that a hook in Go would have returned; nil if it was none.
func sqlHookError(pg *pgconn.PgError) error {
	var hook, table string
	if mark := hookMark.FindStringSubmatch(pg.Where); mark != nil {
		hook, table = mark[1], strings.ReplaceAll(mark[2], "''", "'")
	}
	switch {
	case pg.Code == hookRejected:
		return &hooks.Rejection{Hook: hook, Code: pg.Detail, Reason: pg.Message}
	case pg.Code == hookMisused:
		return &hooks.Fault{Table: pg.TableName, Hook: pg.ConstraintName, Err: pg}
	case hook != "":
		return &hooks.Fault{Table: table, Hook: hook, Err: pg}
	}
	return nil
}
