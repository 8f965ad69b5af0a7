package db_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

type invoice struct {
	ID     int64
	UserID string
	Total  string `db:"amount,optional"`
	PaidAt sql.NullTime
	Lines  []invoiceLine `db:"-"`
	Trail
	secret string
}

type Trail struct {
	CreatedAt time.Time
	By        string `db:"created_by"`
}

type invoiceLine struct{ Text string }

func TestTable(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	db.Table[invoice](reg, "billing.invoices").AfterCreate("a", func(context.Context, hooks.Tx, hooks.Event, invoice) error { return nil })
	again := db.Table[invoice](reg, `"billing"."invoices"`) // the same table
	again.AfterUpdate("a", func(context.Context, hooks.Tx, hooks.Event, invoice, invoice) error { return nil })
	again.AfterDelete("b", func(context.Context, hooks.Tx, hooks.Event, invoice) error { return nil })
	again.AfterTruncate("b", func(context.Context, hooks.Tx, hooks.Event) error { return nil })
	if err := reg.Err(); err != nil {
		t.Fatal(err)
	}
	own := reg.OwnTables()
	if len(own) != 1 || own[0].Name != "billing.invoices" || again.Table() != "billing.invoices" || len(reg.Afters()) != 2 {
		t.Fatalf("own tables %+v, hooks %+v", own, reg.Afters())
	}
	var fields []string
	for _, f := range own[0].Fields {
		fields = append(fields, f.Name+"="+f.Column)
		if f.Optional != (f.Column == "amount") {
			t.Errorf("%+v", f)
		}
	}
	const want = "db_test.invoice.ID=id db_test.invoice.UserID=user_id db_test.invoice.Total=amount db_test.invoice.PaidAt=paid_at db_test.invoice.CreatedAt=created_at db_test.invoice.By=created_by"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("fields %s", got)
	}
	_ = invoice{}.secret
}

// Mistakes are gathered, and opening says all of them; nothing panics.
func TestTableMistakes(t *testing.T) {
	t.Parallel()
	type one struct{ ID int }
	type other struct{ ID int }
	type list []list
	type embedded struct{ *Trail }
	for name, test := range map[string]struct {
		register func(*db.Hooks)
		says     string
	}{
		"no schema":       {func(h *db.Hooks) { db.Table[one](h, "invoices") }, "table invoices: it lacks its schema"},
		"a capital":       {func(h *db.Hooks) { db.Table[one](h, "billing.Invoices") }, "Invoices needs double quotes"},
		"no name":         {func(h *db.Hooks) { db.Table[one](h, "") }, "name it schema.table"},
		"the catalogue's": {func(h *db.Hooks) { db.Table[one](h, "auth.roles") }, "reg.Roles"},
		"a secret":        {func(h *db.Hooks) { db.Table[one](h, "auth.passwords") }, "catalogue"},
		"the engine's":    {func(h *db.Hooks) { db.Table[one](h, "latchkey.acks") }, "schema latchkey"},
		"Postgres' own":   {func(h *db.Hooks) { db.Table[one](h, "pg_catalog.pg_class") }, "schema pg_catalog"},
		"temporary":       {func(h *db.Hooks) { db.Table[one](h, "pg_temp.x") }, "schema pg_temp"},
		"no struct":       {func(h *db.Hooks) { db.Table[int](h, "a.b") }, "int is no struct"},
		"a pointer":       {func(h *db.Hooks) { db.Table[*one](h, "a.b") }, "*db_test.one is no struct"},
		"an interface":    {func(h *db.Hooks) { db.Table[any](h, "a.b") }, "is no struct"},
		"nothing in it":   {func(h *db.Hooks) { db.Table[struct{ id int }](h, "a.b") }, "has no exported field"},
		"not exported": {func(h *db.Hooks) {
			db.Table[struct {
				id int `db:"id"`
			}](h, "a.b")
		}, "field id of struct"},
		"one column twice": {func(h *db.Hooks) {
			db.Table[struct {
				A int `db:"x"`
				X int
			}](h, "a.b")
		}, "field X of struct"},
		"a function":          {func(h *db.Hooks) { db.Table[struct{ F func() }](h, "a.b") }, "can't hold a column's value"},
		"a type of itself":    {func(h *db.Hooks) { db.Table[struct{ L list }](h, "a.b") }, "can't hold a column's value"},
		"an embedded pointer": {func(h *db.Hooks) { db.Table[embedded](h, "a.b") }, "embed the struct itself"},
		"two rows": {func(h *db.Hooks) {
			db.Table[one](h, "a.b")
			db.Table[other](h, "a.b").AfterCreate("x", func(context.Context, hooks.Tx, hooks.Event, other) error { return nil })
		}, "table a.b: it is registered with rows of type db_test.one already, not db_test.other"},
		"a nil hook": {func(h *db.Hooks) { db.Table[one](h, "a.b").AfterCreate("x", nil) }, `after insert hook "x" of a.b: the function is nil`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := db.NewHooks()
			test.register(reg)
			if err := reg.Err(); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v, want %q", err, test.says)
			}
		})
	}
}
