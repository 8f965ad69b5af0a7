// Package owntable_test is the README's example of an after-hook on a service's own table, and of its test.
package owntable_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

const schema = `
	create schema billing;
	create table billing.invoices (id bigint primary key, customer text not null, amount numeric(12, 2) not null, paid_at timestamptz);
	create table billing.mails (customer text not null, subject text not null)`

type Invoice struct {
	ID       int64
	Customer string
	Total    string `db:"amount"`
	PaidAt   *time.Time
}

func register(reg *db.Hooks) {
	invoices := db.Table[Invoice](reg, "billing.invoices")
	invoices.AfterUpdate("paid", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, old, row Invoice) error {
		if old.PaidAt != nil || row.PaidAt == nil {
			return nil
		}
		_, err := tx.Exec(ctx, `insert into billing.mails values ($1, $2)`, row.Customer, "thanks for "+row.Total)
		return err // the mail is in the table if and only if the hook ran
	})
}

func TestPaid(t *testing.T) {
	reg := db.NewHooks()
	register(reg)
	env := hookstest.New(t, reg, hookstest.Schema(schema))

	env.SQL(`insert into billing.invoices values (1, 'Anna', 12.5)`)
	env.SQL(`update billing.invoices set paid_at = now()`)
	env.CatchUp()
	env.Crash() // as kill -9 would
	env.CatchUp()

	env.RequireRuns("paid", 1)
	var mails string
	if err := env.Pool().QueryRow(t.Context(), `select string_agg(customer || ': ' || subject, ', ') from billing.mails`).Scan(&mails); err != nil || mails != "Anna: thanks for 12.50" {
		t.Errorf("the mails are %q, %v", mails, err)
	}
}
