package listener_test

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// inDatabase is a connection string for another database of the same server.
func inDatabase(t *testing.T, from, database string) string {
	t.Helper()
	u, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// asRole is a connection string for another role.
func asRole(t *testing.T, from, role, password string) string {
	t.Helper()
	u, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// replicationConn is a replication connection of the test's own.
func replicationConn(t *testing.T, url string) *pgconn.PgConn {
	t.Helper()
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Conn().Close() }) // it may be closed already
	return conn
}

// session is a connection of the test's own, for a transaction that stays open.
func (r *rig) session() *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close(r.ctx()) })
	return conn
}

// run executes statements one after the other on a connection.
func (r *rig) run(conn *pgx.Conn, statements ...string) {
	r.t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(r.ctx(), sql); err != nil {
			r.t.Fatalf("%v\nin: %s", err, sql)
		}
	}
}
