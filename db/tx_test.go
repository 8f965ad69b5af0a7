package db_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

func create(ctx context.Context, roles *db.Roles, name string) error {
	_, err := roles.Create(ctx, "acme", db.CreateRole{Name: name})
	return err
}

// names are those of the roles that are committed.
func (e *env) names(t *testing.T) []string {
	t.Helper()
	rows, _ := e.sql.Query(t.Context(), `select name from auth.roles order by name`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	return names
}

func TestInTx(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, test := range map[string]struct {
		fn   func(t *testing.T, tx *db.Tx) error
		err  error
		want []string
	}{
		"commit": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			_, err := tx.Exec(t.Context(), `update auth.roles set name = name || '1'`)
			return err
		}, nil, []string{"a1"}},
		"rollback": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			return no
		}, no, nil},
		"a nested one is rolled back": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			wantError(t, tx.InTx(t.Context(), func(tx *db.Tx) error {
				ok(t, create(t.Context(), tx.Roles, "b"))
				return no
			}), no)
			return create(t.Context(), tx.Roles, "c")
		}, nil, []string{"a", "c"}},
		"a conflict leaves the transaction as it was": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			wantConflict(t, create(t.Context(), tx.Roles, "a"), "name")
			_, err := tx.Roles.Update(t.Context(), "acme", "none", db.UpdateRole{})
			wantError(t, err, db.ErrNotFound)
			return create(t.Context(), tx.Roles, "b")
		}, nil, []string{"a", "b"}},
		"so does a refused write, with what its hook wrote": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			wantRejection(t, create(t.Context(), tx.Roles, "refused"), "writes", "refused")
			return create(t.Context(), tx.Roles, "b")
		}, nil, []string{"a", "b"}},
		"nothing": {func(*testing.T, *db.Tx) error { return nil }, nil, nil},
		"a failed transaction": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			_, _ = tx.Exec(t.Context(), `select 1/0`)
			return nil
		}, lazytx.ErrNotCommit, nil},
		"its reads see its writes": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			page, err := tx.Roles.List(t.Context(), "acme", db.ListOptions{})
			if len(page.Rows) != 1 {
				t.Errorf("the transaction sees %v", page.Rows)
			}
			return err
		}, nil, []string{"a"}},
		"control": {func(t *testing.T, tx *db.Tx) error {
			t.Helper()
			ok(t, create(t.Context(), tx.Roles, "a"))
			_, err := tx.Exec(t.Context(), `commit`)
			return err
		}, lazytx.ErrControl, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, func(reg *db.Hooks) {
				reg.Roles.BeforeCreate("writes", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
					if r.Name != "refused" {
						return nil
					}
					_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, name) values ('acme', 'by the hook')`)
					return errors.Join(err, hooks.Reject("refused", "no"))
				})
			})
			wantError(t, e.InTx(t.Context(), func(tx *db.Tx) error { return test.fn(t, tx) }), test.err)
			if got := e.names(t); !slices.Equal(got, test.want) {
				t.Errorf("roles %q; want %q", got, test.want)
			}
		})
	}
}

func TestInTxPanics(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	err := hooks.Guard(func() error {
		return e.InTx(t.Context(), func(tx *db.Tx) error { ok(t, create(t.Context(), tx.Roles, "a")); panic("ouch") })
	})
	if err == nil {
		t.Error("the panic is gone")
	}
	e.wantCount(t, 0, `auth.roles`)
	e.wantCount(t, 0, `pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`)
}

func TestWith(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("second", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
			if strings.HasSuffix(r.Name, "'s") {
				return hooks.Reject("no", "no")
			}
			_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, name) values ('acme', $1)`, r.Name+"'s")
			return err
		})
	})
	ctx := t.Context()
	for _, commit := range []bool{false, true} {
		theirs, err := e.sql.Begin(ctx)
		ok(t, err)
		tx := e.With(theirs)
		ok(t, create(ctx, tx.Roles, "a"))
		wantRejection(t, create(ctx, tx.Roles, "b's"), "second", "no")
		_ = wantFault(t, create(ctx, tx.Roles, "a"), "second") // its role is there already
		ok(t, tx.InTx(ctx, func(tx *db.Tx) error { return create(ctx, tx.Roles, "c") }))
		ok(t, create(ctx, e.With(tx).Roles, "d")) // a db.Tx is a Conn too
		if commit {
			ok(t, theirs.Commit(ctx))
		} else {
			ok(t, theirs.Rollback(ctx))
			e.wantCount(t, 0, `auth.roles`)
		}
	}
	if got, want := e.names(t), []string{"a", "a's", "c", "c's", "d", "d's"}; !slices.Equal(got, want) {
		t.Errorf("roles %q; want %q", got, want)
	}
}

