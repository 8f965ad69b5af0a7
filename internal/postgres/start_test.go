package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestStart(t *testing.T) {
	t.Parallel()
	server := start(t, Config{
		Dir: filepath.Join(directory(t), "made"), Database: `odd "name"`,
		Settings: map[string]string{"Application_Name": `it's a \ test`, "max_connections": "60"},
	})
	for setting, want := range map[string]string{
		"wal_level": "logical", "max_replication_slots": "50", "max_wal_senders": "50", "max_connections": "60",
		"listen_addresses": "127.0.0.1", "server_encoding": "UTF8", "lc_messages": "C", "fsync": "off",
		"password_encryption": "scram-sha-256", "server_version": server.Version(),
	} {
		got := query(t, server.URL(), "show "+setting)
		if setting == "server_version" {
			got, _, _ = strings.Cut(got, " ")
		}
		if got != want {
			t.Errorf("%s is %q, not %q", setting, got, want)
		}
	}
	if got := query(t, server.URL(), "select current_database()"); got != `odd "name"` {
		t.Errorf("URL leads to database %s", got)
	}
	if got := query(t, server.URL(), "select reset_val from pg_settings where name = 'application_name'"); got != `it's a \ test` {
		t.Errorf("application_name is %s", got)
	}
	if server.Adopted() || server.Source() == "" || server.Port() == 0 {
		t.Errorf("adopted %v, source %q, port %d", server.Adopted(), server.Source(), server.Port())
	}
	info, err := os.Stat(filepath.Join(server.Dir(), "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v, %v", info.Mode(), err)
	}
	t.Logf("Postgres %s from %s", server.Version(), server.Source())
}

func TestConnectionsNeedThePassword(t *testing.T) {
	t.Parallel()
	server := start(t, Config{Dir: directory(t)})
	for _, kind := range []string{"", "&replication=database", "&replication=true"} {
		conn, err := pgconn.Connect(deadline(t), server.URL()+kind)
		if err != nil {
			t.Errorf("%q: %v", kind, err)
			continue
		}
		_ = conn.Close(deadline(t))
		wrong := address{port: server.Port(), password: "wrong"}
		var refused *pgconn.PgError
		if _, err := pgconn.Connect(deadline(t), wrong.url("postgres")+kind); !errors.As(err, &refused) || refused.Code != "28P01" {
			t.Errorf("%q with a wrong password: %v", kind, err)
		}
	}
}

