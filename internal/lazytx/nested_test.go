package lazytx_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

func TestSavepointRolledBack(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for _, test := range []struct {
		name string
		tx   func(t *testing.T, tx *lazytx.Tx)
		want []int
	}{
		{"the parent goes on", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			insert(t, tx, 1)
			wantError(t, tx.InTx(t.Context(), func(child hooks.Tx) error { insert(t, child, 2); return no }), no)
			insert(t, tx, 3)
		}, []int{1, 3}},
		{"first use inside the child", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			wantError(t, tx.InTx(t.Context(), func(child hooks.Tx) error { insert(t, child, 2); return no }), no)
			insert(t, tx, 3)
		}, []int{3}},
		{"first use inside the grandchild", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			ok(t, tx.InTx(t.Context(), func(child hooks.Tx) error {
				wantError(t, child.InTx(t.Context(), func(grandchild hooks.Tx) error { insert(t, grandchild, 1); return no }), no)
				insert(t, child, 2)
				return child.InTx(t.Context(), func(grandchild hooks.Tx) error { insert(t, grandchild, 3); return nil })
			}))
		}, []int{2, 3}},
		{"a failed statement in the child", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			insert(t, tx, 1)
			err := tx.InTx(t.Context(), func(child hooks.Tx) error {
				_, err := child.Exec(t.Context(), `insert into t values (1)`)
				return err
			})
			wantState(t, err, "23505")
			insert(t, tx, 2)
		}, []int{1, 2}},
		{"a first statement in the child that can't be parsed", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			insert(t, tx, 1)
			err := tx.InTx(t.Context(), func(child hooks.Tx) error {
				_, err := child.Exec(t.Context(), `selec`)
				return err
			})
			wantState(t, err, "42601")
			insert(t, tx, 2)
		}, []int{1, 2}},
		{"an error that the child swallows", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			insert(t, tx, 1)
			err := tx.InTx(t.Context(), func(child hooks.Tx) error {
				insert(t, child, 2)
				_, _ = child.Exec(t.Context(), `insert into t values (1)`)
				return nil
			})
			wantState(t, err, "25P02")
			insert(t, tx, 3)
		}, []int{1, 3}},
		// Its SAVEPOINT fails, and must not take back the one around it.
		{"a child of a failed savepoint", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			err := tx.InTx(t.Context(), func(child hooks.Tx) error {
				insert(t, child, 1)
				_, _ = child.Exec(t.Context(), `select 1/0`)
				err := child.InTx(t.Context(), func(grandchild hooks.Tx) error {
					_, err := grandchild.Exec(t.Context(), `select 1`)
					return err
				})
				wantState(t, err, "25P02")
				return nil // and so it should commit
			})
			if err == nil {
				t.Error("a failed savepoint was released")
			}
			insert(t, tx, 2)
		}, []int{2}},
		{"a panic", func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			err := hooks.Guard(func() error {
				return tx.InTx(t.Context(), func(child hooks.Tx) error { insert(t, child, 1); panic("no") })
			})
			if err == nil {
				t.Error("the panic is gone")
			}
			insert(t, tx, 2)
		}, []int{2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, _ := newPool(t)
			t.Run("own", func(t *testing.T) {
				tx := lazytx.New(pool)
				test.tx(t, tx)
				ok(t, tx.Commit(t.Context()))
				wantRows(t, pool, test.want...)
			})
			_, err := pool.Exec(t.Context(), `truncate t`)
			ok(t, err)
			t.Run("of someone else", func(t *testing.T) {
				theirs, err := pool.Begin(t.Context())
				ok(t, err)
				insert(t, theirs, 100)
				tx := lazytx.Nested(theirs)
				test.tx(t, tx)
				ok(t, tx.Commit(t.Context()))
				insert(t, theirs, 101)
				ok(t, theirs.Commit(t.Context()))
				wantRows(t, pool, append(slices.Clone(test.want), 100, 101)...)
			})
		})
	}
}

func TestRollbackOfAnotherOnesSavepoint(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	theirs, err := pool.Begin(t.Context())
	ok(t, err)
	insert(t, theirs, 1)
	tx := lazytx.Nested(theirs)
	insert(t, tx, 2)
	ok(t, tx.Rollback(t.Context()))
	insert(t, theirs, 3)
	ok(t, theirs.Commit(t.Context()))
	wantRows(t, pool, 1, 3)
}

func TestLast(t *testing.T) {
	t.Parallel()
	pool, w := newPool(t)
	first := lazytx.Statement{SQL: `insert into t values ($1)`, Args: []any{1}}
	const sql = `insert into t values ($1) returning n`
	var n int
	w.take()
	for _, test := range []struct {
		name string
		run  func() error
		sent int
		want []int
	}{
		{"never begun", func() error { return lazytx.New(pool).Last(first).QueryRow(t.Context(), sql, 2).Scan(&n) }, 1, []int{1, 2}},
		{"begun", func() error {
			tx := lazytx.New(pool)
			insert(t, tx, 5)
			return tx.Last(first).QueryRow(t.Context(), sql, 2).Scan(&n)
		}, 2, []int{1, 2, 5}},
		{"a savepoint that nothing used", func() error {
			tx := lazytx.New(pool)
			if err := lazytx.Nested(tx).Last(first).QueryRow(t.Context(), sql, 2).Scan(&n); err != nil {
				return err
			}
			return tx.Commit(t.Context())
		}, 2, []int{1, 2}},
		{"a savepoint that fails", func() error {
			tx := lazytx.New(pool)
			err := lazytx.Nested(tx).Last(first).QueryRow(t.Context(), sql, 1).Scan(&n)
			wantState(t, err, "23505")
			insert(t, tx, 7)
			return tx.Commit(t.Context())
		}, 4, []int{7}},
		{"fails", func() error {
			err := lazytx.New(pool).Last(first).QueryRow(t.Context(), sql, 1).Scan(&n)
			wantState(t, err, "23505")
			return nil
		}, 1, nil},
		{"begun and fails", func() error {
			tx := lazytx.New(pool)
			insert(t, tx, 5)
			_, err := tx.Last(first).Exec(t.Context(), sql, 5)
			wantState(t, err, "23505")
			_, err = tx.Exec(t.Context(), `select 1`)
			wantError(t, err, lazytx.ErrClosed)
			return nil
		}, 3, nil},
		// The row stays out, what was written ahead of it doesn't.
		{"no row", func() error {
			tx := lazytx.New(pool)
			insert(t, tx, 5)
			err := lazytx.Nested(tx).Last(first).QueryRow(t.Context(), `insert into t select n from t where n = $1 returning n`, 77).Scan(&n)
			wantError(t, err, pgx.ErrNoRows)
			insert(t, tx, 6)
			return tx.Commit(t.Context())
		}, 0, []int{1, 5, 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ok(t, test.run())
			if sent := w.take(); test.sent > 0 && len(sent) != test.sent {
				t.Errorf("%d round trips, want %d: %q", len(sent), test.sent, sent)
			}
			wantRows(t, pool, test.want...)
			_, err := pool.Exec(t.Context(), `truncate t`)
			ok(t, err)
			w.take()
		})
	}
}
