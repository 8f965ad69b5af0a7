package db_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// What is asked about and what is locked are the same row, or it is asked again, and no before-hook runs in between.
func TestAskChangedBetween(t *testing.T) {
	t.Parallel()
	ran := 0
	e, a := asking(t, func(reg *db.Hooks) {
		reg.Users.BeforeUpdate("count", func(context.Context, hooks.Tx, db.User, *db.User) error { ran++; return nil })
		reg.Users.BeforeDelete("count", func(context.Context, hooks.Tx, db.User) error { ran++; return nil })
	})
	e.syncHook(t, "c", onCreate)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	_, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("0")}) // now the store knows of the hook
	ok(t, err)
	a.take()
	change := func(times int) {
		a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
			if n <= times {
				e.exec(t, `update auth.users set nickname = coalesce(nickname, '') || 'x' where user_id = 'ann'`)
			}
			return nil, nil
		}
		ran = 0
	}
	change(2)
	u, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("1")})
	ok(t, err)
	if *u.Name != "1" || *u.Nickname != "xx" || ran != 1 {
		t.Errorf("%v %v, %d before-hooks", *u.Name, *u.Nickname, ran)
	}
	asked := wantAsked(t, a, 3)
	if asked[0].ID != asked[2].ID || *asked[2].Before.Nickname != "xx" {
		t.Errorf("asked %+v", asked)
	}
	change(3)
	_, err = e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("2")})
	wantError(t, err, db.ErrChanged)
	wantAsked(t, a, 3)
	e.wantCount(t, 1, `auth.users where name = '1'`)
	if ran != 0 {
		t.Errorf("%d before-hooks ran", ran)
	}
	change(2)
	e.exec(t, `delete from auth.hooks where hook_id = 'u'`)
	e.syncHook(t, "d2", onDelete)
	ok(t, e.Users.Delete(t.Context(), "acme", "ann"))
	wantAsked(t, a, 3)
}

// An identity that is linked after the question is one that nobody was asked about.
func TestAskDeleteLinkedBetween(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.syncHook(t, "d", onDelete)
	a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
		if n == 1 {
			e.exec(t, `insert into auth.users (tenant_id, user_id, linked_to) values ('acme', 'bob', 'ann')`)
			return nil, nil
		}
		return nil, nil
	}
	ok(t, e.Users.Delete(t.Context(), "acme", "ann"))
	asked := wantAsked(t, a, 3) // ann; ann and bob
	if asked[2].User.UserID != "bob" || asked[0].ID != asked[1].ID {
		t.Errorf("%+v", asked)
	}
	e.wantCount(t, 0, "auth.users")
}

// One that came while some of the users were asked about has agreed to the others only.
func TestAskDeleteHookBetween(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.user(t, db.CreateUser{UserID: "bob", LinkedTo: ptr("ann")})
	e.syncHook(t, "first", onDelete)
	a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
		if n == 1 {
			e.syncHook(t, "second", onDelete)
		}
		return nil, nil
	}
	ok(t, e.Users.Delete(t.Context(), "acme", "ann"))
	wantAsked(t, a, 4)
}

// What was asked about is what is written, whatever the caller makes of its own afterwards.
func TestAskPermitHolds(t *testing.T) {
	t.Parallel()
	e, _ := asking(t, nil)
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	mail, factors, document := "ann@example.com", []string{"otp"}, json.RawMessage(`{"a":1}`)
	create, err := e.Users.AskCreate(t.Context(), "acme", db.CreateUser{Email: &mail, Multifactor: factors, AppMetadata: document})
	ok(t, err)
	mail, factors[0], document[2] = "root@example.com", "none", 'b'
	u, err := e.Users.CreateAsked(t.Context(), create)
	ok(t, err)
	if *u.Email != "ann@example.com" || u.Multifactor[0] != "otp" || string(u.AppMetadata) != `{"a": 1}` {
		t.Errorf("created %+v", u)
	}
	update, err := e.Users.AskUpdate(t.Context(), "acme", u.UserID, db.UpdateUser{Multifactor: db.Set(factors), AppMetadata: db.Set(document)})
	ok(t, err)
	factors[0], document[2] = "sms", 'c'
	u, err = e.Users.UpdateAsked(t.Context(), update)
	ok(t, err)
	if u.Multifactor[0] != "none" || string(u.AppMetadata) != `{"b": 1}` {
		t.Errorf("updated to %+v", u)
	}
}

// A permit is good on any connection, whatever zone it reads times in.
func TestAskOnOtherConnection(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.syncHook(t, "u", onUpdate)
	p, err := e.Users.AskUpdate(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("x")})
	ok(t, err)
	cfg, err := pgx.ParseConfig(e.url)
	ok(t, err)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.RuntimeParams["timezone"] = "Asia/Tokyo"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	ok(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	tx, err := conn.Begin(t.Context())
	ok(t, err)
	_, err = e.With(tx).Users.UpdateAsked(t.Context(), p)
	ok(t, err)
	ok(t, tx.Commit(t.Context()))
	wantAsked(t, a, 1)
}

