package listener_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// hooked is what one release of a program hooks: roles, with hooks of these names that leave effects, one after the other.
func hooked(names ...string) (option, *db.Hooks) {
	reg := db.NewHooks()
	for _, name := range names {
		reg.Roles.AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error {
			return leave(ctx, tx, name, ev)
		})
	}
	return with(func(c *listener.Config) { c.Hooks, c.Lanes = reg, 1 }), reg
}

// A new hook begins with what commits after its registration, however far the log is stored by then.
func TestNewHookStartsFromNow(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	first, _ := hooked("a")
	n := r.start(first)
	r.roles("1")
	n.catchUp()
	n.stop()
	r.roles("2") // nobody has read it yet

	second, _ := hooked("a", "b")
	n = r.start(second)
	r.roles("3")
	n.catchUp()
	r.requireEffects("a", "1", "2", "3")
	r.requireEffects("b", "3")
	n.kill() // its "now" stays
	n = r.start(second)
	r.roles("4")
	n.catchUp()
	r.requireEffects("a", "1", "2", "3", "4")
	r.requireEffects("b", "3", "4")
}

// A hook that begins beside a transaction that is open gets its change: it commits later.
func TestNewHookGetsWhatCommitsLater(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	first, _ := hooked("a")
	n := r.start(first)
	tx, err := r.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `insert into auth.roles (tenant_id, id, name) values ('t', '1', '1')`); err != nil {
		t.Fatal(err)
	}
	n.stop()
	second, _ := hooked("a", "b")
	n = r.standBy(second) // not start: others, who wait for this transaction to end, may have its lock
	n.awaitOwning()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.catchUp()
	r.requireEffects("a", "1")
	r.requireEffects("b", "1")
}

// Under a new name a hook goes on where it was under the old one.
func TestRenamedFrom(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	before, _ := hooked("old", "other")
	n := r.start(before)
	r.roles("1")
	n.catchUp()
	n.stop()
	r.roles("2")

	after, reg := hooked("other")
	reg.Roles.AfterCreate("new", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error {
		return leave(ctx, tx, "new", ev)
	}, hooks.RenamedFrom("old"))
	for range 2 { // the option may stay in the code
		n = r.start(after)
		n.catchUp()
		n.stop()
	}
	r.roles("3")
	n = r.start(after)
	n.catchUp()
	r.requireEffects("old", "1")
	r.requireEffects("new", "2", "3")
	r.requireEffects("other", "1", "2", "3")
	if got := value[string](r.rig, `select string_agg(hook, ' ' order by hook) from latchkey.subscriptions`); got != "new other" {
		t.Errorf("the subscriptions are %s", got)
	}
}

// A hook that left the code is told of, keeps its place and goes on from there when it is back.
func TestHookThatLeftTheCode(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	both, _ := hooked("a", "b")
	n := r.start(both)
	r.roles("1")
	n.catchUp()
	n.stop()

	one, _ := hooked("a")
	n = r.start(one)
	r.roles("2", "3")
	n.catchUp()
	if log := n.log.String(); !strings.Contains(log, "left the code") || !strings.Contains(log, "auth.roles b") || strings.Contains(log, "auth.roles a") {
		t.Errorf("what is logged doesn't name the hook that left, alone:\n%s", log)
	}
	n.kill()
	n = r.start(both)
	r.roles("4")
	n.catchUp()
	r.requireEffects("a", "1", "2", "3", "4")
	r.requireEffects("b", "1", "2", "3", "4")
}

// Groups know nothing of each other: each gets everything.
func TestTwoGroups(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	one, _ := hooked("a")
	two, _ := hooked("b")
	named := func(group string) option { return with(func(c *listener.Config) { c.Group = group }) }
	first, second := r.start(one, named("one")), r.start(two, named("two"))
	r.roles("1")
	first.catchUp()
	second.kill()
	r.roles("2")
	first.catchUp()
	second = r.start(two, named("two"))
	second.catchUp()
	first.stop()
	r.roles("3")
	second.catchUp()
	first = r.start(one, named("one"))
	first.catchUp()
	r.requireEffects("a", "1", "2", "3")
	r.requireEffects("b", "1", "2", "3")
}

// What was registered wrongly comes back from Open, all of it at once.
func TestWrongRegistrations(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	wrong, reg := hooked("twice", "twice", "9lives", "")
	reg.Users.AfterDelete("nil", nil)
	reg.Roles.AfterUpdate("twice", func(context.Context, hooks.Tx, hooks.Event, db.Role, db.Role) error { return nil }) // another operation
	reg.Users.AfterCreate("twice", func(context.Context, hooks.Tx, hooks.Event, db.User) error { return nil })          // another table
	_, err := r.open(wrong)
	if err == nil {
		t.Fatal("a catalogue with mistakes was taken")
	}
	for _, want := range []string{`insert hook "twice" of auth.roles: the name is taken`, `"9lives"`, `hook "" of`, `delete hook "nil" of auth.users: the function is nil`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if got := strings.Count(err.Error(), "hooks: "); got != 4 {
		t.Errorf("%d mistakes are told of, want 4:\n%v", got, err)
	}
}

// Two groups may meet a table in the same moment: one stores its columns, the other finds them.
func TestTwoGroupsMeetATable(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	one, _ := hooked("a")
	two, _ := hooked("b")
	named := func(group string) option { return with(func(c *listener.Config) { c.Group = group }) }
	first := r.start(one, named("one"))
	r.roles("1")
	first.catchUp()
	first.stop()
	second := r.start(two, named("two"))
	r.exec(`create table met as select * from latchkey.relations`)
	r.exec(`delete from latchkey.relations`)
	tx, err := r.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(r.ctx()) }()
	if _, err := tx.Exec(t.Context(), `insert into latchkey.relations overriding system value select * from met`); err != nil {
		t.Fatal(err)
	}
	r.roles("2")
	r.eventually("the listener waits for who was faster", `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.catchUp()
	r.requireEffects("b", "2")
}

// A new hook may begin with what the log has, from an event or a time on; where it has a cursor, that counts.
func TestStartAt(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	first, _ := hooked("a")
	n := r.start(first)
	r.roles("1", "2")
	n.catchUp()
	at := value[time.Time](r.rig, `select clock_timestamp()`)
	r.roles("3")
	n.catchUp()
	n.stop()

	all, reg := hooked("a")
	for name, option := range map[string]hooks.Option{"beginning": hooks.StartAt(0), "second": hooks.StartAt(2), "then": hooks.StartAtTime(at), "later": hooks.StartAtTime(at.Add(time.Hour))} {
		reg.Roles.AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error {
			return leave(ctx, tx, name, ev)
		}, option)
	}
	for _, id := range []string{"4", "5"} { // the second time each has a cursor
		n = r.start(all)
		r.roles(id)
		n.catchUp()
		n.stop()
	}
	r.requireEffects("a", "1", "2", "3", "4", "5")
	r.requireEffects("beginning", "1", "2", "3", "4", "5")
	r.requireEffects("second", "2", "3", "4", "5")
	r.requireEffects("then", "3", "4", "5")
	r.requireEffects("later", "4", "5")
}
