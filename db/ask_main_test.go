package db_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
)

// asker is an Asker without a network: it reads who is to be asked, as it has to, and decides by answer.
type asker struct {
	sql    *pgxpool.Pool
	nobody bool                                                 // says that there is nobody to ask
	answer func(n int, q *db.Question) (json.RawMessage, error) // nil: agrees; n is 1 for the first

	mu    sync.Mutex
	asked []db.Question
}

func (a *asker) Ask(ctx context.Context, q *db.Question) (db.Answer, error) {
	rows, err := a.sql.Query(ctx, `select hook_id from auth.hooks where tenant_id = $1 and trigger_id = $2 and enabled`, q.TenantID, q.Trigger)
	if err != nil {
		return db.Answer{}, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 || a.nobody {
		return db.Answer{}, err
	}
	a.mu.Lock()
	a.asked = append(a.asked, *q)
	n := len(a.asked)
	a.mu.Unlock()
	out := db.Answer{Asked: ids}
	if a.answer != nil {
		out.UserMetadata, err = a.answer(n, q)
	}
	return out, err
}

// take is what was asked since.
func (a *asker) take() []db.Question {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

// asking opens a store with an asker.
func asking(t *testing.T, register func(*db.Hooks)) (*env, *asker) {
	t.Helper()
	a := &asker{}
	return openAsking(t, register, func(sql *pgxpool.Pool) db.Asker {
		a.sql = sql
		return a
	}), a
}

// hook makes a webhook of acme's that has to be asked.
func (e *env) syncHook(t *testing.T, id, trigger string) {
	t.Helper()
	e.exec(t, `insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('acme', $1, $2, 'https://example.com')`, id, trigger)
}

const (
	onRegistration = "validate-registration-username"
	onCreate       = "pre-user-registration"
	onUpdate       = "pre-user-update"
	onDelete       = "pre-user-deletion"
)

// wantText is for errors that name what to do.
func wantText(t *testing.T, err error, text string) {
	t.Helper()
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q doesn't say %q", err, text)
	}
}

func wantAsked(t *testing.T, a *asker, want int) []db.Question {
	t.Helper()
	asked := a.take()
	if len(asked) != want {
		t.Fatalf("asked %d times; want %d", len(asked), want)
	}
	return asked
}
