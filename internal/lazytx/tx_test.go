package lazytx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

func TestUnusedSendsNothing(t *testing.T) {
	t.Parallel()
	pool, w := newPool(t)
	for _, end := range []func(*lazytx.Tx) error{
		func(tx *lazytx.Tx) error { return tx.Commit(t.Context(), lazytx.Statement{SQL: "select 1/0"}) },
		func(tx *lazytx.Tx) error { return tx.Rollback(t.Context()) },
		func(tx *lazytx.Tx) error { return tx.InTx(t.Context(), func(hooks.Tx) error { return nil }) },
	} {
		tx := lazytx.New(pool)
		ok(t, end(tx))
		if tx.Begun() || pool.Stat().AcquireCount() != 0 || len(w.take()) != 0 {
			t.Error("an unused transaction was begun")
		}
	}
}

func TestBeginsWithTheFirstStatement(t *testing.T) {
	t.Parallel()
	pool, w := newPool(t)
	run := func() {
		tx := lazytx.New(pool, lazytx.Statement{SQL: `select set_config('own.context', $1, true)`, Args: []any{"here"}})
		var context string
		ok(t, tx.QueryRow(t.Context(), `select current_setting('own.context')`).Scan(&context))
		if context != "here" || !tx.Begun() {
			t.Fatalf("context %q, begun %v", context, tx.Begun())
		}
		_, err := tx.Exec(t.Context(), `insert into t values (1) on conflict do nothing`)
		ok(t, err)
		ok(t, tx.Commit(t.Context(), lazytx.Statement{SQL: `insert into t values ($1) on conflict do nothing`, Args: []any{2}}))
	}
	run() // prepares
	w.take()
	run()
	want := []string{
		"batch | begin isolation level read committed | select set_config('own.context', $1, true) | select current_setting('own.context')",
		"query insert into t values (1) on conflict do nothing",
		"batch | insert into t values ($1) on conflict do nothing | commit",
	}
	if got := w.take(); !slices.Equal(got, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	wantRows(t, pool, 1, 2)
	var left string
	ok(t, pool.QueryRow(t.Context(), `select coalesce(current_setting('own.context', true), '')`).Scan(&left))
	if left != "" {
		t.Errorf("the context outlives the transaction: %q", left)
	}
}

// A statement that can't be parsed fails before BEGIN is sent. What follows must not run outside a transaction.
func TestFirstStatementFails(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]struct {
		sql  string
		args []any
	}{
		"parse":   {"selec 1", nil},
		"execute": {"select 1/0", nil},
		"encode":  {"select $1::int", []any{make(chan int)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := newPool(t)
			tx := lazytx.New(pool)
			if _, err := tx.Exec(t.Context(), first.sql, first.args...); err == nil {
				t.Fatal("no error")
			}
			_, err := tx.Exec(t.Context(), `insert into t values (1)`)
			if err == nil {
				t.Error("the transaction goes on after its first statement failed")
			}
			if err := tx.InTx(t.Context(), func(tx hooks.Tx) error { _, err := tx.Exec(t.Context(), `insert into t values (2)`); return err }); err == nil {
				t.Error("so does a savepoint")
			}
			if err := tx.Commit(t.Context()); err == nil {
				t.Error("it commits")
			}
			wantRows(t, pool)
			insert(t, pool, 3)
			wantRows(t, pool, 3)
		})
	}
}

func TestLastAfterAFailedFirstStatement(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	if _, err := tx.Exec(t.Context(), `selec 1`); err == nil {
		t.Fatal("no error")
	}
	if _, err := tx.Last().Exec(t.Context(), `insert into t values (1)`); err == nil {
		t.Error("the last statement went through")
	}
	wantRows(t, pool)
}

func TestFailedTransactionIsNoCommit(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	insert(t, pool, 1)
	tx := lazytx.New(pool)
	insert(t, tx, 2)
	_, err := tx.Exec(t.Context(), `insert into t values (1)`)
	wantState(t, err, "23505")
	wantError(t, tx.Commit(t.Context()), lazytx.ErrNotCommit)
	wantRows(t, pool, 1)
	_, err = tx.Exec(t.Context(), `select 1`)
	wantError(t, err, lazytx.ErrClosed)
}

func TestCommitFails(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	_, err := pool.Exec(t.Context(), `create table child (n int references t deferrable initially deferred)`)
	ok(t, err)
	tx := lazytx.New(pool)
	_, err = tx.Exec(t.Context(), `insert into child values (1)`)
	ok(t, err)
	wantState(t, tx.Commit(t.Context()), "23503")

	_, err = lazytx.New(pool).Last(lazytx.Statement{SQL: `insert into t values (5)`}).Exec(t.Context(), `insert into child values (1)`)
	wantState(t, err, "23503")
	wantRows(t, pool)

	tx = lazytx.New(pool)
	insert(t, tx, 1)
	wantState(t, tx.Commit(t.Context(), lazytx.Statement{SQL: `select 1/0`}), "22012")
	wantRows(t, pool)
}

