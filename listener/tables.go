package listener

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// tableState is what the catalogue of Postgres says of a table that is to be hooked.
type tableState struct {
	name        string // as hooks.TableName has it, which SQL reads as the same
	own         *hooks.OwnTable
	kind        string // pg_class.relkind, empty where there is no such table
	persistence string // pg_class.relpersistence
	inherited   bool   // other tables inherit from it
	above       string // for a partition: a table above it in whose name its changes come
	keyed       bool   // something tells its rows apart
	columns     []string
	unready     []string // itself and those of its partitions that are not REPLICA IDENTITY FULL, or not stamped
	unlogged    []string // partitions that write no log
	published   bool
	narrowed    bool // published in part
}

// readTables reads the state of the tables that this program hooks.
func (l *Listener) readTables(ctx context.Context) ([]*tableState, error) {
	tables, err := readTables(ctx, l.pool, l.cfg.Hooks.Tables(), l.cfg.Group)
	own := l.cfg.Hooks.OwnTables()
	for _, s := range tables {
		if i := slices.IndexFunc(own, func(t hooks.OwnTable) bool { return t.Name == s.name }); i >= 0 {
			s.own = &own[i]
		}
	}
	return tables, err
}

func readTables(ctx context.Context, q Querier, names []string, group string) ([]*tableState, error) {
	rows, err := q.Query(ctx, `select t.name, coalesce(c.relkind::text, ''), coalesce(c.relpersistence::text, ''), coalesce(c.relkind = 'r' and c.relhassubclass, false),
			coalesce((select format('%I.%I', n.nspname, a.relname) from pg_partition_ancestors(c.oid) above join pg_class a on a.oid = above.relid join pg_namespace n on n.oid = a.relnamespace
				where a.oid <> c.oid and (a.oid in (select to_regclass(x) from unnest($1::text[]) x)
					or exists (select from pg_publication_rel o join pg_publication p on p.oid = o.prpubid where p.pubname = $2 and o.prrelid = a.oid)) limit 1), ''),
			exists (`+keyIndex("c.oid")+`),
			array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped order by attnum),
			coalesce(parts.unready, '{}'), coalesce(parts.unlogged, '{}'), r.prrelid is not null, coalesce(r.prqual is not null or r.prattrs is not null, false)
		from unnest($1::text[]) with ordinality as t (name, n) left join pg_class c on c.oid = to_regclass(t.name)
		left join (pg_publication_rel r join pg_publication p on p.oid = r.prpubid and p.pubname = $2) on r.prrelid = c.oid
		cross join lateral (
			select array_agg(part.name order by part.name) filter (where part.relreplident <> 'f' or not exists (
					select from pg_trigger g where g.tgrelid = part.oid and g.tgname = 'latchkey_stamp' and g.tgenabled = 'A')) as unready,
				array_agg(part.name order by part.name) filter (where part.relpersistence = 'u' and part.oid <> c.oid) as unlogged
			from (select q.*, format('%I.%I', n.nspname, q.relname) as name from pg_class q join pg_namespace n on n.oid = q.relnamespace
				where q.relkind in ('r', 'p') and (q.oid = c.oid or q.oid in (select relid from pg_partition_tree(c.oid)))) as part) as parts
		order by t.n`, names, publicationName(group))
	if err != nil {
		return nil, fmt.Errorf("read the tables' state: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*tableState, error) {
		s := &tableState{}
		err := row.Scan(&s.name, &s.kind, &s.persistence, &s.inherited, &s.above, &s.keyed, &s.columns, &s.unready, &s.unlogged, &s.published, &s.narrowed)
		return s, err
	})
	if sqlState(err) == stateNoRights {
		return nil, stop(err, "grant usage on the schemas of the hooked tables (auth, and those of the service's own tables) to the role of Config.DatabaseURL",
			"the role may not look up the hooked tables")
	}
	if err != nil {
		return nil, fmt.Errorf("read the tables' state: %w", err)
	}
	return tables, nil
}

