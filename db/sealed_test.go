package db_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// What may be sealed, and isn't named in db.SealedColumns, `latchkey secret reseal` would pass over, and the former key would be
// needed for good.
func TestSealedColumnsAreAll(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t).Pool(t)
	rows, err := pool.Query(t.Context(), `select format('%s.%s.%s', table_schema, table_name, column_name) from information_schema.columns
		where table_schema in ('auth', 'latchkey') and (data_type = 'bytea' or column_name ~ 'sealed|encrypted|cipher')`)
	ok(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	want := []string{
		"auth.job_chunks.data", "auth.login_codes.hash", "auth.login_sessions.browser_hash", "auth.login_sessions.code_hash", "auth.login_sessions.state_hash",
		"auth.refresh_tokens.hash", "auth.sessions.hash", "auth.tickets.hash", "auth.tries.name_hash",
	} // bytes that are not sealed
	for _, c := range db.SealedColumns() {
		want = append(want, c.Table+"."+c.Column)
		if c.Name == "" {
			continue
		}
		if _, err := pool.Exec(t.Context(), `select `+c.Name+`, `+c.Column+` from `+c.Table); err != nil {
			t.Errorf("%s: %v", c.Table, err)
		}
	}
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("columns of bytes are\n%q; known are\n%q: what is sealed stands in db.SealedColumns, what isn't here", found, want)
	}
}
