package postgres

import (
	"os"
	"path/filepath"
	"testing"
)

// LATCHKEY_TEST_POSTGRES_IMAGE names a stand-in for the official image where that can't be pulled.
func TestDocker(t *testing.T) {
	t.Parallel()
	if _, err := findDocker(t.Context()); err != nil {
		t.Skipf("Docker doesn't answer, so a server in a container goes untested here: %v", err)
	}
	image := os.Getenv("LATCHKEY_TEST_POSTGRES_IMAGE")
	if image == "" {
		image = dockerImage
	}
	dir := directory(t)
	write(t, filepath.Join(dir, "password"), "a-password-of-the-test\n", 0o600)
	write(t, filepath.Join(dir, "server.json"), `{"image":"`+image+`"}`, 0o600) // as an earlier start noted it

	abandoned := start(t, Config{Dir: dir, Database: "app"})
	execute(t, abandoned.URL(), "create table kept as select 'yes' as value")
	if got := query(t, abandoned.URL(), "show wal_level"); got != "logical" {
		t.Errorf("wal_level is %s", got)
	}
	adopted := start(t, Config{Dir: dir, Database: "app"})
	if !adopted.Adopted() || adopted.URL() != abandoned.URL() {
		t.Errorf("adopted %v, port %d", adopted.Adopted(), adopted.Port())
	}
	if err := adopted.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	again := start(t, Config{Dir: dir, Database: "app"})
	if again.Adopted() || again.Port() != abandoned.Port() || query(t, again.URL(), "select value from kept") != "yes" {
		t.Error("adopted, at another port, or data lost")
	}
}
