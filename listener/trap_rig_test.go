package listener_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

// patience bounds every wait: past it the test fails, with what was waited for.
const patience = 60 * time.Second

// rig is a database and the listeners that a test starts on it. At the end of the test the log must be in order.
type rig struct {
	t    *testing.T
	url  string
	name string // of the database
	pool *pgxpool.Pool
	reg  *db.Hooks
}

// newRig makes one on the shared server.
func newRig(t *testing.T) *rig {
	t.Helper()
	return rigOn(t, pgtest.New(t))
}

// rigOn makes one on a database with Latchkey's schema, and a tenant t, whose creation is no event.
func rigOn(t *testing.T, d *pgtest.Database) *rig {
	t.Helper()
	r := &rig{t: t, url: d.URL, name: d.Name, pool: d.Pool(t), reg: db.NewHooks()}
	r.exec(`insert into auth.tenants (id) values ('t')`)
	return r
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.pool.Exec(r.ctx(), sql, args...); err != nil {
		r.t.Fatalf("%v\nin: %s", err, sql)
	}
}

// ctx outlives the test's own during its cleanup.
func (r *rig) ctx() context.Context { return context.WithoutCancel(r.t.Context()) }

// value reads one value.
func value[T any](r *rig, sql string, args ...any) T {
	r.t.Helper()
	var v T
	if err := r.pool.QueryRow(r.ctx(), sql, args...).Scan(&v); err != nil {
		r.t.Fatalf("%v\nin: %s", err, sql)
	}
	return v
}

// node is one listener, as a process would be.
type node struct {
	r      *rig
	l      *listener.Listener
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done is closed
	owning chan int64
	log    *logged
}

type option func(*listener.Config, *[]func(*listener.Listener))

func with(set func(*listener.Config)) option {
	return func(c *listener.Config, _ *[]func(*listener.Listener)) { set(c) }
}

// onStep has fn called at the steps of the listener.
func onStep(fn func(step string)) option {
	return func(_ *listener.Config, after *[]func(*listener.Listener)) {
		*after = append(*after, func(l *listener.Listener) { l.OnStep(fn) })
	}
}

// starting makes slots one at a time: making one waits for every open transaction of the server that has written.
var starting sync.Mutex

// open opens a listener and starts its Run.
func (r *rig) open(options ...option) (*node, error) {
	r.t.Helper()
	n := &node{r: r, done: make(chan struct{}), owning: make(chan int64, 100), log: &logged{}}
	cfg := listener.Config{
		DatabaseURL: r.url, Hooks: r.reg, Logger: slog.New(slog.NewTextHandler(n.log, nil)),
		Retry: listener.Retry{Attempts: 3, Base: 5 * time.Millisecond, Max: 10 * time.Millisecond},
		Trace: listener.Trace{Owning: func(epoch int64) { n.owning <- epoch }},
	}
	var after []func(*listener.Listener)
	for _, o := range options {
		o(&cfg, &after)
	}
	ctx, cancel := context.WithTimeout(r.ctx(), patience)
	defer cancel()
	var err error
	if n.l, err = listener.Open(ctx, cfg); err != nil {
		return nil, err
	}
	for _, fn := range after {
		fn(n.l)
	}
	ctx, n.cancel = context.WithCancel(r.ctx())
	go func() {
		defer close(n.done)
		n.err = n.l.Run(ctx)
	}()
	r.t.Cleanup(func() {
		n.cancel()
		<-n.done
		n.l.Close()
		if r.t.Failed() {
			r.t.Logf("a listener said:\n%s\nand ended with: %v", n.log, n.err)
		}
	})
	return n, nil
}

// start starts a listener and waits until it owns the group.
func (r *rig) start(options ...option) *node {
	r.t.Helper()
	starting.Lock()
	defer starting.Unlock()
	n, err := r.open(options...)
	if err != nil {
		r.t.Fatal(err)
	}
	n.awaitOwning()
	return n
}

// standBy starts a listener that finds the group owned.
func (r *rig) standBy(options ...option) *node {
	r.t.Helper()
	n, err := r.open(options...)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// awaitOwning waits until the listener begins a term.
func (n *node) awaitOwning() int64 {
	n.r.t.Helper()
	select {
	case epoch := <-n.owning:
		return epoch
	case <-n.done:
		n.r.t.Fatalf("the listener ended: %v", n.err)
	case <-time.After(patience):
		n.r.t.Fatalf("the listener did not come to own its group within %v", patience)
	}
	return 0
}

// stop ends the listener cleanly.
func (n *node) stop() {
	n.r.t.Helper()
	n.cancel()
	n.await()
	if n.err != nil {
		n.r.t.Fatalf("Run ended with: %v", n.err)
	}
	n.l.Close()
}

// kill ends the listener as kill -9 would end its process.
func (n *node) kill() {
	n.r.t.Helper()
	n.l.Kill()
	n.await()
	n.l.Close()
}

// await waits for the end of Run.
func (n *node) await() {
	n.r.t.Helper()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.r.t.Fatalf("Run did not return within %v", patience)
	}
}

