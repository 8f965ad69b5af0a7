package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// shapes keeps what tables looked like, by id: stored rows name the shape that they were stored with.
type shapes struct {
	db   Querier
	mu   sync.Mutex
	byID map[int64]*hooks.Shape
}

func newShapes(db Querier) *shapes {
	return &shapes{db: db, byID: map[int64]*hooks.Shape{}}
}

// describe finds or stores the shape that a Relation message tells of.
func (s *shapes) describe(ctx context.Context, m relationMessage) (*hooks.Shape, error) {
	shape := &hooks.Shape{Schema: m.schema, Table: m.table}
	var oids []int64
	for _, c := range m.columns {
		shape.Columns = append(shape.Columns, c.name)
		shape.Types = append(shape.Types, c.oid)
		oids = append(oids, int64(c.oid))
	}
	var err error
	if shape.Key, err = s.primaryKey(ctx, m); err != nil {
		return nil, err
	}
	if shape.Generated, err = s.generated(ctx, m); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.byID {
		if known.Schema == shape.Schema && known.Table == shape.Table && slices.Equal(known.Columns, shape.Columns) &&
			slices.Equal(known.Types, shape.Types) && slices.Equal(known.Key, shape.Key) && slices.Equal(known.Generated, shape.Generated) {
			return known, nil
		}
	}
	const describe = `with made as (
			insert into latchkey.relations (schema_name, table_name, name, columns, type_oids, key_columns, generated) values ($1, $2, $3, $4, $5, $6, $7)
			on conflict do nothing returning id)
		select id from made union all
		select id from latchkey.relations where schema_name = $1 and table_name = $2 and columns = $4 and type_oids = $5 and key_columns = $6 and generated = $7 limit 1`
	store := func() error {
		return s.db.QueryRow(ctx, describe, shape.Schema, shape.Table, shape.Name(), shape.Columns, oids, shape.Key, shape.Generated).Scan(&shape.ID)
	}
	err = store()
	if errors.Is(err, pgx.ErrNoRows) { // another group was faster, just now: the next statement sees what it stored
		err = store()
	}
	if err != nil {
		return nil, fmt.Errorf("store the columns of %s: %w", shape.Name(), err)
	}
	s.byID[shape.ID] = shape
	return shape, nil
}

// keyIndex selects the index whose columns tell a table's rows apart: the primary key, else a unique index that covers
// every row and takes no NULL.
func keyIndex(table string) string {
	return `select i.* from pg_index i where i.indrelid = ` + table + ` and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
	and not exists (select from unnest(i.indkey::int2[]) with ordinality as k (att, n) join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.att
		where k.n <= i.indnkeyatts and not a.attnotnull)
	order by i.indisprimary desc, i.indexrelid limit 1`
}

// primaryKey asks the catalogue, which is of now, while the message may be old: where the table or a key column is gone
// since, what was stored of the table last, or else what the message marks, decides.
func (s *shapes) primaryKey(ctx context.Context, m relationMessage) ([]string, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(m.columns, func(c column) bool { return c.name == name })
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`select array_agg(a.attname::text order by k.n) from (` + keyIndex("$1") + `) i cross join unnest(i.indkey::int2[]) with ordinality as k (att, n)
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.att where k.n <= i.indnkeyatts`, []any{m.oid}},
		{`select key_columns from latchkey.relations where schema_name = $1 and table_name = $2 order by id desc limit 1`, []any{m.schema, m.table}},
	} {
		var key []string
		err := s.db.QueryRow(ctx, q.sql, q.args...).Scan(&key)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("find the key of %s.%s: %w", m.schema, m.table, err)
		}
		if len(key) > 0 && !slices.ContainsFunc(key, func(k string) bool { return !has(k) }) {
			return key, nil
		}
	}
	key := []string{}
	for _, c := range m.columns {
		if c.key {
			key = append(key, c.name)
		}
	}
	return key, nil
}

// generated lists the columns that the table has, but no message: those that are generated when they are read,
// and before Postgres 18 all that are generated.
func (s *shapes) generated(ctx context.Context, m relationMessage) ([]string, error) {
	names := []string{}
	for _, c := range m.columns {
		names = append(names, c.name)
	}
	var generated []string
	err := s.db.QueryRow(ctx, `select coalesce(array_agg(attname::text order by attnum), '{}') from pg_attribute
		where attrelid = $1 and attnum > 0 and not attisdropped and attgenerated <> '' and attname <> all ($2::text[])`, m.oid, names).Scan(&generated)
	if err != nil {
		return nil, fmt.Errorf("find the generated columns of %s.%s: %w", m.schema, m.table, err)
	}
	return generated, nil
}

// get finds a shape by its id.
func (s *shapes) get(ctx context.Context, id int64) (*hooks.Shape, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shape := s.byID[id]; shape != nil {
		return shape, nil
	}
	shape := &hooks.Shape{ID: id}
	var oids []int64
	err := s.db.QueryRow(ctx, `select schema_name, table_name, columns, type_oids, key_columns, generated from latchkey.relations where id = $1`, id).
		Scan(&shape.Schema, &shape.Table, &shape.Columns, &oids, &shape.Key, &shape.Generated)
	if err != nil {
		return nil, fmt.Errorf("read relation %d: %w", id, err)
	}
	for _, oid := range oids {
		shape.Types = append(shape.Types, uint32(oid))
	}
	s.byID[id] = shape
	return shape, nil
}