// A hook that came while the others were asked is asked too.
func TestAskHookBetween(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.syncHook(t, "first", onCreate)
	a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
		if n == 1 {
			e.syncHook(t, "second", onCreate)
		}
		return nil, nil
	}
	e.user(t, db.CreateUser{})
	if asked := wantAsked(t, a, 2); asked[0].ID != asked[1].ID || asked[0].User.UserID != asked[1].User.UserID {
		t.Errorf("%+v", asked)
	}
}

// While webhooks are asked, the store has no transaction open.
func TestAskOutsideTransactions(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	a.answer = func(int, *db.Question) (json.RawMessage, error) {
		e.wantCount(t, 0, `pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and (xact_start is not null or state like 'idle in%')
			and backend_type = 'client backend'`)
		return nil, nil
	}
	for range 2 { // the second time the store knows of the hooks
		e.user(t, db.CreateUser{})
		_, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("x")})
		ok(t, err)
		u := e.user(t, db.CreateUser{})
		ok(t, e.Users.Delete(t.Context(), "acme", u.UserID))
	}
	wantAsked(t, a, 8)
}

func TestAskBeforeInTx(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann"})
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	name := db.UpdateUser{Name: db.Set("x")}
	create, err := e.Users.AskCreate(t.Context(), "acme", db.CreateUser{UserID: "bob"})
	ok(t, err)
	update, err := e.Users.AskUpdate(t.Context(), "acme", "ann", name)
	ok(t, err)
	gone, err := e.Users.AskDelete(t.Context(), "acme", "ann")
	ok(t, err)
	wantAsked(t, a, 3)
	ok(t, e.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Users.Create(t.Context(), "acme", db.CreateUser{})
		wantError(t, err, db.ErrNotAsked)
		wantText(t, err, "store.Users.AskCreate")
		_, err = tx.Users.Repository.Create(t.Context(), "acme", db.CreateUser{})
		wantError(t, err, db.ErrNotAsked)
		_, err = tx.Users.Update(t.Context(), "acme", "ann", name)
		wantError(t, err, db.ErrNotAsked)
		wantError(t, tx.Users.Delete(t.Context(), "acme", "ann"), db.ErrNotAsked)
		_, err = tx.Users.AskCreate(t.Context(), "acme", db.CreateUser{})
		wantError(t, err, db.ErrAskInTx)
		_, err = tx.Users.CreateAsked(t.Context(), db.CreatePermit{})
		wantError(t, err, db.ErrNotAsked)
		_, err = tx.Users.CreateAsked(t.Context(), create)
		ok(t, err)
		_, err = tx.Users.Update(t.Context(), "acme", "bob", db.UpdateUser{LinkedTo: db.Null[string]()})
		ok(t, err) // a link is no change of the user
		_, err = tx.Users.UpdateAsked(t.Context(), update)
		ok(t, err)
		_, err = tx.Users.UpdateAsked(t.Context(), update) // a permit is for the user as it was
		wantError(t, err, db.ErrChanged)
		wantError(t, tx.Users.DeleteAsked(t.Context(), gone), db.ErrChanged)
		return nil
	}))
	wantAsked(t, a, 0)
	gone, err = e.Users.AskDelete(t.Context(), "acme", "ann")
	ok(t, err)
	conn, err := e.sql.Begin(t.Context())
	ok(t, err)
	ok(t, e.With(conn).Users.DeleteAsked(t.Context(), gone))
	ok(t, conn.Commit(t.Context()))
	e.wantCount(t, 1, "auth.users where user_id = 'bob'")
	e.wantCount(t, 0, "auth.users where user_id = 'ann'")
	late, err := e.Users.AskCreate(t.Context(), "acme", db.CreateUser{})
	ok(t, err)
	e.syncHook(t, "c2", onCreate)
	_, err = e.Users.CreateAsked(t.Context(), late)
	wantError(t, err, db.ErrNotAsked)
}

// A hook's own writes are in its transaction, so it may ask only before that begins.
func TestAskInHooks(t *testing.T) {
	t.Parallel()
	var e *env
	e, a := asking(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("write", func(ctx context.Context, tx hooks.Tx, _ *db.Role) error {
			p, err := e.Users.AskCreate(ctx, "acme", db.CreateUser{UserID: "asked"})
			ok(t, err)
			_, err = e.Users.Create(ctx, "acme", db.CreateUser{})
			wantError(t, err, hooks.ErrOutsideTx)
			_, err = e.With(tx).Users.Create(ctx, "acme", db.CreateUser{})
			wantError(t, err, db.ErrNotAsked)
			_, err = e.Users.AskCreate(ctx, "acme", db.CreateUser{})
			wantError(t, err, db.ErrAskInTx)
			wantError(t, e.AskRegistration(ctx, "acme", "ann@example.com", "db"), db.ErrAskInTx)
			_, err = e.With(tx).Users.CreateAsked(ctx, p)
			return err
		})
	})
	e.syncHook(t, "c", onCreate)
	e.user(t, db.CreateUser{})
	a.take()
	e.role(t, "editor")
	wantAsked(t, a, 1)
	e.wantCount(t, 1, "auth.users where user_id = 'asked'")
}
