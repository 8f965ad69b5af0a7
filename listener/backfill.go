package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Backfill gives the rows that a table has now to one of its hooks, as inserts of a run of its own. It reads the table in
// the order of its key, a chunk and the place that it has come to in one transaction, so a command that was interrupted
// goes on where it was. Each row is as it was when its chunk was read; what changes meanwhile is an event of the hook's
// ordinary run as ever, and may come before or after.

// backfillRows is how many rows are read, and stored, at once.
const backfillRows = 500

// Backfill reads the table for a hook, or goes on with that if it was begun, and returns its run when all rows are read.
// progress, if it isn't nil, is told after each chunk how many rows are read, and of about how many. The hook's runs
// follow as the owner gets to them: see Again.
func (o *Operator) Backfill(ctx context.Context, hook HookRef, progress func(read, of int64)) (HookRun, error) {
	h, err := o.Find(ctx, hook)
	if err != nil {
		return HookRun{}, err
	}
	run, err := o.backfill(ctx, h, progress)
	if err != nil {
		return run, fmt.Errorf("listener: backfill hook %s: %w", h, err)
	}
	return run, nil
}

func (o *Operator) backfill(ctx context.Context, h Hook, progress func(read, of int64)) (HookRun, error) {
	if err := o.takesRows(ctx, h); err != nil {
		return HookRun{}, err
	}
	r, err := describeRows(ctx, o.db, h.Table)
	if err != nil {
		return HookRun{}, err
	}
	id, err := o.openBackfill(ctx, h)
	if err != nil {
		return HookRun{}, err
	}
	for {
		read, of, complete, err := o.readChunk(ctx, id, r)
		if err != nil {
			return HookRun{}, err
		}
		if progress != nil {
			progress(read, of)
		}
		if complete {
			return readRun(ctx, o.db, id)
		}
	}
}

// takesRows checks that the hook is called for inserts: that is what a backfill gives it.
func (o *Operator) takesRows(ctx context.Context, h Hook) error {
	var takes bool
	err := o.db.QueryRow(ctx, `select $2 = any (hooks) from latchkey.hook_sets where group_name = $1 order by number desc limit 1`,
		o.group, fmt.Sprintf("%s %s %s", h.Table, h.Name, hooks.Insert)).Scan(&takes)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if !takes {
		return fmt.Errorf("it is not called for inserts, and a backfill gives a table's rows as inserts: register it with AfterCreate too (sets of rows, as role permissions, can't be backfilled)")
	}
	return nil
}

// openBackfill returns the run that is under way, or makes one.
func (o *Operator) openBackfill(ctx context.Context, h Hook) (id int64, err error) {
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `select s.id from latchkey.subscriptions s join latchkey.backfills b on b.subscription_id = s.id
			where s.group_name = $1 and s.table_name = $2 and s.hook = $3 and not b.complete`, o.group, h.Table, h.Name).Scan(&id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		run, err := o.addRun(ctx, tx, h, kindBackfill, 1, nil)
		if err != nil {
			return err
		}
		id = run.id
		_, err = tx.Exec(ctx, `insert into latchkey.backfills (subscription_id, estimated) select $1, count(*) from `+quoted(h.Table), id)
		return err
	})
	return id, err
}

