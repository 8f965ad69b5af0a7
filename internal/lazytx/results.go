package lazytx

import (
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rows gives the connection free when they are closed, read to their end included.
type rows struct {
	pgx.Rows
	results pgx.BatchResults // of the batch that they came in, if any
	done    func()
	once    sync.Once
	err     error
}

func (r *rows) Close() {
	r.Rows.Close()
	r.once.Do(func() {
		if r.results != nil {
			r.err = r.results.Close()
		}
		r.done()
	})
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *rows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

type row struct {
	rows pgx.Rows
	err  error
}

func (r *row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

type batch struct {
	pgx.BatchResults
	done func()
	once sync.Once
}

func (b *batch) Close() error {
	err := b.BatchResults.Close()
	b.once.Do(b.done)
	return err
}

// Tx hides a transaction that the batch might hand out.
func (b *batch) Tx() pgx.Tx { return nil }

// failedBatch is the answer to a batch that was not sent.
type failedBatch struct{ err error }

func (f failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failedBatch) Query() (pgx.Rows, error)         { return nil, f.err }
func (f failedBatch) QueryRow() pgx.Row                { return &row{err: f.err} }
func (f failedBatch) Close() error                     { return f.err }
func (f failedBatch) Tx() pgx.Tx                       { return nil }