func TestDataAndPortOutliveStop(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	first := start(t, Config{Dir: dir, Database: "app"})
	execute(t, first.URL(), "create table kept as select 'yes' as value")
	if err := first.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(deadline(t)); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	second := start(t, Config{Dir: dir, Database: "app"})
	if second.URL() != first.URL() || second.Adopted() {
		t.Errorf("adopted %v; port %d, then %d", second.Adopted(), first.Port(), second.Port())
	}
	if got := query(t, second.URL(), "select value from kept"); got != "yes" {
		t.Errorf("data is %q", got)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	first := start(t, Config{Dir: dir})
	if err := first.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	other, err := config.Listen(t.Context(), "tcp4", net.JoinHostPort(host, strconv.Itoa(first.Port())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := Start(deadline(t), Config{Dir: dir, Port: first.Port()}); err == nil || !strings.Contains(err.Error(), "Config.Port") {
		t.Errorf("a taken port that was asked for: %v", err)
	}
	if second := start(t, Config{Dir: dir}); second.Port() == first.Port() {
		t.Error("the port of the last run is taken and was kept")
	}
}

// A port can be taken between the look and the start: the server's own failure has to lead to another one.
func TestPortTakenInBetween(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	first := start(t, Config{Dir: dir})
	neighbour := start(t, Config{Dir: directory(t)})
	if err := first.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	s := &starter{config: Config{Dir: dir, NoSync: true}, layout: first.layout, password: first.address.password}
	s.config, _ = s.config.withDefaults()
	var err error
	if s.as, err = chooseAccount(); err != nil {
		t.Fatal(err)
	}
	from, err := Find(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.tryChild(deadline(t), from, neighbour.Port())
	var exit *exitError
	if !errors.As(err, &exit) || !exit.says("could not bind") {
		t.Errorf("error %v", err)
	}
}

func TestEarlyExitShowsTheLog(t *testing.T) {
	t.Parallel()
	broken := directory(t)
	_, err := Start(deadline(t), Config{Dir: broken, NoSync: true, Settings: map[string]string{"shared_preload_libraries": "nonsense"}})
	if err == nil || !strings.Contains(err.Error(), `could not access file "nonsense"`) ||
		!strings.Contains(err.Error(), filepath.Join(broken, "postgres.log")) {
		t.Fatalf("error %v", err)
	}
	if server := start(t, Config{Dir: broken}); server.Adopted() {
		t.Error("adopted what has ended")
	}
}

func TestBadDirectories(t *testing.T) {
	t.Parallel()
	data := func(tb testing.TB, files map[string]string) string {
		tb.Helper()
		dir := directory(tb)
		if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
			tb.Fatal(err)
		}
		for name, text := range files {
			write(tb, filepath.Join(dir, name), text, 0o600)
		}
		return dir
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"not a cluster":    {map[string]string{"data/letter.txt": "hi"}, "no PG_VERSION"},
		"damaged version":  {map[string]string{"data/PG_VERSION": "?"}, "is damaged"},
		"lost password":    {map[string]string{"data/PG_VERSION": "15"}, "password is missing"},
		"unknown version":  {map[string]string{"data/PG_VERSION": "12", "password": "x"}, "made by Postgres 12"},
		"damaged state":    {map[string]string{"server.json": "{"}, "server.json is damaged"},
		"gutted, but ours": {map[string]string{"data/PG_VERSION": "15", "password": "x"}, "postgres.log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(name, "gutted") {
				found, err := Find(deadline(t))
				if err != nil {
					t.Fatal(err)
				}
				test.files["data/PG_VERSION"] = strconv.Itoa(found.Major)
			}
			_, err := Start(deadline(t), Config{Dir: data(t, test.files)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]Config{
		"Config.Dir":  {},
		"Config.Port": {Dir: "x", Port: 70000},
		"use Config":  {Dir: "x", Settings: map[string]string{"Port": "1"}},
		"no name":     {Dir: "x", Settings: map[string]string{"a = 1\nb": "1"}},
	} {
		if _, err := Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestTwoStartsAtOnce(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	type result struct {
		server *Server
		err    error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			server, err := Start(deadline(t), Config{Dir: dir, NoSync: true, Database: "app"})
			results <- result{server, err}
		}()
	}
	a, b := <-results, <-results
	if err := errors.Join(a.err, b.err); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(a.server.Destroy(), b.server.Destroy()) })
	if a.server.Adopted() == b.server.Adopted() || a.server.URL() != b.server.URL() {
		t.Errorf("adopted %v and %v, ports %d and %d", a.server.Adopted(), b.server.Adopted(), a.server.Port(), b.server.Port())
	}
}

func TestStartWaitsForTheLock(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	unlock, err := lock(t.Context(), layout(dir).lock())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The account's reach is tried before, with the same context: so the lock itself.
	if _, err := lock(ctx, layout(dir).lock()); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another start") {
		t.Errorf("error %v", err)
	}
}

func TestDestroyLeavesForeignFiles(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	letter := filepath.Join(dir, "letter.txt")
	write(t, letter, "hi", 0o600)
	server := start(t, Config{Dir: dir})
	if err := server.Destroy(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "letter.txt" {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestRootUsesAReachableDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("not root: Postgres runs as ourselves, who can reach every directory of ours")
	}
	closed := directory(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	server := start(t, Config{Dir: filepath.Join(closed, "data")})
	if !strings.HasPrefix(server.Dir(), fallbackRoot+"/") {
		t.Errorf("files are in %s", server.Dir())
	}
	if err := server.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(server.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
