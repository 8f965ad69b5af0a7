package listener

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// resetFix is the way back when the stream has a hole, or may have one.
const resetFix = "make sure that what changed meanwhile is dealt with, then run `latchkey reset --accept-gap` (it makes a new slot, from now on; the log, the cursors and the failed deliveries stay)"

// slotName is unique in the cluster, as slots must be: databases share it. Postgres allows 63 of a-z, 0-9 and _.
func slotName(database, group string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, database)
	name := "latchkey_" + clean + "_" + group
	// An underscore in the group would make a_b's c and a's b_c one.
	if clean == database && !strings.Contains(group, "_") && len(name) <= 63 {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(database)) // never fails
	if most := 63 - len("latchkey__") - 9 - len(group); len(clean) > most {
		clean = clean[:most]
	}
	return fmt.Sprintf("latchkey_%s_%08x_%s", clean, h.Sum32(), group)
}

// prepareSlot returns where to start, and makes the slot if this group never had one. It never makes one again.
func (t *term) prepareSlot(ctx context.Context) (*slotState, error) {
	system, err := pglogrepl.IdentifySystem(ctx, t.replication)
	if err != nil {
		return nil, fmt.Errorf("identify the server: %w", err)
	}
	s, err := loadPosition(ctx, t.pool, t.cfg.Group)
	if err != nil {
		return nil, err
	}
	if s != nil && s.live {
		return s, t.checkSlot(ctx, s, system)
	}
	if s == nil {
		s = &slotState{publication: publicationName(t.cfg.Group)}
	}
	// By this database's name even where the stored one is another's: a copied database that was reset must not drop its
	// original's slot. Only what a crash left between intending a slot and going live is ours to drop.
	intended := s.slot
	s.slot = slotName(system.DBName, t.cfg.Group)
	found, err := t.findSlot(ctx, s.slot)
	if err != nil {
		return nil, err
	}
	if found != nil && (s.slot != intended || found.database != system.DBName) {
		return nil, stop(nil, fmt.Sprintf("if nobody else needs it, run `select pg_drop_replication_slot('%s')`; otherwise choose another group name", s.slot),
			"slot %s exists, but database %s has no position for it: it belongs to something else, or the position was deleted", s.slot, system.DBName)
	}
	s.system, s.timeline = system.SystemID, int64(system.Timeline)
	return s, t.createSlot(ctx, s)
}

type slotRow struct {
	plugin, database, walStatus string
	active                      bool
	confirmed                   pglogrepl.LSN
}

func (t *term) findSlot(ctx context.Context, name string) (*slotRow, error) {
	r := &slotRow{}
	err := t.pool.QueryRow(ctx, `select coalesce(plugin, ''), coalesce(database, ''), coalesce(wal_status, ''), active, coalesce(confirmed_flush_lsn, '0/0')
		from pg_replication_slots where slot_name = $1`, name).Scan(&r.plugin, &r.database, &r.walStatus, &r.active, &r.confirmed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for slot %s: %w", name, err)
	}
	return r, nil
}

// checkSlot stops where a change could have been missed since the stored position.
func (t *term) checkSlot(ctx context.Context, s *slotState, system pglogrepl.IdentifySystemResult) error {
	if s.system != system.SystemID {
		return stop(nil, resetFix, "the stored position belongs to another cluster (system identifier %s, this one is %s): the database was restored or copied", s.system, system.SystemID)
	}
	if s.timeline != int64(system.Timeline) {
		return stop(nil, resetFix, "the server is on timeline %d and the stored position on %d: it was promoted or restored to a point in time, and may lack what was already acknowledged", system.Timeline, s.timeline)
	}
	found, err := t.findSlot(ctx, s.slot)
	switch {
	case err != nil:
		return err
	case found == nil:
		return stop(nil, resetFix, "slot %s is gone, and with it what was committed since %s", s.slot, s.done)
	case found.database != system.DBName || found.plugin != "pgoutput":
		return stop(nil, resetFix, "slot %s belongs to database %s with plugin %s, not to this position of database %s: the database was copied or renamed", s.slot, found.database, found.plugin, system.DBName)
	case found.walStatus == "lost":
		return stop(nil, resetFix+"; raise max_slot_wal_keep_size, so that it doesn't happen again", "slot %s has lost the log that it needs: it fell more than max_slot_wal_keep_size behind", s.slot)
	case found.confirmed > s.done:
		return stop(nil, resetFix, "slot %s was acknowledged up to %s, but only %s is stored: something else has read it, or the database was restored to an earlier state", s.slot, found.confirmed, s.done)
	}
	return nil
}

