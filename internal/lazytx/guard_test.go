package lazytx_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

func TestControlIsRefused(t *testing.T) {
	t.Parallel()
	pool, w := newPool(t)
	tx := lazytx.New(pool)
	for _, sql := range []string{
		"begin", "BEGIN ISOLATION LEVEL SERIALIZABLE", "start transaction", "commit", "Commit and chain", "end", "rollback", "abort",
		"rollback to savepoint latchkey", "savepoint a", "release a", "prepare transaction 'a'", "PREPARE\n\tTRANSACTION 'a'",
		"commit prepared 'a'", "  \n\t commit", ";commit", "-- a comment\ncommit", "-- ends at a carriage return\rcommit",
		"/* a /* nested */ comment */ commit", "/**/-- x\n/* y */commit", "prepare /* x */ transaction 'a'", "commit;",
	} {
		_, err := tx.Exec(t.Context(), sql)
		wantError(t, err, lazytx.ErrControl)
		b := &pgx.Batch{}
		b.Queue(`select 1`)
		b.Queue(sql)
		wantError(t, tx.SendBatch(t.Context(), b).Close(), lazytx.ErrControl)
	}
	begins := &pgx.Batch{}
	begins.BeginTx(pgx.TxOptions{})
	wantError(t, tx.SendBatch(t.Context(), begins).Close(), lazytx.ErrControl)
	_, err := tx.Exec(t.Context(), `select 1; commit`, pgx.QueryExecModeSimpleProtocol)
	wantError(t, err, lazytx.ErrControl)
	if sent := w.take(); len(sent) > 0 {
		t.Errorf("sent %q", sent)
	}
	for _, sql := range []string{"prepare p as select 1", "deallocate p", "select 'commit'", "-- commit\nselect 1", "/* commit */ select 1", "-- commit\nselect 1 -- \r"} {
		_, err := tx.Exec(t.Context(), sql)
		ok(t, err)
	}
	ok(t, tx.Rollback(t.Context()))
}

func TestSeveralStatementsAreRefused(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	_, err := tx.Exec(t.Context(), `insert into t values (2); commit`)
	wantState(t, err, "42601")
	wantError(t, tx.Commit(t.Context()), lazytx.ErrNotCommit)
	wantRows(t, pool)
}

// commits is a rewriter that gets past the look at the statement.
type commits struct{}

func (commits) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return "commit", nil, nil
}

func TestTransactionEndedUnderWay(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	_, _ = tx.Exec(t.Context(), `select 1`, commits{})
	_, err := tx.Exec(t.Context(), `insert into t values (2)`)
	wantError(t, err, lazytx.ErrControl)
	wantError(t, tx.Commit(t.Context()), lazytx.ErrControl)
	wantRows(t, pool, 1)
}

func TestProcedureCantCommit(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	_, err := pool.Exec(t.Context(), `create procedure p() language plpgsql as $$ begin insert into t values (1); commit; end $$`)
	ok(t, err)
	for _, sql := range []string{`call p()`, `do $$ begin insert into t values (1); commit; end $$`} {
		tx := lazytx.New(pool)
		_, err = tx.Exec(t.Context(), sql)
		wantState(t, err, "2D000")
		wantError(t, tx.Commit(t.Context()), lazytx.ErrNotCommit)
	}
	wantRows(t, pool)
}
