// Package pgtest gives a test a Postgres database of its own, with Latchkey's schema in it.
//
//	func TestRoles(t *testing.T) {
//		t.Parallel()
//		d := pgtest.New(t) // gone when the test ends
//		store, err := db.Open(t.Context(), db.Config{DatabaseURL: d.URL, Hooks: db.NewHooks()})
//
// A database is a copy of one that was migrated before, which takes some 50 milliseconds: so every test can have its
// own, with its own replication slots, and all can run in parallel.
//
// # Where the server comes from
//
// LATCHKEY_TEST_POSTGRES says it:
//
//	auto            (or unset) local if Postgres is installed, else container; PreferContainer turns the two around
//	local           a private server, started from the installed programs; package internal/postgres finds them
//	container       a container by testcontainers; LATCHKEY_TEST_IMAGE names its image (postgres:17-alpine)
//	postgres://...  a server that runs already: wal_level=logical, and a role with createdb and replication
//
// A test without a server fails and says what would help. It is never skipped.
//
// One server, started by the first test that needs it, serves all tests of a process. A test that has to stop its
// server, kill it or set it up otherwise takes one for itself: NewServer.
//
// # How it ends
//
// What the process has started ends with it, however that ends: also by kill -9, a panic of go test -timeout or
// os.Exit. A small shell script, the watchdog, holds a pipe to the process, and cleans up when the pipe closes. So no
// package needs a TestMain. One that looks for leaked goroutines has a use for Suite.
//
// On a server that runs already, a killed process leaves databases behind. The next one to come drops those that are
// older than a day.
package pgtest
