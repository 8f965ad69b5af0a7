package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// externalWay uses a server that runs already, and is left running.
func externalWay(url string) way {
	return way{name: "the URL in LATCHKEY_TEST_POSTGRES", start: func(ctx context.Context, _ *watchdog) (*host, error) {
		h := &host{url: url, source: "named by LATCHKEY_TEST_POSTGRES", end: func(context.Context) error { return nil }}
		if err := h.check(ctx); err != nil {
			return nil, err
		}
		return h, h.dropOld(ctx)
	}}
}

// check says at once what would otherwise fail somewhere in the tests.
func (h *host) check(ctx context.Context) error {
	conn, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var (
		version              int
		level, role          string
		createdb, replicates bool
	)
	err = conn.QueryRow(ctx, `
		select current_setting('server_version_num')::int, current_setting('wal_level'), rolname,
			rolcreatedb or rolsuper, rolreplication or rolsuper
		from pg_roles where rolname = current_user`).Scan(&version, &level, &role, &createdb, &replicates)
	if err != nil {
		return fmt.Errorf("pgtest: look at the server: %w", err)
	}
	var wrong []string
	if version < 150000 {
		wrong = append(wrong, fmt.Sprintf("it is Postgres %d: take 15 or newer", version/10000))
	}
	if level != "logical" {
		wrong = append(wrong, "wal_level is "+level+": run `alter system set wal_level = logical` and restart it")
	}
	if !createdb {
		wrong = append(wrong, "the role may not create databases: run `alter role "+quoted(role)+" createdb`")
	}
	if !replicates {
		wrong = append(wrong, "the role may not replicate: run `alter role "+quoted(role)+" replication`")
	}
	if wrong != nil {
		return errors.New("the server can't be used: " + strings.Join(wrong, "; "))
	}
	return nil
}