// What is no transaction is refused, rather than written statement by statement.
func TestWithAConnection(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	conn, err := e.sql.Acquire(t.Context())
	ok(t, err)
	defer conn.Release()
	if err := create(t.Context(), e.With(conn.Conn()).Roles, "a"); err == nil {
		t.Error("no error")
	}
	e.wantCount(t, 0, `auth.roles`)
}

// A write that a hook makes beside its transaction would stay when the hook's write is rolled back.
func TestWriteBesideTheHooksTransaction(t *testing.T) {
	t.Parallel()
	for name, touched := range map[string]bool{"untouched": false, "touched": true} {
		for where, outer := range map[string]func(*testing.T, *env) error{
			"by itself": func(t *testing.T, e *env) error { t.Helper(); return create(t.Context(), e.Roles, "outer") },
			"in InTx": func(t *testing.T, e *env) error {
				t.Helper()
				return e.InTx(t.Context(), func(tx *db.Tx) error { return create(t.Context(), tx.Roles, "outer") })
			},
			"with a pgx.Tx": func(t *testing.T, e *env) error {
				t.Helper()
				return pgx.BeginFunc(t.Context(), e.sql, func(tx pgx.Tx) error { return create(t.Context(), e.With(tx).Roles, "outer") })
			},
		} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				var e *env
				e = open(t, func(reg *db.Hooks) {
					reg.Roles.BeforeCreate("writes", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
						if r.Name != "outer" {
							return nil
						}
						if touched {
							if _, err := tx.Exec(ctx, `select 1`); err != nil {
								return err
							}
						}
						theirs, err := e.sql.Begin(ctx)
						if err != nil {
							return err
						}
						defer func() { _ = theirs.Rollback(ctx) }()
						for name, err := range map[string]error{
							"create":   create(ctx, e.Roles, "beside"),
							"update":   second(e.Roles.Update(ctx, "acme", "x", db.UpdateRole{})),
							"delete":   e.Roles.Delete(ctx, "acme", "x"),
							"log":      second(e.Logs.Create(ctx, "acme", db.CreateLog{Type: "x"})),
							"password": e.Users.SetPassword(ctx, "acme", "x", "x"),
							"assign":   second(e.RolePermissions.Assign(ctx, "acme", "x")),
							"InTx":     e.InTx(ctx, func(*db.Tx) error { t.Error("InTx runs"); return nil }),
							"another":  create(ctx, e.With(theirs).Roles, "beside"),
							"lazy":     create(ctx, e.With(lazytx.New(e.sql)).Roles, "beside"),
						} {
							if !errors.Is(err, hooks.ErrOutsideTx) {
								t.Errorf("%s: %v", name, err)
							}
						}
						// Reading is no harm.
						if _, err := e.Roles.List(ctx, "acme", db.ListOptions{}); err != nil {
							return err
						}
						return errors.Join(
							create(ctx, e.With(tx).Roles, "inner"),
							e.With(tx).InTx(ctx, func(tx *db.Tx) error { return create(ctx, tx.Roles, "in a savepoint") }),
							tx.InTx(ctx, func(tx hooks.Tx) error { return create(ctx, e.With(tx).Roles, "in a savepoint of the hook's") }),
						)
					})
				})
				ok(t, outer(t, e))
				if got, want := e.names(t), []string{"in a savepoint", "in a savepoint of the hook's", "inner", "outer"}; !slices.Equal(got, want) {
					t.Errorf("roles %q; want %q", got, want)
				}
			})
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A hook's own writes run the hooks of what they write, and their refusal keeps its author.
func TestHooksOfAHooksWrites(t *testing.T) {
	t.Parallel()
	var e *env
	e = open(t, func(reg *db.Hooks) {
		reg.Users.BeforeCreate("outer", func(ctx context.Context, tx hooks.Tx, u *db.User) error {
			return create(ctx, e.With(tx).Roles, *u.Name)
		})
		reg.Roles.BeforeCreate("inner", func(_ context.Context, _ hooks.Tx, r *db.Role) error {
			switch r.Name {
			case "refused":
				return hooks.Reject("no", "no")
			case "broken":
				return errors.New("broken")
			}
			return nil
		})
	})
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{Name: ptr("refused")})
	wantRejection(t, err, "inner", "no")
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{Name: ptr("broken")})
	_ = wantFault(t, err, "inner")
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{Name: ptr("")})
	wantInvalid(t, wantFault(t, err, "outer"), "name")
	e.wantCount(t, 0, `auth.users`)
	e.user(t, db.CreateUser{Name: ptr("fine")})
	e.wantCount(t, 1, `auth.roles`)
}
