package listener

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
)

// Finding is one thing that Examine looked at.
type Finding struct {
	What    string  `json:"what"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	Fix     string  `json:"fix,omitempty"` // what to do, unless it is well
}

// Verdict says how bad a finding is.
type Verdict string

// Verdicts.
const (
	Well    Verdict = "ok"
	Warning Verdict = "warning" // it works now, and may not later
	Problem Verdict = "problem" // it doesn't work, or loses something
)

// Examine looks at all that a group needs of its database, and says of each what is wrong and what to do. It changes
// nothing. replication is a connection for the role that replicates; the same one where that is the same. The error is of
// the connection; what is wrong is in the findings.
func Examine(ctx context.Context, conn, replication Querier, group string) ([]Finding, error) {
	setDefault(&group, "default")
	x := &examination{ctx: ctx, db: conn, replication: replication, group: group}
	for _, look := range []func() error{
		x.server, x.settings, x.role, x.schema, x.slot, x.publication, x.tables, x.owner, x.hooks, x.log, x.transactions, x.clock,
	} {
		if err := look(); err != nil {
			return x.findings, fmt.Errorf("listener: examine: %w", err)
		}
		if x.noSchema {
			break // the rest would only say so again
		}
	}
	return x.findings, nil
}

type examination struct {
	ctx             context.Context //nolint:containedctx // it lives as long as one call of Examine
	db, replication Querier
	group           string
	findings        []Finding
	noSchema        bool
	version         int
}

// say adds a finding: well, or else the verdict with its fix.
func (x *examination) say(what string, well bool, otherwise Verdict, fix, detail string, args ...any) {
	f := Finding{What: what, Verdict: Well, Detail: fmt.Sprintf(detail, args...)}
	if !well {
		f.Verdict, f.Fix = otherwise, fix
	}
	x.findings = append(x.findings, f)
}

func (x *examination) row(sql string, args []any, into ...any) error {
	return x.db.QueryRow(x.ctx, sql, args...).Scan(into...)
}

func (x *examination) server() error {
	var name, encoding string
	if err := x.row(`select current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')`, nil, &x.version, &name, &encoding); err != nil {
		return err
	}
	major, minor := x.version/10000, x.version%10000
	x.say("server version", major >= 15, Problem, "upgrade to Postgres 15 or newer", "Postgres %s", name)
	// The first ones with the fixes of logical decoding that matter here (release notes of May 2025).
	if least, known := map[int]int{15: 13, 16: 9, 17: 5}[major]; known {
		x.say("minor release", minor >= least, Warning, fmt.Sprintf("upgrade to %d.%d or newer: older ones have faults in logical decoding", major, least), "Postgres %s", name)
	}
	x.say("encoding", encoding == "UTF8", Problem, "use a database with encoding UTF8", "%s", encoding)
	return nil
}

func (x *examination) settings() error {
	var level, keep, timeout string
	var slots, slotsUsed, senders, sendersUsed int
	err := x.row(`select current_setting('wal_level'), current_setting('max_slot_wal_keep_size'), current_setting('wal_sender_timeout'),
		current_setting('max_replication_slots')::int, (select count(*) from pg_replication_slots), current_setting('max_wal_senders')::int,
		(select count(*) from pg_stat_activity where backend_type = 'walsender')`, nil, &level, &keep, &timeout, &slots, &slotsUsed, &senders, &sendersUsed)
	if err != nil {
		return err
	}
	x.say("wal_level", level == "logical", Problem, walLevelFix, "%s", level)
	x.say("max_slot_wal_keep_size", keep != "-1", Warning,
		"set a limit that the disk can bear (alter system set max_slot_wal_keep_size = '20GB'): a listener that stays away then loses its slot, loudly, before the server's disk is full", "%s", keep)
	x.say("replication slots", slots > slotsUsed || x.hasSlot(), Problem, "drop a slot that nobody uses (select slot_name, active from pg_replication_slots), or raise max_replication_slots and restart Postgres", "%d of %d used", slotsUsed, slots)
	x.say("walsenders", senders > sendersUsed, Warning, "raise max_wal_senders and restart Postgres: a takeover needs one more than are used", "%d of %d used", sendersUsed, senders)
	x.say("wal_sender_timeout", timeout != "0", Warning, "set it (alter system set wal_sender_timeout = '60s'): without it a listener whose network is gone is never noticed", "%s", timeout)
	return nil
}

