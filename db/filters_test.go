package db_test

import (
	"slices"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// Each filter compares as its column does, with the limits that it says, and can't be made SQL.
func TestFilters(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.users(t, "a", "b", "c")
	e.exec(t, `update auth.users set created_at = '2025-12-31 00:00:00.000001+00'::timestamptz + (ascii(user_id) - 96) * interval '24 hours'`)
	at := func(day int) time.Time {
		return time.Date(2026, 1, day, 0, 0, 0, 1000, time.UTC)
	}
	there := time.FixedZone("there", 5*3600)
	for name, test := range map[string]struct {
		filters []db.Filter
		want    []string
	}{
		"after one":             {[]db.Filter{db.After("user_id", "a")}, []string{"b", "c"}},
		"after none":            {[]db.Filter{db.After("user_id", "")}, []string{"a", "b", "c"}},
		"after the last":        {[]db.Filter{db.After("user_id", "c")}, nil},
		"since, itself too":     {[]db.Filter{db.Since("created_at", at(2))}, []string{"b", "c"}},
		"since a moment later":  {[]db.Filter{db.Since("created_at", at(2).Add(time.Microsecond))}, []string{"c"}},
		"since, another zone":   {[]db.Filter{db.Since("created_at", at(3).In(there))}, []string{"c"}},
		"until, itself too":     {[]db.Filter{db.Until("created_at", at(2))}, []string{"a", "b"}},
		"until a moment before": {[]db.Filter{db.Until("created_at", at(2).Add(-time.Microsecond))}, []string{"a"}},
		"between":               {[]db.Filter{db.Since("created_at", at(2)), db.Until("created_at", at(2))}, []string{"b"}},
		"one of":                {[]db.Filter{db.OneOf("user_id", "c", "a", "x")}, []string{"a", "c"}},
		"one of none":           {[]db.Filter{db.OneOf("user_id")}, nil},
		"one of, and after":     {[]db.Filter{db.OneOf("user_id", "a", "c"), db.After("user_id", "a")}, []string{"c"}},
		"no SQL":                {[]db.Filter{db.After("user_id", "a' or 'a' = 'a"), db.OneOf("user_id", "c'}")}, nil},
	} {
		page, err := e.Users.List(t.Context(), "acme", db.ListOptions{Filter: test.filters, Totals: true})
		ok(t, err)
		var got []string
		for _, u := range page.Rows {
			got = append(got, u.UserID)
		}
		if !slices.Equal(got, test.want) || page.Total != len(test.want) {
			t.Errorf("%s: %q of %d; want %q", name, got, page.Total, test.want)
		}
	}
	for _, f := range []db.Filter{db.After("app_metadata", "x"), db.Since("app_metadata", at(1)), db.Until("app_metadata", at(1)), db.OneOf("app_metadata", "x")} {
		_, err := e.Users.List(t.Context(), "acme", db.ListOptions{Filter: []db.Filter{f}})
		wantInvalid(t, err, "app_metadata")
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.users(t, "ann", "bob", "cat")
	_, err := e.Users.Create(ctx, "globex", db.CreateUser{UserID: "ann"})
	ok(t, err)
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	e.exec(t, `insert into auth.user_stats (tenant_id, user_id, last_login) values ('acme', 'ann', $1), ('acme', 'bob', $1::timestamptz - interval '1 second'), ('globex', 'ann', $1)`, day)
	active, err := e.ActiveUsers(ctx, "acme", day)
	ok(t, err)
	if active != 1 {
		t.Errorf("%d users were active", active)
	}
	e.exec(t, `update auth.users set created_at = $1::timestamptz + case user_id when 'ann' then interval '0' when 'bob' then interval '1 day' - interval '1 microsecond' else interval '3 days' end`, day)
	e.exec(t, `insert into auth.logs (tenant_id, type, date) values ('acme', 's', $1), ('acme', 's', $1::timestamptz + interval '2 days 23 hours'), ('acme', 'f', $1), ('globex', 's', $1),
		('acme', 's', $1::timestamptz + interval '3 days'), ('acme', 's', $1::timestamptz - interval '1 microsecond')`, day)
	days, err := e.Daily(ctx, "acme", day.Add(5*time.Hour), day.AddDate(0, 0, 2)) // whole days, both included
	ok(t, err)
	want := []db.DailyStats{{Day: day, Logins: 1, Signups: 2}, {Day: day.AddDate(0, 0, 1)}, {Day: day.AddDate(0, 0, 2), Logins: 1}}
	if !slices.Equal(days, want) {
		t.Errorf("daily %+v, want %+v", days, want)
	}
	if days, err = e.Daily(ctx, "acme", day, day.AddDate(0, 0, -1)); err != nil || len(days) != 0 {
		t.Errorf("backwards: %+v, %v", days, err)
	}
}

func TestConnectionSecrets(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	for _, tenant := range []string{"acme", "globex"} {
		_, err := e.Connections.Create(ctx, tenant, db.CreateConnection{ID: "con_1", Name: "one", Strategy: "oauth2"})
		ok(t, err)
	}
	wantError(t, e.ConnectionSecrets.Put(ctx, "acme", "none", "client_secret", []byte("x")), db.ErrNotFound)
	ok(t, e.ConnectionSecrets.Put(ctx, "acme", "con_1", "token", []byte("sealed-t")))
	ok(t, e.ConnectionSecrets.Put(ctx, "acme", "con_1", "client_secret", []byte("sealed-1")))
	ok(t, e.ConnectionSecrets.Put(ctx, "acme", "con_1", "client_secret", []byte("sealed-2"))) // in its place
	list := func(tenant string, want ...string) {
		t.Helper()
		secrets, err := e.ConnectionSecrets.List(ctx, tenant, "con_1")
		ok(t, err)
		var got []string
		for _, s := range secrets {
			got = append(got, s.Name+" "+string(s.Sealed))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", tenant, got, want)
		}
	}
	list("acme", "client_secret sealed-2", "token sealed-t")
	list("globex")
	ok(t, e.ConnectionSecrets.Remove(ctx, "globex", "con_1", "token")) // none there
	ok(t, e.ConnectionSecrets.Remove(ctx, "acme", "con_1", "token"))
	list("acme", "client_secret sealed-2")
	err := e.InTx(ctx, func(tx *db.Tx) error { // with its connection, or not at all
		ok(t, tx.ConnectionSecrets.Put(ctx, "acme", "con_1", "client_secret", []byte("lost")))
		return db.ErrNotFound
	})
	wantError(t, err, db.ErrNotFound)
	list("acme", "client_secret sealed-2")
	ok(t, e.Connections.Delete(ctx, "acme", "con_1"))
	e.wantCount(t, 0, `auth.connection_secrets`)
}