// problem says what keeps the table from being hooked, and what to do.
func (s *tableState) problem(group string) error {
	switch {
	case s.kind == "" && s.own == nil:
		return stop(nil, "create it, or run `latchkey migrate`", "table %s is hooked and does not exist", s.name)
	case s.kind == "":
		return stop(nil, "create it before the listener opens, or correct the name that db.Table was given", "table %s is hooked and does not exist", s.name)
	case s.kind == "v", s.kind == "m":
		return stop(nil, "hook the tables that it reads", "%s is hooked and is a view: the log has changes of tables only", s.name)
	case s.kind == "f":
		return stop(nil, "hook it where it lives, with a listener of that database", "%s is hooked and is a foreign table: its changes are in another server's log", s.name)
	case s.kind != "r" && s.kind != "p":
		return stop(nil, "correct the name that db.Table was given", "%s is hooked and is no table", s.name)
	case s.persistence == "u":
		return stop(nil, "run `alter table "+s.name+" set logged` (it writes the table anew)", "table %s is hooked and is unlogged: its changes are not in the log", s.name)
	case s.persistence != "p":
		return stop(nil, "hook a permanent table", "table %s is hooked and is temporary: its changes are not in the log", s.name)
	case len(s.unlogged) > 0:
		return stop(nil, "run `alter table "+s.unlogged[0]+" set logged` (it writes the table anew)", "table %s is hooked and its partition %s is unlogged: its changes are not in the log",
			s.name, strings.Join(s.unlogged, ", "))
	case s.above != "":
		return stop(nil, fmt.Sprintf("hook %s instead; if that is not hooked any more, run `alter publication %s drop table %s`", s.above, publicationName(group), s.above),
			"table %s is hooked and is a partition of %s, in whose name its changes come", s.name, s.above)
	case !s.keyed:
		return stop(nil, "run `alter table "+s.name+" add primary key (...)`, or create a unique index on columns that are NOT NULL",
			"table %s is hooked and has no primary key: nothing would tell which events are about the same row, so they could be kept in no order", s.name)
	case s.narrowed:
		return stop(nil, fmt.Sprintf("run `alter publication %s drop table %s`: the listener adds it again, whole", publicationName(group), s.only(s.name)),
			"table %s is published with a column list or a WHERE, so changes of it would be missed", s.name)
	case s.own == nil && len(s.unready) > 0:
		return s.notReady()
	}
	return s.lacking()
}

func (s *tableState) notReady() error {
	return stop(nil, fmt.Sprintf("run `%s` as its owner (it briefly locks the table)", watchSQL(s.name)),
		"table %s is hooked, but not REPLICA IDENTITY FULL, or its trigger latchkey_stamp is missing or not ENABLE ALWAYS: old rows and writers would be unknown", s.name)
}

// lacking compares the struct of the table's hooks with its columns.
func (s *tableState) lacking() error {
	if s.own == nil {
		return nil
	}
	for _, f := range s.own.Fields {
		if f.Optional || slices.Contains(s.columns, f.Column) {
			continue
		}
		fix := fmt.Sprintf("add the column, or tag the field with the one that it stands for (`db:\"column\"`; there are %s), or with `db:\"-\"` for none", strings.Join(s.columns, ", "))
		return stop(nil, fix, "table %s has no column %s, which field %s stands for", s.name, f.Column, f.Name)
	}
	return nil
}

// only leaves out the tables that inherit from it: their rows are theirs.
func (s *tableState) only(name string) string {
	if s.inherited {
		return "only " + name
	}
	return name
}

// quoted makes a name fit for any place in SQL: that of a table may be a reserved word.
func quoted(name string) string {
	schema, table, err := hooks.ParseTableName(name)
	if err != nil { // the name is one that Postgres found
		return name
	}
	return pgx.Identifier{schema, table}.Sanitize()
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