func (x *examination) hasSlot() bool {
	var has bool
	err := x.row(`select exists (select from pg_replication_slots r join latchkey.position p on p.slot = r.slot_name where p.group_name = $1)`, []any{x.group}, &has)
	return err == nil && has
}

func (x *examination) role() error {
	var name string
	var may bool
	err := x.replication.QueryRow(x.ctx, `select current_user, (select rolreplication or rolsuper from pg_roles where rolname = current_user)`).Scan(&name, &may)
	if err != nil {
		return err
	}
	x.say("replication privilege", may, Problem, fmt.Sprintf("run `alter role %q replication` as a superuser, or give the replication URL of a role that has it", name), "role %s", name)
	return nil
}

func (x *examination) schema() error {
	err := db.CheckSchema(x.ctx, x.db)
	switch {
	case err == nil:
		x.say("schema", true, "", "", "fits this program")
	case passing(err):
		return err
	default:
		x.noSchema = true
		x.say("schema", false, Problem, "run `latchkey migrate`, or the program that the schema belongs to", "%v", err)
	}
	return nil
}

func (x *examination) slot() error {
	var slot, state string
	var exists, active bool
	var lag int64
	err := x.row(`select p.slot, r.slot_name is not null, coalesce(r.wal_status, ''), coalesce(r.active, false), coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn), 0)::bigint
		from latchkey.position p left join pg_replication_slots r on r.slot_name = p.slot where p.group_name = $1`, []any{x.group}, &slot, &exists, &state, &active, &lag)
	if errors.Is(err, pgx.ErrNoRows) {
		x.say("slot", false, Warning, "start a listener of the group: it makes the slot", "group %s has none yet", x.group)
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case !exists:
		x.say("slot", false, Problem, resetFix, "%s is gone, and changes with it", slot)
	case state == "lost":
		x.say("slot", false, Problem, resetFix, "%s has lost the log that it needs", slot)
	case state == "unreserved", state == "extended":
		x.say("slot", false, Warning, "see that a listener runs: the slot is about to lose the log that it needs", "%s is %s, and holds %s of log", slot, state, size(lag))
	default:
		x.say("slot", active, Warning, "start a listener: as long as none runs, the server keeps the log for it", "%s, %s, holds %s of log", slot, map[bool]string{true: "active", false: "nobody reads it"}[active], size(lag))
	}
	return nil
}

func (x *examination) publication() error {
	name := publicationName(x.group)
	var exists, root bool
	if err := x.row(`select count(*) > 0, coalesce(bool_and(pubviaroot and pubinsert and pubupdate and pubdelete and pubtruncate), false) from pg_publication where pubname = $1`, []any{name}, &exists, &root); err != nil {
		return err
	}
	switch {
	case !exists:
		x.say("publication", false, Problem, "start a listener of the group: it makes the publication, or says why it can't", "%s is missing", name)
	default:
		x.say("publication", root, Problem, fmt.Sprintf("alter publication %s set (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)", name), "%s", name)
	}
	return nil
}

// tables looks at every table that the group's hooks are registered for.
func (x *examination) tables() error {
	rows, err := x.db.Query(x.ctx, `select distinct table_name from latchkey.subscriptions where group_name = $1 order by 1`, x.group)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	tables, err := readTables(x.ctx, x.db, names, x.group)
	if err != nil {
		return err
	}
	for _, s := range tables {
		what := "table " + s.name
		switch {
		case s.kind == "":
			x.say(what, false, Warning, "nothing, if it was dropped on purpose", "hooks are registered for it, and it does not exist")
		case len(s.unready) > 0:
			x.say(what, false, Problem, "run `"+watchSQL(s.name)+"` as its owner", "it, or a partition of it, is not REPLICA IDENTITY FULL, or its trigger latchkey_stamp is missing or not ENABLE ALWAYS")
		default:
			x.say(what, s.published, Problem, "start a listener that has its hooks: it publishes the table", "replica identity full, stamped, published: %t", s.published)
		}
	}
	return nil
}

