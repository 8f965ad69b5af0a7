package listener

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// walLevelFix is what to do where the server writes too little for logical replication.
const walLevelFix = "run `alter system set wal_level = logical` as a superuser, then restart Postgres"

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
		return stop(nil, walLevelFix, "wal_level is %s, and logical replication needs logical", walLevel)
	case encoding != "UTF8":
		return stop(nil, "use a database with encoding UTF8", "the database's encoding is %s", encoding)
	case !mayReplicate:
		return stop(nil, fmt.Sprintf("run `alter role %q replication` as a superuser, or give Config.ReplicationURL of a role that has it", role), "role %s may not replicate", role)
	}
	var missing []string
	err = l.pool.QueryRow(ctx, `select coalesce(array_agg(lacks), '{}') from (
		select t || ' ' || p as lacks from unnest(array['owner', 'lease', 'hook_sets', 'position', 'relations', 'event_batches', 'spool', 'subscriptions', 'acks', 'ack_batches', 'deliveries',
				'backfills', 'backfill_batches', 'hook_changes']) t, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p where not has_table_privilege('latchkey.' || t, p)
		union all
		select f || ' EXECUTE' from unnest(array['make_partition(text, bigint, bigint)', 'drop_partition(regclass, bigint)']) f where not has_function_privilege(to_regprocedure('latchkey.' || f), 'EXECUTE')) l`).Scan(&missing)
	if state := sqlState(err); state == stateNoTable || state == "3F000" {
		return stop(nil, "run `latchkey migrate`, or call db.Migrate", "the database has no Latchkey schema")
	}
	if state := sqlState(err); err == nil && len(missing) > 0 || state == stateNoRights {
		return stop(err, "grant usage on schema latchkey, select, insert, update, delete on all tables in schema latchkey, and execute on function latchkey.make_partition, latchkey.drop_partition, to the role of Config.DatabaseURL",
			"the role lacks privileges on what is the engine's: %s", strings.Join(missing, ", "))
	}
	if err != nil {
		return fmt.Errorf("check privileges: %w", err)
	}
	if err := l.checkSchema(ctx); err != nil || l.cfg.Webhooks == nil {
		return err
	}
	return l.checkWebhookRights(ctx)
}

// checkWebhookRights stops where the role can't do what webhooks take: read the hooks, switch one off, write the log.
func (l *Listener) checkWebhookRights(ctx context.Context) error {
	var missing []string
	err := l.pool.QueryRow(ctx, `select coalesce(array_agg(t || ' ' || p), '{}') from (values ('auth.hooks', 'SELECT'), ('auth.hooks', 'UPDATE'), ('auth.hook_secrets', 'SELECT'), ('auth.logs', 'INSERT')) n (t, p)
		where not has_schema_privilege('auth', 'USAGE') or not has_table_privilege(t, p)`).Scan(&missing)
	if err != nil {
		return fmt.Errorf("check privileges: %w", err)
	}
	if len(missing) > 0 {
		return stop(nil, "grant usage on schema auth, select and update on auth.hooks, select on auth.hook_secrets, insert on auth.logs, to the role of Config.DatabaseURL, or open the listener without Config.Webhooks",
			"the role lacks privileges on what webhooks need: %s", strings.Join(missing, ", "))
	}
	return nil
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

// queueSubscription makes a hook's subscription, unless it has one. What lies below first_seq is gone from the log.
func queueSubscription(q *pgx.Batch, group string, a *hooks.After) {
	switch start := a.Start(); {
	case !start.Given:
		q.Queue(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq)
			select $1, $2, $3, pg_current_wal_insert_lsn(), coalesce((select next_seq - 1 from latchkey.position where group_name = $1), 0)
			on conflict do nothing`, group, a.Table, a.Name)
	case !start.Time.IsZero():
		q.Queue(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq)
			select $1, $3, $4, '0/0', coalesce((`+seqAtTime+`) - 1, (select next_seq - 1 from latchkey.position where group_name = $1), 0)
			on conflict do nothing`, group, start.Time, a.Table, a.Name)
	default:
		q.Queue(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq)
			select $1, $2, $3, '0/0', greatest($4 - 1, (select first_seq - 1 from latchkey.position where group_name = $1), 0)
			on conflict do nothing`, group, a.Table, a.Name, start.Seq)
	}
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
		queueSubscription(q, l.cfg.Group, a)
	}
	if err := l.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("register the hooks: %w", err)
	}
	rows, err := l.pool.Query(ctx, `select table_name || ' ' || hook from latchkey.subscriptions where group_name = $1 and table_name not like 'webhook/%'`, l.cfg.Group)
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