func TestEnds(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	child := lazytx.Nested(tx)
	ok(t, tx.Commit(t.Context()))
	ok(t, tx.Commit(t.Context()))
	ok(t, tx.Rollback(t.Context()))
	for _, over := range []*lazytx.Tx{tx, child} {
		_, err := over.Exec(t.Context(), `insert into t values (2)`)
		wantError(t, err, lazytx.ErrClosed)
		wantError(t, over.SendBatch(t.Context(), &pgx.Batch{}).Close(), lazytx.ErrClosed)
		_, err = over.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{2}}))
		wantError(t, err, lazytx.ErrClosed)
		wantError(t, over.QueryRow(t.Context(), `select 1`).Scan(), lazytx.ErrClosed)
	}
	tx = lazytx.New(pool)
	insert(t, tx, 2)
	ok(t, tx.Rollback(t.Context()))
	ok(t, tx.Rollback(t.Context()))
	wantError(t, tx.Commit(t.Context()), lazytx.ErrClosed)
	wantRows(t, pool, 1)
}

func TestDo(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	no := errors.New("no")
	do := func(n int, then func() error) (err error) {
		tx := lazytx.New(pool)
		return tx.Do(t.Context(), func() error {
			insert(t, tx, n)
			return then()
		})
	}
	ok(t, do(1, func() error { return nil }))
	wantError(t, do(2, func() error { return no }), no)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_ = do(3, func() error { panic("no") })
	}()
	wantRows(t, pool, 1)
}

func TestStatements(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	// As the first, so in the batch with BEGIN.
	rows, err := tx.Query(t.Context(), `select g from generate_series(1, @n) g`, pgx.NamedArgs{"n": 3})
	ok(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	ok(t, err)
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("rows %v", got)
	}
	b := &pgx.Batch{}
	b.Queue(`insert into t values (1), (2)`)
	b.Queue(`select n from t order by n`)
	b.Queue(`select max(n) from t`)
	b.Queue(`insert into t values (3)`)
	results := tx.SendBatch(t.Context(), b)
	tag, err := results.Exec()
	ok(t, err)
	if tag.RowsAffected() != 2 {
		t.Errorf("%s", tag)
	}
	rows, err = results.Query()
	ok(t, err)
	got, err = pgx.CollectRows(rows, pgx.RowTo[int])
	ok(t, err)
	if !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rows %v", got)
	}
	var n int
	ok(t, results.QueryRow().Scan(&n))
	if n != 2 {
		t.Errorf("max %d", n)
	}
	if _, err := tx.Exec(t.Context(), `select 1`); !errors.Is(err, lazytx.ErrBusy) {
		t.Errorf("a statement while a batch is open: %v", err)
	}
	ok(t, results.Close())
	copied, err := tx.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{10}, {11}}))
	ok(t, err)
	if copied != 2 {
		t.Errorf("copied %d", copied)
	}
	if err := tx.QueryRow(t.Context(), `select n from t where n = 99`).Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	ok(t, tx.Commit(t.Context()))
	wantRows(t, pool, 1, 2, 3, 10, 11)
	// pgx's idiom: the error comes from the rows.
	rows, _ = tx.Query(t.Context(), `select 1`)
	_, err = pgx.CollectRows(rows, pgx.RowTo[int])
	wantError(t, err, lazytx.ErrClosed)
}

// A first statement with an option of pgx's, which a batch would take for an argument.
func TestFirstStatementWithOptions(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	for _, option := range []any{pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode}} {
		tx := lazytx.New(pool)
		var n int
		ok(t, tx.QueryRow(t.Context(), `select $1::int`, option, 7).Scan(&n))
		if n != 7 {
			t.Errorf("%v: %d", option, n)
		}
		ok(t, tx.Rollback(t.Context()))
	}
}

func TestOpenRowsKeepOthersOut(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	rows, err := tx.Query(t.Context(), `select generate_series(1, 3)`)
	ok(t, err)
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	if rows.Conn() != nil {
		t.Error("the rows hand out the connection")
	}
	_, err = tx.Exec(t.Context(), `select 1`)
	wantError(t, err, lazytx.ErrBusy)
	rows.Close()
	ok(t, rows.Err())
	_, err = tx.Exec(t.Context(), `select 1`)
	ok(t, err)
	ok(t, tx.Commit(t.Context()))
}
