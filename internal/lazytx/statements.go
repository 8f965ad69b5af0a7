package lazytx

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Exec implements [hooks.Tx].
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := t.Query(ctx, sql, args...) // pgx's own Exec without arguments would take the simple protocol
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// QueryRow implements [hooks.Tx].
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := t.Query(ctx, sql, args...)
	return &row{rows: rows, err: err}
}

// Query implements [hooks.Tx].
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := allowed(sql, args); err != nil {
		return failedRows(err), err
	}
	if err := t.enter(); err != nil {
		return failedRows(err), err
	}
	defer t.leave()
	var r pgx.Rows
	var results pgx.BatchResults
	var err error
	if t.parent == nil && t.line.pool != nil && !t.line.begun && !hasOptions(args) {
		r, results, err = t.first(ctx, sql, args)
	} else {
		r, err = t.next(ctx, sql, args)
	}
	if err != nil {
		return failedRows(err), err
	}
	out := &rows{Rows: r, held: &held{line: t.line}, results: results}
	t.line.reading = out
	return out, nil
}

// first sends BEGIN in one round trip with the statement.
func (t *Tx) first(ctx context.Context, sql string, args []any) (pgx.Rows, pgx.BatchResults, error) {
	conn, err := t.line.conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	b := &pgx.Batch{}
	levels := []*Tx{t}
	n := queueOpen(b, levels)
	b.Queue(sql, args...)
	results := conn.SendBatch(ctx, b)
	err = skip(results, n)
	if err != nil {
		_ = results.Close() // err is the first one
	}
	if err := t.line.opened(levels, err); err != nil {
		return nil, nil, err
	}
	r, err := results.Query()
	if err != nil {
		_ = results.Close() // err is the first one
		return nil, nil, err
	}
	return r, results, nil
}

// next sends a statement by itself. So does a savepoint's first: a statement that can't be prepared fails before the
// batch is sent, and would fail the transaction around the savepoint.
func (t *Tx) next(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	conn, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Query(ctx, sql, args...)
}

// hasOptions reports whether there are options that a batch would take for arguments.
func hasOptions(args []any) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return true
	}
	return false
}

// SendBatch implements [hooks.Tx].
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		if err := allowed(q.SQL, q.Arguments); err != nil {
			return pgx.FailedBatchResults(b, err)
		}
	}
	if err := t.enter(); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	defer t.leave()
	conn, err := t.start(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	out := &batch{results: conn.SendBatch(ctx, b), held: &held{line: t.line}}
	t.line.reading = out
	return out
}

// CopyFrom implements [hooks.Tx].
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.enter(); err != nil {
		return 0, err
	}
	defer t.leave()
	conn, err := t.start(ctx)
	if err != nil {
		return 0, err
	}
	return conn.CopyFrom(ctx, table, columns, src)
}
