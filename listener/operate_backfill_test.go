package listener_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// oddRow is a row of a table whose names, keys and types are anything but plain.
type oddRow struct {
	Part  string `db:"p"`
	Order int64  `db:"order"`
}

// What a backfill reads is what the stream brings: the same shape, entity and texts, whatever the types are.
func TestBackfillReadsAsTheStreamDoes(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.exec(`create schema "Odd"; create domain "Odd".email as text check (value like '%@%'); create type "Odd".mood as enum ('glad', 'Sad one')`)
	r.exec(`create table "Odd"."Tab-le" (a char(5), flag boolean, p uuid, "order" bigint, mail "Odd".email, mood "Odd".mood, span interval, at timestamptz, during tstzrange,
		tags text[], raw bytea, ratio float8, amount numeric(10, 3), doc jsonb, twice bigint generated always as ("order" * 2) stored, nothing text, primary key (p, "order"))`)
	r.exec(`insert into "Odd"."Tab-le" select 'ab', i % 2 = 0, ('00000000-0000-0000-0000-00000000000' || i)::uuid, i, 'a@b', 'Sad one', '1 year 2 days 00:00:03.5', '2026-01-31 12:00+02',
		tstzrange('2026-01-01 00:00+00', null), array['x', null, 'y"z'], '\x00ff', 0.1 + i, 1.50, '{"b": 1, "a": [null]}' from generate_series(1, 3) i`)
	of := db.Table[oddRow](r.reg, `"Odd"."Tab-le"`)
	seen := map[string]string{} // by origin and entity
	of.AfterCreate("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row oddRow) error {
		values := make([]string, len(ev.New.Values))
		for i, v := range ev.New.Values {
			values[i] = fmt.Sprintf("%s:%d=%q", ev.Shape.Columns[i], ev.Shape.Types[i], v)
		}
		seen[ev.Stamp().Origin+" "+ev.Entity()] = fmt.Sprintf("shape %d of %v, row %d: %s", ev.Shape.ID, ev.Shape.Key, row.Order, strings.Join(values, " "))
		return nil
	})
	n := r.start(attentive(), with(func(c *listener.Config) { c.Lanes = 1 }))
	r.awaitRun(must[listener.HookRun](t)(r.op.Backfill(t.Context(), "h", nil)))
	r.exec(`create table copy as table "Odd"."Tab-le"`)
	r.exec(`truncate "Odd"."Tab-le"`)
	r.exec(`insert into "Odd"."Tab-le" (a, flag, p, "order", mail, mood, span, at, during, tags, raw, ratio, amount, doc, nothing)
		select a, flag, p, "order", mail, mood, span, at, during, tags, raw, ratio, amount, doc, nothing from copy`)
	n.catchUp()
	n.stop()
	if len(seen) != 6 {
		t.Fatalf("the hook has had %d rows, want 3 of the backfill and 3 of the stream:\n%v", len(seen), seen)
	}
	for name, row := range seen {
		origin, entity, _ := strings.Cut(name, " ")
		if other := seen["external "+entity]; origin == hooks.OriginBackfill && other != row {
			t.Errorf("the backfill's row is\n  %s\nand the stream's\n  %s", row, other)
		}
	}
}
