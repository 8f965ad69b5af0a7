package listener_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// ownHooks are the hooks of a test's own table, one named h for all operations, and what they were told.
type ownHooks[Row any] struct {
	t    *testing.T
	mu   sync.Mutex
	told []string
}

// own registers hooks on a table.
func own[Row any](r *hookRig, table string, opts ...hooks.Option) *ownHooks[Row] {
	o := &ownHooks[Row]{t: r.t}
	of := db.Table[Row](r.reg, table)
	of.AfterCreate("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row Row) error {
		return o.tell(ev, row)
	}, opts...)
	of.AfterUpdate("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, old, row Row) error {
		return o.tell(ev, old, row)
	}, opts...)
	of.AfterDelete("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row Row) error {
		return o.tell(ev, row)
	}, opts...)
	of.AfterTruncate("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event) error { return o.tell(ev) }, opts...)
	return o
}

// tell keeps the operation, the entity and the rows, as JSON without quotes.
func (o *ownHooks[Row]) tell(ev hooks.Event, rows ...Row) error {
	line := ev.Operation.String() + " " + ev.Entity()
	for _, row := range rows {
		text, err := json.Marshal(row)
		if err != nil {
			return err
		}
		line += " " + strings.ReplaceAll(string(text), `"`, "")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, strings.TrimSpace(line))
	return nil
}

// require fails the test unless the hooks were told this, in this order: operation, entity, rows.
func (o *ownHooks[Row]) require(want ...string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if strings.Join(o.told, "\n") != strings.Join(want, "\n") {
		o.t.Fatalf("the hooks were told\n  %s\nwant\n  %s", strings.Join(o.told, "\n  "), strings.Join(want, "\n  "))
	}
}

// requireAll fails the test unless the hooks were told all of this, in any order.
func (o *ownHooks[Row]) requireAll(want ...string) {
	o.t.Helper()
	o.mu.Lock()
	slices.Sort(o.told)
	o.mu.Unlock()
	slices.Sort(want)
	o.require(want...)
}
