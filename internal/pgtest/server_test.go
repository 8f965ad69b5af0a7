package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestServer(t *testing.T) {
	t.Parallel()
	s := pgtest.NewServer(t, map[string]string{"wal_level": "replica", "max_replication_slots": "3"})
	d := s.New(t)
	d.Exec(t, `create table kept ()`)

	s.Stop(t)
	if conn, err := pgx.Connect(t.Context(), s.URL()); err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("a stopped server answers")
	}
	s.Start(t)
	d.Exec(t, `insert into kept default values`)

	s.Kill(t)
	s.Start(t)
	conn, err := pgx.Connect(t.Context(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var level, slots string
	var rows int
	err = conn.QueryRow(t.Context(), `select current_setting('wal_level'), current_setting('max_replication_slots'),
		(select count(*) from kept)`).Scan(&level, &slots, &rows)
	if err != nil || level != "replica" || slots != "3" || rows != 1 {
		t.Errorf("wal_level %s, %s slots, %d rows, %v; want replica, 3 and 1", level, slots, rows, err)
	}
	s.Kill(t) // the end of the test tidies up after it
}
