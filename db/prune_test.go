package db_test

import (
	"maps"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// oldAndNew makes two rows of each kind that retention looks at, one of them two days old, and jobs that are not over.
func (e *env) oldAndNew(t *testing.T) {
	t.Helper()
	e.users(t, "ann")
	for i, age := range []string{"48 hours", "1 hour"} {
		e.exec(t, `insert into auth.logs (tenant_id, type, date) values ('gone', 's', now() - $1::interval)`, age)
		e.exec(t, `insert into auth.auth_events (tenant_id, type, created_at) values ('acme', 'after_login', now() - $1::interval)`, age)
		e.exec(t, `insert into auth.tickets (tenant_id, hash, type, user_id, expires_at) values ('acme', sha256($1::text::bytea), 'verify_email', 'ann', now() - $1::interval)`, age)
		e.exec(t, `insert into auth.jobs (tenant_id, id, type, status, created_at, finished_at) values
			('acme', 'over' || $2::int, 'users_export', 'completed', now() - interval '9 days', now() - $1::interval),
			('acme', 'open' || $2::int, 'users_export', 'processing', now() - interval '9 days', null)`, age, i)
	}
	e.exec(t, `insert into auth.job_chunks (tenant_id, job_id, number, data) select 'acme', id, n, 'x' from auth.jobs, generate_series(1, 3) n`)
	e.exec(t, `insert into auth.job_errors (tenant_id, job_id, line, details) select 'acme', id, 1, '{}' from auth.jobs`)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.oldAndNew(t)
	prune := func(r db.Retention, want db.Pruned) {
		t.Helper()
		got, err := e.Prune(t.Context(), r)
		ok(t, err)
		if !maps.Equal(got, want) {
			t.Errorf("pruned %v, want %v", got, want)
		}
	}
	prune(db.Retention{}, db.Pruned{})
	day := db.Retention{Logs: 24 * time.Hour, AuthEvents: 24 * time.Hour, Jobs: 24 * time.Hour, Tickets: 24 * time.Hour}
	prune(day, db.Pruned{"auth.logs": 1, "auth.auth_events": 1, "auth.tickets": 1, "auth.job_chunks": 3, "auth.job_errors": 1, "auth.jobs": 1})
	prune(day, db.Pruned{})
	e.wantCount(t, 3, `auth.jobs where id in ('over1', 'open0', 'open1')`)
	e.wantCount(t, 9, `auth.job_chunks`)
	prune(db.Retention{Tickets: time.Minute}, db.Pruned{"auth.tickets": 1})
	e.wantCount(t, 1, `auth.logs`)

	e.exec(t, `insert into auth.logs (tenant_id, type, date) select 'gone', 's', now() - interval '2 days' from generate_series(1, 2500)`)
	prune(day, db.Pruned{"auth.logs": 2500}) // more than a batch
}

// What a login leaves goes when nobody asks for it any more, whatever the retention.
func TestPruneLogins(t *testing.T) {
	t.Parallel()
	r := refreshing(t)
	ctx := t.Context()
	_, _, err := r.Sessions.Create(ctx, "acme", db.CreateSession{UserID: "ann", ClientID: "app", Lifetime: time.Hour})
	ok(t, err)
	_, _, err = r.LoginSessions.Create(ctx, "acme", db.CreateLoginSession{Step: "identifier", ClientID: "app", Lifetime: time.Hour})
	ok(t, err)
	r.begin("login_1", time.Hour)
	_, err = r.LoginCodes.Put(ctx, "acme", db.PutLoginCode{Connection: "email", Address: "ann@x.com", Hash: make([]byte, 32), Lifetime: time.Hour})
	ok(t, err)
	_, err = r.Tries.Count(ctx, "acme", "account", "ann@x.com", time.Hour)
	ok(t, err)
	ok(t, r.Revocations.Add(ctx, "acme", time.Now().Add(time.Hour), "id"))
	tables := []string{"auth.sessions", "auth.login_sessions", "auth.refresh_tokens", "auth.login_codes", "auth.tries", "auth.revocations"}
	want := db.Pruned{}
	for _, table := range tables {
		want[table] = 1
	}
	pruned, err := r.Prune(ctx, db.Retention{})
	ok(t, err)
	if len(pruned) > 0 {
		t.Errorf("pruned %v", pruned)
	}
	for _, table := range tables {
		r.exec(t, `update `+table+` set expires_at = now() - interval '61 minutes'`)
	}
	pruned, err = r.Prune(ctx, db.Retention{})
	ok(t, err)
	if !maps.Equal(pruned, want) {
		t.Errorf("pruned %v", pruned)
	}
}

// One process prunes at a time; the others leave it to that one, and wait for nobody.
func TestPruneTogether(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.oldAndNew(t)
	ok(t, e.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `select pg_advisory_xact_lock(1819042913)`)
		ok(t, err)
		pruned, err := e.Prune(t.Context(), db.Retention{Logs: time.Minute})
		ok(t, err)
		if len(pruned) > 0 {
			t.Errorf("pruned %v beside another", pruned)
		}
		return nil
	}))
	pruned, err := e.Prune(t.Context(), db.Retention{Logs: time.Minute})
	ok(t, err)
	if pruned["auth.logs"] != 2 {
		t.Errorf("pruned %v", pruned)
	}
}

// A row that somebody holds is left for the next time, and a write policy is for other writers.
func TestPruneBesideWriters(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.oldAndNew(t)
	e.exec(t, `select latchkey.set_write_policy('auth.auth_events', 'reject')`)
	ok(t, e.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `select from auth.logs for update`)
		ok(t, err)
		pruned, err := e.Prune(t.Context(), db.Retention{Logs: time.Minute, AuthEvents: time.Minute})
		ok(t, err)
		if !maps.Equal(pruned, db.Pruned{"auth.auth_events": 2}) {
			t.Errorf("pruned %v", pruned)
		}
		return nil
	}))
}
