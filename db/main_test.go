package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

// env is a store on a database of its own, with the tenants acme and globex, and a way past the store.
type env struct {
	*db.Store
	sql  *pgxpool.Pool
	wire *wire
	url  string
}

func open(t *testing.T, register func(*db.Hooks)) *env {
	t.Helper()
	return openAsking(t, register, nil)
}

// openAsking has an asker made for the database.
func openAsking(t *testing.T, register func(*db.Hooks), asker func(*pgxpool.Pool) db.Asker) *env {
	t.Helper()
	d := pgtest.New(t)
	e := &env{sql: d.Pool(t), wire: &wire{}, url: d.URL}
	reg := db.NewHooks()
	if register != nil {
		register(reg)
	}
	var err error
	cfg := db.Config{DatabaseURL: d.URL, Hooks: reg, Tracer: e.wire}
	if asker != nil {
		cfg.Asker = asker(e.sql)
	}
	e.Store, err = db.Open(t.Context(), cfg)
	ok(t, err)
	t.Cleanup(e.Close)
	e.exec(t, `insert into auth.tenants (id) values ('acme'), ('globex')`)
	return e
}

func (e *env) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := e.sql.Exec(t.Context(), sql, args...)
	ok(t, err)
}

// count is that of the rows which sql, a from clause, gives.
func (e *env) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	ok(t, e.sql.QueryRow(t.Context(), "select count(*) from "+sql, args...).Scan(&n))
	return n
}

func (e *env) wantCount(t *testing.T, want int, sql string, args ...any) {
	t.Helper()
	if got := e.count(t, sql, args...); got != want {
		t.Errorf("%d rows in %s; want %d", got, sql, want)
	}
}

func (e *env) role(t *testing.T, name string) db.Role {
	t.Helper()
	role, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: name})
	ok(t, err)
	return role
}

func (e *env) user(t *testing.T, in db.CreateUser) db.User {
	t.Helper()
	user, err := e.Users.Create(t.Context(), "acme", in)
	ok(t, err)
	return user
}

// permissions makes a resource server that knows the names.
func (e *env) permissions(t *testing.T, server string, names ...string) []db.PermissionRef {
	t.Helper()
	_, err := e.ResourceServers.Create(t.Context(), "acme", db.CreateResourceServer{Identifier: server})
	ok(t, err)
	var refs []db.PermissionRef
	for _, name := range names {
		ref := db.PermissionRef{ResourceServerIdentifier: server, PermissionName: name}
		_, err := e.Permissions.Create(t.Context(), "acme", db.CreatePermission{PermissionRef: ref})
		ok(t, err)
		refs = append(refs, ref)
	}
	return refs
}

// awaitLock returns when a session waits for another's lock.
func (e *env) awaitLock(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for e.count(t, `pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("nobody waits for a lock")
		}
	}
}

// wire notes round trips: a batch is one, so is a query outside of batches.
type wire struct {
	mu   sync.Mutex
	sent []string
}

func (w *wire) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
}

func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *wire) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.note("query " + d.SQL)
	return ctx
}

func (w *wire) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (w *wire) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	s := "batch"
	for _, q := range d.Batch.QueuedQueries {
		s += " | " + q.SQL
	}
	w.note(s)
	return ctx
}

func (w *wire) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (w *wire) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v; want %v", err, want)
	}
}

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *db.Invalid
	if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Name != field {
		t.Errorf("error %v; want an Invalid of %s", err, field)
	}
}

func wantConflict(t *testing.T, err error, field string) {
	t.Helper()
	var conflict *db.Conflict
	if !errors.As(err, &conflict) || conflict.Field != field {
		t.Errorf("error %v; want a Conflict of %s", err, field)
	}
}

func wantRejection(t *testing.T, err error, hook, code string) {
	t.Helper()
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Hook != hook || no.Code != code {
		t.Fatalf("error %v; want %s by %s", err, code, hook)
	}
}

func wantFault(t *testing.T, err error, hook string) *hooks.Fault {
	t.Helper()
	var fault *hooks.Fault
	if !errors.As(err, &fault) || fault.Hook != hook {
		t.Fatalf("error %v; want a fault of %s", err, hook)
	}
	return fault
}

func ptr[T any](v T) *T { return &v }
