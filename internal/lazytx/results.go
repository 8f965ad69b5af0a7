package lazytx

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// held is a hold on the line by rows or a batch that aren't closed yet. Each of their calls has the line to itself, so
// that a rollback can take them away between two calls from a hook that was given up.
type held struct {
	line  *line
	done  bool // closed by the hook
	taken bool // closed by a rollback
}

// during runs fn with the line, unless it has been taken away.
func (h *held) during(fn func()) bool {
	h.line.call.Lock()
	defer h.line.call.Unlock()
	if h.taken {
		return false
	}
	fn()
	return true
}

// free gives the line to the next statement. The line's call is held.
func (h *held) free() {
	if !h.done {
		h.done, h.line.reading = true, nil
	}
}

// err is what a call answers.
func (h *held) err(ok bool, err error) error {
	if !ok {
		return ErrClosed
	}
	return err
}

// rows hold the line until they are closed, read to their end included.
type rows struct {
	pgx.Rows
	*held
	results pgx.BatchResults // of the batch that they came in with BEGIN, if they did
	inBatch bool             // of the hook's: that goes on
	failed  error
}

// failedRows are what pgx answers with an error: they may be read like others.
func failedRows(err error) pgx.Rows {
	rows, _ := pgx.FailedBatchResults(&pgx.Batch{}, err).Query()
	return rows
}

func (r *rows) Close() { r.during(r.close) }

func (r *rows) close() {
	r.Rows.Close()
	if r.inBatch {
		return
	}
	if r.results != nil {
		r.failed = r.results.Close()
	}
	r.free()
}

func (r *rows) abandon() {
	r.close()
	r.taken = true
}

func (r *rows) Next() (more bool) {
	r.during(func() {
		if more = r.Rows.Next(); !more {
			r.close()
		}
	})
	return more
}

func (r *rows) Err() (err error) {
	ok := r.during(func() {
		if err = r.Rows.Err(); err == nil {
			err = r.failed
		}
	})
	return r.err(ok, err)
}

func (r *rows) Scan(dest ...any) (err error) {
	ok := r.during(func() { err = r.Rows.Scan(dest...) })
	return r.err(ok, err)
}

func (r *rows) Values() (values []any, err error) {
	ok := r.during(func() { values, err = r.Rows.Values() })
	return values, r.err(ok, err)
}

func (r *rows) RawValues() (values [][]byte) {
	r.during(func() { values = r.Rows.RawValues() })
	return values
}

func (r *rows) CommandTag() (tag pgconn.CommandTag) {
	r.during(func() { tag = r.Rows.CommandTag() })
	return tag
}

func (r *rows) FieldDescriptions() (fields []pgconn.FieldDescription) {
	r.during(func() { fields = r.Rows.FieldDescriptions() })
	return fields
}

// Conn hides the connection, on which a hook could end the transaction.
func (r *rows) Conn() *pgx.Conn { return nil }

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

// batch holds the line until it is closed.
type batch struct {
	results pgx.BatchResults
	*held
}

func (b *batch) Exec() (tag pgconn.CommandTag, err error) {
	ok := b.during(func() { tag, err = b.results.Exec() })
	return tag, b.err(ok, err)
}

func (b *batch) Query() (pgx.Rows, error) {
	out := &rows{held: b.held, inBatch: true}
	var err error
	ok := b.during(func() { out.Rows, err = b.results.Query() })
	if err = b.err(ok, err); err != nil {
		return failedRows(err), err
	}
	return out, nil
}

func (b *batch) QueryRow() pgx.Row {
	rows, err := b.Query()
	return &row{rows: rows, err: err}
}

func (b *batch) Close() (err error) {
	ok := b.during(func() {
		err = b.results.Close()
		b.free()
	})
	return b.err(ok, err)
}

func (b *batch) abandon() {
	_ = b.results.Close() // nobody is there to be told
	b.free()
	b.taken = true
}

// Tx hides a transaction that the batch might hand out.
func (b *batch) Tx() pgx.Tx { return nil }