// readChunk reads the next rows and stores them as events, in one transaction.
func (o *Operator) readChunk(ctx context.Context, id int64, r *rowReader) (read, of int64, complete bool, err error) {
	tx, err := o.db.Begin(ctx)
	if err != nil {
		return 0, 0, false, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	var last []string
	var now time.Time
	var at pglogrepl.LSN
	// The lock keeps a second command of the same run out.
	err = tx.QueryRow(ctx, `select b.last_key, b.estimated, b.complete, coalesce((select max(last_seq) from latchkey.backfill_batches where subscription_id = $1), 0),
		now(), pg_current_wal_insert_lsn() from latchkey.backfills b where b.subscription_id = $1 for no key update`, id).Scan(&last, &of, &complete, &read, &now, &at)
	if err != nil || complete {
		return read, of, complete, err
	}
	rows, err := r.read(ctx, tx, last, backfillRows)
	if err != nil {
		return read, of, false, err
	}
	data := []byte{'['}
	for i, im := range rows {
		ev := &hooks.Event{CommitLSN: at, Ordinal: int64(i + 1), CommittedAt: now, Table: r.table.name, Shape: r.table.shape, Operation: hooks.Insert, New: im, RawStamp: []byte(`{"origin":"` + hooks.OriginBackfill + `"}`)}
		identify(ev, r.table)
		if i > 0 {
			data = append(data, ",\n"...)
		}
		data = appendEvent(data, ev)
	}
	data = append(data, ']')
	q := &pgx.Batch{}
	if len(rows) > 0 {
		q.Queue(`insert into latchkey.backfill_batches (subscription_id, first_seq, last_seq, events, bytes) values ($1, $2, $3, $4::text, $5)`,
			id, read+1, read+int64(len(rows)), data, len(data))
		q.Queue(`update latchkey.backfills set last_key = $2 where subscription_id = $1`, id, r.keyOf(rows[len(rows)-1]))
		read += int64(len(rows))
	}
	if complete = len(rows) < backfillRows; complete {
		q.Queue(`update latchkey.backfills set complete = true where subscription_id = $1`, id)
		q.Queue(`update latchkey.subscriptions set until_seq = $2::bigint, status = case when $2::bigint = 0 then 'done' else status end, finished_at = case when $2::bigint = 0 then now() end where id = $1`, id, read)
	}
	if err := tx.SendBatch(ctx, q).Close(); err != nil {
		return read, of, false, err
	}
	return read, max(of, read), complete, tx.Commit(ctx)
}

// rowReader reads a table's rows in the form in which the stream has them.
type rowReader struct {
	table *table
	keys  []int
	sql   string
}

// describeRows finds a table's columns as the stream would describe them: without generated ones.
func describeRows(ctx context.Context, db Conn, name string) (*rowReader, error) {
	schema, bare, err := hooks.ParseTableName(name)
	if err != nil {
		return nil, err
	}
	m := relationMessage{schema: schema, table: bare}
	rows, err := db.Query(ctx, `select a.attrelid::oid, a.attname, base.oid::oid, format_type(a.atttypid, a.atttypmod), c.relkind = 'r' and c.relhassubclass
		from pg_attribute a join pg_class c on c.oid = a.attrelid
		cross join lateral (with recursive b as (select t.oid, t.typbasetype from pg_type t where t.oid = a.atttypid
			union all select t.oid, t.typbasetype from b join pg_type t on t.oid = b.typbasetype) select oid from b where typbasetype = 0) as base
		where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`, quoted(name))
	if err != nil {
		return nil, err
	}
	types := map[string]string{}
	var c column
	var typeName string
	var inherited bool
	if _, err := pgx.ForEachRow(rows, []any{&m.oid, &c.name, &c.oid, &typeName, &inherited}, func() error {
		c.key = true // its identity is the whole row
		m.columns, types[c.name] = append(m.columns, c), typeName
		return nil
	}); err != nil {
		return nil, err
	}
	if len(m.columns) == 0 {
		return nil, fmt.Errorf("table %s does not exist", name)
	}
	known := newShapes(db)
	shape, err := known.describe(ctx, m)
	if err != nil {
		return nil, err
	}
	r := &rowReader{table: newTable(shape, nil, "")}
	only := ""
	if inherited { // the rows of its children are theirs
		only = "only "
	}
	var columns, order, from []string
	for _, c := range m.columns {
		columns = append(columns, pgx.Identifier{c.name}.Sanitize())
	}
	for _, k := range shape.Key {
		r.keys = append(r.keys, slices.Index(shape.Columns, k))
		order = append(order, pgx.Identifier{k}.Sanitize())
		from = append(from, fmt.Sprintf("($2::text[])[%d]::%s", len(order), types[k]))
	}
	r.sql = fmt.Sprintf(`select %s from `+only+`%s where $2::text[] is null or (%s) > (%s) order by %s limit $1`,
		strings.Join(columns, ", "), quoted(name), strings.Join(order, ", "), strings.Join(from, ", "), strings.Join(order, ", "))
	return r, nil
}

// read returns the rows that follow a key, nil for the first ones.
func (r *rowReader) read(ctx context.Context, tx pgx.Tx, after []string, limit int) ([]*hooks.Image, error) {
	for name, value := range rowSettings() {
		if _, err := tx.Exec(ctx, `select set_config($1, $2, true)`, name, value); err != nil {
			return nil, err
		}
	}
	formats := make(pgx.QueryResultFormats, len(r.table.shape.Columns))
	for i := range formats {
		formats[i] = pgx.TextFormatCode
	}
	rows, err := tx.Query(ctx, r.sql, formats, limit, after)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*hooks.Image, error) {
		im := &hooks.Image{Shape: r.table.shape}
		for _, v := range row.RawValues() {
			if v != nil {
				v = append([]byte{}, v...)
			}
			im.Values = append(im.Values, v)
		}
		return im, nil
	})
}

func (r *rowReader) keyOf(im *hooks.Image) []string {
	var key []string
	for _, i := range r.keys {
		key = append(key, string(im.Values[i]))
	}
	return key
}
