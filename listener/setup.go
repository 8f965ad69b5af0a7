package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func publicationName(group string) string { return "latchkey_" + group }

// checkServer stops where logical replication can't work, with what to do.
func (l *Listener) checkServer(ctx context.Context) error {
	var version int
	var walLevel, encoding, role string
	var mayReplicate bool
	err := l.replicationPool().QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('wal_level'), current_setting('server_encoding'),
		current_user, (select rolreplication or rolsuper from pg_roles where rolname = current_user)`).Scan(&version, &walLevel, &encoding, &role, &mayReplicate)
	if err != nil {
		return fmt.Errorf("ask the server for its settings: %w", err)
	}
	switch {
	case version < 150000:
		return stop(nil, "upgrade to Postgres 15 or newer", "the server is Postgres %d", version/10000)
	case walLevel != "logical":
		return stop(nil, "run `alter system set wal_level = logical` as a superuser, then restart Postgres", "wal_level is %s, and logical replication needs logical", walLevel)
	case encoding != "UTF8":
		return stop(nil, "use a database with encoding UTF8", "the database's encoding is %s", encoding)
	case !mayReplicate:
		return stop(nil, fmt.Sprintf("run `alter role %q replication` as a superuser, or give Config.ReplicationURL of a role that has it", role), "role %s may not replicate", role)
	}
	var missing []string
	err = l.pool.QueryRow(ctx, `select coalesce(array_agg(t || ' ' || p), '{}')
		from unnest(array['owner', 'lease', 'hook_sets', 'position', 'relations', 'event_batches', 'spool', 'subscriptions', 'acks', 'ack_batches', 'deliveries']) t,
			unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p where not has_table_privilege('latchkey.' || t, p)`).Scan(&missing)
	if state := sqlState(err); state == stateNoTable || state == "3F000" {
		return stop(nil, "run `latchkey migrate`, or call db.Migrate", "the database has no Latchkey schema")
	}
	if state := sqlState(err); err == nil && len(missing) > 0 || state == stateNoRights {
		return stop(err, "grant usage on schema latchkey, and select, insert, update, delete on all tables in schema latchkey, to the role of Config.DatabaseURL",
			"the role lacks privileges on the engine's tables: %s", strings.Join(missing, ", "))
	}
	if err != nil {
		return fmt.Errorf("check privileges: %w", err)
	}
	return l.checkSchema(ctx)
}

// checkSchema stops beside a schema that another version of the program made.
func (l *Listener) checkSchema(ctx context.Context) error {
	switch err := db.CheckSchema(ctx, l.pool); {
	case err == nil:
		return nil
	case sqlState(err) == stateNoRights:
		return stop(err, "grant select on public.latchkey_migrations to the role of Config.DatabaseURL", "the role may not read the schema's version")
	case sqlState(err) != "" || passing(err):
		return fmt.Errorf("check the schema: %w", err)
	default:
		return stop(err, "make the two versions match, as it says", "the schema and the program don't fit")
	}
}

// tableState is what the catalogue says of a table that is to be hooked.
type tableState struct {
	name      string
	exists    bool
	full      bool
	stamped   bool
	published bool
}

// ensurePublication publishes the hooked tables: before the slot, and each table in a transaction that waits for its
// writers, or changes of theirs would never be decoded.
func (l *Listener) ensurePublication(ctx context.Context) error {
	publication := publicationName(l.cfg.Group)
	rows, err := l.pool.Query(ctx, `select t.name, c.oid is not null, coalesce(c.relreplident = 'f', false),
			exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgname = 'latchkey_stamp' and g.tgenabled = 'A'),
			exists (select from pg_publication_rel pr join pg_publication p on p.oid = pr.prpubid where p.pubname = $2 and pr.prrelid = c.oid)
		from unnest($1::text[]) as t (name) left join pg_class c on c.oid = to_regclass(t.name)`, l.cfg.Hooks.Tables(), publication)
	if err != nil {
		return fmt.Errorf("read the tables' state: %w", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s tableState, err error) {
		err = row.Scan(&s.name, &s.exists, &s.full, &s.stamped, &s.published)
		return s, err
	})
	if sqlState(err) == stateNoRights {
		return stop(err, "grant usage on the schemas of the hooked tables (auth) to the role of Config.DatabaseURL", "the role may not look up the hooked tables")
	}
	if err != nil {
		return fmt.Errorf("read the tables' state: %w", err)
	}
	var problems []error
	for _, s := range tables {
		switch {
		case !s.exists:
			problems = append(problems, stop(nil, "create it, or run `latchkey migrate`", "table %s is hooked and does not exist", s.name))
		case !s.full || !s.stamped:
			problems = append(problems, stop(nil, fmt.Sprintf("run `select latchkey.watch('%s')` as its owner (it briefly locks the table)", s.name),
				"table %s is hooked, but not REPLICA IDENTITY FULL, or its trigger latchkey_stamp is missing or not ENABLE ALWAYS: old rows and writers would be unknown", s.name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if err := l.createPublication(ctx, publication); err != nil {
		return err
	}
	for _, s := range tables {
		if !s.published {
			if err := l.publish(ctx, publication, s.name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Listener) createPublication(ctx context.Context, publication string) error {
	var exists bool
	if err := l.pool.QueryRow(ctx, `select exists (select from pg_publication where pubname = $1)`, publication).Scan(&exists); err != nil {
		return fmt.Errorf("look for publication %s: %w", publication, err)
	}
	if exists {
		return nil
	}
	_, err := l.pool.Exec(ctx, `create publication `+pgx.Identifier{publication}.Sanitize()+` with (publish_via_partition_root = true)`)
	switch state := sqlState(err); {
	case err == nil, state == "42710", state == stateUnique: // another instance was faster
		return nil
	case state == stateNoRights:
		return stop(err, fmt.Sprintf("grant create on the database to the role, or create it as a superuser: create publication %s with (publish_via_partition_root = true)", publication),
			"the role may not create publication %s", publication)
	}
	return fmt.Errorf("create publication %s: %w", publication, err)
}

// publishTries and lockWait bound how often, and how long each time, the writers of a table are made to wait.
const (
	publishTries = 20
	lockWait     = "500ms"
)

func (l *Listener) publish(ctx context.Context, publication, table string) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			// The lock waits for every transaction that has written the table, so that none is half published.
			for _, sql := range []string{
				`set local lock_timeout = '` + lockWait + `'`,
				`lock table ` + quoted(table) + ` in share row exclusive mode`,
				`alter publication ` + pgx.Identifier{publication}.Sanitize() + ` add table ` + quoted(table),
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		switch state := sqlState(err); {
		case err == nil, state == "42710": // another instance was faster
			return nil
		case state == stateNoRights:
			return stop(err, fmt.Sprintf("as the owner of both: alter publication %s add table %s", publication, table), "the role may not publish %s", table)
		case state == stateLockWait && try < publishTries:
			l.log.Info("waiting for writers of a table that is to be published", "table", table, "try", try)
		case state == stateLockWait:
			return stop(err, "end the transactions that have written it (select * from pg_locks where relation = '"+table+"'::regclass), and start again", "table %s could not be locked, to publish it", table)
		default:
			return fmt.Errorf("publish %s: %w", table, err)
		}
	}
}

func quoted(table string) string {
	return pgx.Identifier(strings.SplitN(table, ".", 2)).Sanitize()
}

// register makes a subscription for each hook that has none. "Now", for a new one, is where the log is written at this moment.
func (l *Listener) register(ctx context.Context) error {
	q := &pgx.Batch{}
	q.Queue(`insert into latchkey.owner (group_name) values ($1) on conflict do nothing`, l.cfg.Group)
	q.Queue(`insert into latchkey.lease (group_name) values ($1) on conflict do nothing`, l.cfg.Group)
	for _, a := range l.cfg.Hooks.Afters() {
		if from := a.RenamedFrom(); from != "" {
			q.Queue(`update latchkey.subscriptions set hook = $3 where group_name = $1 and table_name = $2 and hook = $4
				and not exists (select from latchkey.subscriptions where group_name = $1 and table_name = $2 and hook = $3)`, l.cfg.Group, a.Table, a.Name, from)
		}
		q.Queue(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq)
			select $1, $2, $3, pg_current_wal_insert_lsn(), coalesce((select next_seq - 1 from latchkey.position where group_name = $1), 0)
			on conflict do nothing`, l.cfg.Group, a.Table, a.Name)
	}
	if err := l.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("register the hooks: %w", err)
	}
	rows, err := l.pool.Query(ctx, `select table_name || ' ' || hook from latchkey.subscriptions where group_name = $1`, l.cfg.Group)
	if err != nil {
		return fmt.Errorf("read the subscriptions: %w", err)
	}
	stored, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the subscriptions: %w", err)
	}
	for _, s := range stored {
		if !slices.ContainsFunc(l.cfg.Hooks.Afters(), func(a *hooks.After) bool { return a.Table+" "+a.Name == s }) {
			l.log.Warn("a hook has left the code; its cursor stays, and it goes on if it comes back", "hook", s)
		}
	}
	return nil
}