// stopped waits for Run to end by itself, and returns why.
func (n *node) stopped() error {
	n.r.t.Helper()
	n.await()
	return n.err
}

// refused starts a listener that must say that it can't work, at once or when it owns the group, and returns what it says.
func (r *rig) refused(options ...option) error {
	r.t.Helper()
	starting.Lock()
	defer starting.Unlock()
	n, err := r.open(options...)
	if err != nil {
		return err
	}
	select {
	case <-n.owning:
		r.t.Fatal("the listener works, and should have refused to")
		return nil
	case <-n.done:
		n.l.Close()
		return n.err
	}
}

// requireStop fails the test unless err is a *listener.Stop whose text has all the words.
func requireStop(t *testing.T, err error, words ...string) {
	t.Helper()
	var stopped *listener.Stop
	if !errors.As(err, &stopped) || stopped.Fix == "" {
		t.Fatalf("the listener ended with %v, which is no *Stop that says how to go on", err)
	}
	for _, word := range append(words, stopped.Fix) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the stop doesn't say %q:\n%v", word, err)
		}
	}
}

// catchUp waits until all that has been written is settled.
func (n *node) catchUp() {
	n.r.t.Helper()
	ctx, cancel := context.WithTimeout(n.r.ctx(), patience)
	defer cancel()
	if err := n.l.WaitFor(ctx, value[pglogrepl.LSN](n.r, `select pg_current_wal_flush_lsn()`)); err != nil {
		n.r.t.Fatalf("%v; %s", err, n.state())
	}
}

// state says whether the listener still runs.
func (n *node) state() string {
	select {
	case <-n.done:
		return fmt.Sprintf("the listener has ended with: %v", n.err)
	default:
		return "the listener runs"
	}
}

// event is a row of latchkey.events.
type event struct {
	Seq, Ordinal int64
	LSN          pglogrepl.LSN
	Table        string
	Op           string
	Key          string
	Tenant       *string
	Origin       string
	Stamp        map[string]any
	Old, New     map[string]*string
	Rows         []map[string]*string
	Unknown      []string
}

// String is what tells events apart for a person.
func (e event) String() string {
	return strings.TrimPrefix(e.Table, "auth.") + " " + e.Op + " " + e.Key
}

// events reads the log.
func (r *rig) events() []event {
	r.t.Helper()
	rows, err := r.pool.Query(r.ctx(), `select seq, ordinal, commit_lsn, table_name, operation, key, tenant_id, origin, stamp, old_row, new_row, rows, unknown_columns
		from latchkey.events order by seq`)
	if err != nil {
		r.t.Fatal(err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e event, err error) {
		var stamp, old, now, members []byte
		if err := row.Scan(&e.Seq, &e.Ordinal, &e.LSN, &e.Table, &e.Op, &e.Key, &e.Tenant, &e.Origin, &stamp, &old, &now, &members, &e.Unknown); err != nil {
			return e, err
		}
		for data, into := range map[*[]byte]any{&stamp: &e.Stamp, &old: &e.Old, &now: &e.New, &members: &e.Rows} {
			if len(*data) > 0 {
				err = errors.Join(err, json.Unmarshal(*data, into))
			}
		}
		return e, err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

// requireEvents fails the test unless the log has these events, in this order, as [event.String] tells them.
func (r *rig) requireEvents(want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.events() {
		got = append(got, e.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.t.Fatalf("the log has\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// requireSound fails the test unless the log is what it promises: numbers without a gap, in commit order, no change
// twice, and the server was not told to forget what isn't stored.
func (r *rig) requireSound() {
	r.t.Helper()
	const disorder = `select coalesce(string_agg(format('%s is event %s of commit %s', seq, ordinal, commit_lsn), ', '), '') from (
			select seq, commit_lsn, ordinal, row_number() over s as n, lag(commit_lsn) over s as last_lsn, lag(ordinal) over s as last_ordinal
			from latchkey.events window s as (order by seq)) e
		where seq <> n or commit_lsn < last_lsn or commit_lsn = last_lsn and ordinal <= last_ordinal`
	if found := value[string](r, disorder); found != "" {
		r.t.Fatalf("the log is out of order: %s", found)
	}
	var confirmed, done pglogrepl.LSN
	err := r.pool.QueryRow(r.ctx(), `select s.confirmed_flush_lsn, p.done_lsn from latchkey.position p join pg_replication_slots s on s.slot_name = p.slot and s.database = current_database()
		where p.group_name = 'default'`).Scan(&confirmed, &done)
	if err != nil {
		r.t.Fatal(err)
	}
	if confirmed > done {
		r.t.Fatalf("the server was told to forget up to %s, and only %s is stored", confirmed, done)
	}
}

// logged keeps what a listener logs.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func names(prefix string, from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}