func (x *examination) owner() error {
	var instance string
	var owned bool
	err := x.row(`select o.instance, l.expires_at > clock_timestamp() from latchkey.owner o join latchkey.lease l using (group_name) where group_name = $1`, []any{x.group}, &instance, &owned)
	if errors.Is(err, pgx.ErrNoRows) {
		x.say("owner", false, Warning, "start a listener of the group (latchkey serve)", "no listener of group %s has run here", x.group)
		return nil
	}
	if err != nil {
		return err
	}
	detail := "nobody; the last one was " + instance
	if owned {
		detail = instance
	}
	x.say("owner", owned, Warning, "start a listener of the group: no after-hook runs meanwhile, and none is lost", "%s", detail)
	return nil
}

func (x *examination) hooks() error {
	status, err := ReadStatus(x.ctx, x.db, x.group)
	if err != nil {
		return nil //nolint:nilerr // the owner's finding says that the group is unknown
	}
	for _, h := range status.Hooks {
		name := h.Table + "/" + h.Hook
		switch {
		case h.Dead > 0:
			x.say("hook "+name, false, Problem, fmt.Sprintf("see why (latchkey deliveries list --hook %s --status dead), then `latchkey deliveries retry --hook %s`, or discard them", name, name), "%d dead deliveries, %d waiting behind failed ones", h.Dead, h.Held)
		case h.Status == statusPaused:
			x.say("hook "+name, false, Warning, fmt.Sprintf("`latchkey resume %s`, before the log goes on without it", name), "paused, %d events behind", h.Lag)
		case h.Orphan:
			x.say("hook "+name, false, Warning, "nothing, if it left the code for good: it resumes within the retention if it comes back", "no running program has it")
		default:
			x.say("hook "+name, true, "", "", "%d events behind, %d to be tried again", h.Lag, h.Retry)
		}
	}
	return nil
}

func (x *examination) log() error {
	var events, bytes int64
	var oldest *time.Time
	err := x.row(`select coalesce((select next_seq - first_seq from latchkey.position where group_name = $1), 0), (select min(committed_at) from latchkey.event_batches
			where group_name = $1 and first_seq = (select min(first_seq) from latchkey.event_batches where group_name = $1)),
		(select coalesce(sum(pg_total_relation_size(part)), 0)::bigint from latchkey.partitions() where group_name = $1)`, []any{x.group}, &events, &oldest, &bytes)
	if err != nil {
		return err
	}
	since := "empty"
	if oldest != nil {
		since = "since " + oldest.UTC().Format(time.DateTime)
	}
	x.say("log", true, "", "", "%d events, %s, %s", events, size(bytes), since)
	return nil
}

// transactions finds those that hold things up: slots can't be made beside them, and the log is kept for them.
func (x *examination) transactions() error {
	var n int
	var oldest string
	err := x.row(`select count(*), coalesce(max(who), '') from (
			select format('pid %s of %s in %s', pid, usename, datname) as who, xact_start as at from pg_stat_activity where backend_xid is not null and xact_start < now() - interval '10 min'
			union all select format('prepared %L of %s in %s', gid, owner, database), prepared from pg_prepared_xacts where prepared < now() - interval '10 min') open`, nil, &n, &oldest)
	if err != nil {
		return err
	}
	x.say("open transactions", n == 0, Warning, "end them (pg_terminate_backend, rollback prepared): the server keeps the log for them, and no slot can be made beside them", "%d that wrote are open for over 10 minutes %s", n, oldest)
	return nil
}

func (x *examination) clock() error {
	before := time.Now()
	var server time.Time
	if err := x.row(`select clock_timestamp()`, nil, &server); err != nil {
		return err
	}
	skew := server.Sub(before.Add(time.Since(before) / 2))
	x.say("clock", skew.Abs() < time.Second, Warning, "synchronise the clocks: retries are due by this machine's, leases by the server's", "the server's is %v ahead of this machine's", skew.Round(time.Millisecond))
	return nil
}

func size(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(bytes), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + units[i]
}
