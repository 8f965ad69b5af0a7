package pgtest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

func databases(t *testing.T, h *host) []string {
	t.Helper()
	conn, err := h.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `select datname from pg_database where datname like 'latchkey\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Two hosts of one server are like two processes: neither knows that the other makes the template.
func TestTemplateOfManyProcesses(t *testing.T) {
	t.Parallel()
	s := NewServer(t, nil)
	var group errgroup.Group
	for range 3 {
		h := &host{url: s.URL()}
		for range 3 {
			group.Go(func() error {
				_, err := h.createMigrated(t.Context())
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	names := databases(t, &s.host)
	template, err := templateName()
	if err != nil || len(names) != 10 || !slices.Contains(names, template) {
		t.Errorf("the databases are %v, %v; want %s and nine others", names, err, template)
	}
}

func TestExternal(t *testing.T) {
	t.Parallel()
	s := NewServer(t, nil)
	long := "latchkey_test_" + strconv.FormatInt(time.Now().Add(-25*time.Hour).Unix(), 10) + "_old"
	recent := "latchkey_test_" + strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10) + "_recent"
	other := "latchkey_test_other"
	for _, name := range []string{long, recent, other} {
		if err := s.host.do(t.Context(), "create database "+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := externalWay(s.URL()).start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if names := databases(t, &s.host); len(names) != 2 || slices.Contains(names, long) {
		t.Errorf("the databases are %v; want %s and %s", names, recent, other)
	}
}

func TestExternalUnfit(t *testing.T) {
	t.Parallel()
	s := NewServer(t, map[string]string{"wal_level": "replica"})
	if err := s.host.do(t.Context(), `create role weak login password 'weak'`); err != nil {
		t.Fatal(err)
	}
	url := "postgres://weak:weak@" + s.URL()[strings.Index(s.URL(), "@")+1:]
	_, err := externalWay(url).start(t.Context(), nil)
	for _, want := range []string{"wal_level = logical", "createdb", "replication"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not name %s", err, want)
		}
	}
}

func TestURLFor(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://a:b@h:1/x?sslmode=disable": "postgres://a:b@h:1/d?sslmode=disable",
		"postgres://h/x?dbname=y":              "postgres://h/d",
		"postgresql:///x?host=%2Ftmp":          "postgresql:///d?host=%2Ftmp",
	} {
		if got := (&host{url: url}).urlFor("d"); got != want {
			t.Errorf("urlFor of %s = %s; want %s", url, got, want)
		}
	}
}