func (t *term) createSlot(ctx context.Context, s *slotState) error {
	if err := intend(ctx, t.pool, t.cfg.Group, s); err != nil {
		return err
	}
	// What a crash left between intending and going live was never promised to anyone.
	if _, err := t.pool.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active`, s.slot); err != nil {
		return fmt.Errorf("drop the unfinished slot %s: %w", s.slot, err)
	}
	limited, cancel := context.WithTimeout(ctx, t.cfg.SlotTimeout)
	defer cancel()
	created, err := pglogrepl.CreateReplicationSlot(limited, t.replication, s.slot, "pgoutput",
		pglogrepl.CreateReplicationSlotOptions{Mode: pglogrepl.LogicalReplication, SnapshotAction: "NOEXPORT_SNAPSHOT"})
	if err != nil {
		return t.explainCreate(ctx, s.slot, err, limited.Err() != nil && ctx.Err() == nil)
	}
	at, err := pglogrepl.ParseLSN(created.ConsistentPoint)
	if err != nil {
		return fmt.Errorf("consistent point of slot %s: %w", s.slot, err)
	}
	if err := goLive(ctx, t.pool, t.cfg.Group, at); err != nil {
		return err
	}
	s.position = position{done: at, nextSeq: max(s.nextSeq, 1)}
	return nil
}

func (t *term) explainCreate(ctx context.Context, slot string, err error, timedOut bool) error {
	switch {
	case timedOut:
		return stop(err, "end the open transactions, or raise listener.Config.SlotTimeout, and start again: "+t.openTransactions(ctx),
			"creating slot %s waited %v for transactions that were open when it began", slot, t.cfg.SlotTimeout)
	case sqlState(err) == stateNoSlots:
		return stop(err, "drop a slot that nobody uses (select slot_name, active from pg_replication_slots), or raise max_replication_slots and restart Postgres", "there is no free replication slot")
	case sqlState(err) == stateNoRights:
		return stop(err, "alter role ... replication (or give ReplicationURL of a role that has it)", "the role may not create a replication slot")
	case sqlState(err) == stateNotReady:
		return stop(err, walLevelFix, "the server does not write what logical replication needs")
	}
	return fmt.Errorf("create slot %s: %w", slot, err)
}

// openTransactions names who holds up a slot: every transaction of the cluster that has written.
func (t *term) openTransactions(ctx context.Context) string {
	rows, err := t.pool.Query(ctx, `select format('pid %s of %s in %s since %s', pid, usename, datname, xact_start)
		from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() order by xact_start limit 5`)
	if err != nil {
		return "select * from pg_stat_activity where backend_xid is not null"
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(open) == 0 {
		return "select * from pg_stat_activity where backend_xid is not null, and pg_prepared_xacts"
	}
	return strings.Join(open, "; ")
}

// startStream begins replication at the stored position, never at the server's.
func (t *term) startStream(ctx context.Context, s *slotState) error {
	options := pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: []string{
		"proto_version '1'", "messages 'true'", "publication_names '" + strings.ReplaceAll(s.publication, "'", "''") + "'",
	}}
	err := pglogrepl.StartReplication(ctx, t.replication, s.slot, s.done, options)
	if sqlState(err) == stateInUse {
		return stop(err, "find out who reads it (select * from pg_replication_slots, by active_pid in pg_stat_activity) and stop that; two programs can't share a slot",
			"slot %s is being read by another program that is not of this group", s.slot)
	}
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	return nil
}

// replicationConfig makes rows arrive in one form whatever the server's settings are.
func replicationConfig(url, applicationName string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	maps.Copy(config.RuntimeParams, rowSettings())
	maps.Copy(config.RuntimeParams, map[string]string{"replication": "database", "application_name": applicationName, "client_encoding": "UTF8"})
	return config, nil
}

// rowSettings make values have one form.
func rowSettings() map[string]string {
	return map[string]string{"datestyle": "ISO", "intervalstyle": "postgres", "timezone": "UTC", "extra_float_digits": "3", "bytea_output": "hex"}
}

func parseInt(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // of the server's own settings
	return n
}
