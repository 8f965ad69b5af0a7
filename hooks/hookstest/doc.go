// Package hookstest tests hooks for real: a Postgres of the test's own, a store, and a running listener, in one call.
//
//	func TestAudit(t *testing.T) {
//		reg := db.NewHooks()
//		reg.Roles.AfterCreate("audit", audit)
//		env := hookstest.New(t, reg)
//
//		env.SQL("insert into auth.roles (tenant_id, name) values ($1, 'editor')", hookstest.Tenant)
//		env.CatchUp()
//		env.RequireRuns("audit", 1)
//	}
//
// Tables of the service's own are made by [Schema] or [Prepare], before the listener opens.
//
// Postgres comes by testcontainers where Docker answers and has or can get an image, and otherwise from the programs that
// are installed; LATCHKEY_TEST_POSTGRES says which (auto, local, container, or the postgres:// URL of a server with
// wal_level logical). A test fails where there is none: nothing is skipped. The server is shared by the process and goes
// with it; the database is the test's own, and takes some ten milliseconds to make.
//
// A server that is named by URL needs a free replication slot and a walsender for each test that runs at once
// (max_replication_slots, max_wal_senders). Slots are made one at a time, because making one waits for every open
// transaction in the cluster that has written: a test that holds one open holds up the start of the others.
//
// Nothing here sleeps: CatchUp waits for the log, AwaitRuns for the hook.
package hookstest
