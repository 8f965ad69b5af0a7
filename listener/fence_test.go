package listener

import (
	"errors"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/tracing"
)

// A process that was frozen while another took its group over finds what it is about to write there already. It is to
// hear that its epoch is over, and to stand by, before it hears of a row that exists, which would end it.
func TestZombieHearsOfItsEpochFirst(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for _, sql := range []string{
		`insert into latchkey.owner (group_name, epoch) values ('default', 2)`,
		`insert into latchkey.position (group_name, slot, publication, system_identifier, timeline) values ('default', 's', 'p', '1', 1)`,
		`select latchkey.make_partition('default', 1, 1000)`,
		`insert into latchkey.relations (schema_name, table_name, name, columns, type_oids, key_columns, generated) values ('auth', 'roles', 'auth.roles', '{id}', '{25}', '{id}', '{}')`,
		`insert into latchkey.event_batches values ('default', 1, 1, '0/1', now(), '[]', 2)`,
		`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq) values ('default', 'auth.roles', 'h', '0/0', 0)`,
		`insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt) values (1, 1, '{a}', 'done', 1)`,
	} {
		d.Exec(t, sql)
	}
	pool := d.Pool(t)
	reg := &hooks.Registry{}
	hooks.NewEntity(reg, "auth.roles", func(*hooks.Image) (struct{}, error) { return struct{}{}, nil })
	l := &Listener{progress: newProgress(), timing: defaultTiming(), tracer: tracing.New(nil, "test")}
	tr := &term{l: l, cfg: Config{Group: "default", Retry: Retry{Attempts: 3, Base: time.Millisecond, Max: time.Second}}, epoch: 1, pool: pool, nextSeq: 1, shapes: newShapes(pool)}
	sub := &subscription{id: 1, kind: kindLive, status: statusActive, table: "auth.roles", name: "h", after: &hooks.After{Table: "auth.roles", Name: "h"}}
	shape := &hooks.Shape{ID: 1, Schema: "auth", Table: "roles", Columns: []string{"id"}, Types: []uint32{25}, Key: []string{"id"}}
	ev := &hooks.Event{Seq: 1, Table: "auth.roles", Shape: shape, Operation: hooks.Insert, Key: "a", New: &hooks.Image{Shape: shape, Values: [][]byte{[]byte("a")}}}
	delivery := func() *delivery { return &delivery{sub: sub, ev: ev, tx: lazytx.New(pool)} }
	for name, write := range map[string]func() error{
		"record an attempt": func() error { return tr.recordAttempt(t.Context(), delivery()) },
		"record a failure": func() error {
			d := delivery()
			_, err := tr.fail(t.Context(), d, Run{Hook: sub.after, Event: ev}, errors.New("it failed"))
			return err
		},
		"begin another attempt": func() error {
			_, err := tr.prepare(t.Context(), sub, &parked{seq: 1, entities: []string{"a"}, written: true, ev: ev})
			return err
		},
		"store events": func() error { return tr.store(t.Context(), batch{events: []*hooks.Event{ev}}) },
	} {
		if err := write(); !errors.Is(err, errLost) {
			t.Errorf("%s: %v, want %v", name, err, errLost)
		}
	}
}
