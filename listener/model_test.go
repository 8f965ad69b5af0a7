package listener_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// defaultSequences is how many sequences TestModel tries; LATCHKEY_SEQUENCES says otherwise, 2000 by `make test/model`.
const defaultSequences = 300

// TestModel lets two writers do what comes to mind, in transactions with savepoints, rollbacks, failures, statements for
// many rows, COPY, changes of keys, TRUNCATE and changing columns, and a listener that is killed now and then. What the
// hook was given equals what a model of the table says, change by change, in commit order.
func TestModel(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`create table told (id bigint generated always as identity, seq bigint not null unique, line text not null)`)
	tell := func(ctx context.Context, tx hooks.Tx, ev hooks.Event, line string) error {
		_, err := tx.Exec(ctx, `insert into told (seq, line) values ($1, $2)`, ev.Seq, line)
		return err
	}
	r.reg.Roles.AfterCreate("model", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return tell(ctx, tx, ev, inserted(row.ID, row.Description))
	})
	r.reg.Roles.AfterUpdate("model", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, old, row db.Role) error {
		return tell(ctx, tx, ev, updated(old.ID, old.Description, row.ID, row.Description))
	})
	r.reg.Roles.AfterDelete("model", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return tell(ctx, tx, ev, deleted(row.ID, row.Description))
	})
	r.reg.Roles.AfterTruncate("model", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return tell(ctx, tx, ev, "truncate") })
	n := r.start()
	sequences := defaultSequences
	if text := os.Getenv("LATCHKEY_SEQUENCES"); text != "" {
		var err error
		if sequences, err = strconv.Atoi(text); err != nil {
			t.Fatalf("LATCHKEY_SEQUENCES: %v", err)
		}
	}
	a, b := r.session(), r.session()
	done := 0
	for done < sequences { // a Check is a hundred
		rapid.Check(t, func(rt *rapid.T) {
			if done++; done%200 == 0 {
				n.kill()
				n = r.start()
			}
			m := newModel(rt, r, a, b)
			m.play()
			n.catchUp()
			m.compare()
		})
	}
}

func inserted(id, text string) string { return fmt.Sprintf("insert %s %q", id, text) }
func updated(id, text, newID, newText string) string {
	return fmt.Sprintf("update %s %q to %s %q", id, text, newID, newText)
}
func deleted(id, text string) string { return fmt.Sprintf("delete %s %q", id, text) }

// model is what the table holds and what hooks must have been told. Lines of one statement come in any order.
type model struct {
	t         *rapid.T
	r         *hookRig
	writers   []*modelWriter
	statement [][]string
}

// modelWriter is a session, with rows of its own, so that none waits for another's.
type modelWriter struct {
	m      *model
	name   string
	conn   *pgx.Conn
	rows   map[string]string // committed
	open   []modelLevel      // the transaction, and its savepoints; empty outside of one
	number int
}

type modelLevel struct {
	rows  map[string]string
	lines [][]string
}

func newModel(rt *rapid.T, r *hookRig, conns ...*pgx.Conn) *model {
	m := &model{t: rt, r: r}
	for i, conn := range conns {
		w := &modelWriter{m: m, name: string(rune('a' + i)), conn: conn, rows: map[string]string{}}
		m.writers = append(m.writers, w)
		w.exec(`rollback`) // what a sequence that failed has left
	}
	m.writers[0].exec(`delete from auth.roles`)
	m.writers[0].exec(`alter table auth.roles drop column if exists extra`)
	return m
}

// play draws a sequence of steps and takes them.
func (m *model) play() {
	for range rapid.IntRange(1, 25).Draw(m.t, "steps") {
		w := rapid.SampledFrom(m.writers).Draw(m.t, "writer")
		steps := []func(){w.insert, w.insertMany, w.copy, w.update, w.updateMany, w.rename, w.remove, w.removeMany}
		if len(w.open) == 0 {
			steps = append(steps, w.begin, w.begin, w.begin)
		} else {
			steps = append(steps, w.savepoint, w.rollbackTo, w.release, w.commit, w.commit, w.rollback, w.fail)
		}
		if others := slices.ContainsFunc(m.writers, func(o *modelWriter) bool { return o != w && len(o.open) > 0 }); !others {
			steps = append(steps, w.truncate, w.alter) // these wait for everyone
		}
		steps[rapid.IntRange(0, len(steps)-1).Draw(m.t, "step")]()
	}
	for _, w := range m.writers {
		if len(w.open) > 0 {
			w.commit()
		}
	}
}

// compare reads what the hook has told since the deletes that each sequence begins with.
func (m *model) compare() {
	told := rows[string](m.r.rig, `select line from told order by seq`)
	// Before ours come the deletes of what the former sequence left.
	total := 0
	for _, s := range m.statement {
		total += len(s)
	}
	if len(told) < total {
		m.t.Fatalf("the hook was told\n  %s\nand should have been told %d lines", strings.Join(told, "\n  "), total)
	}
	told = told[len(told)-total:]
	var want []string
	at := 0
	for _, s := range m.statement {
		slices.Sort(s)
		slices.Sort(told[at : at+len(s)])
		at += len(s)
		want = append(want, s...)
	}
	if !slices.Equal(told, want) {
		m.t.Fatalf("the hook was told\n  %s\nwant\n  %s", strings.Join(told, "\n  "), strings.Join(want, "\n  "))
	}
	m.r.exec(`truncate told`)
}

func (w *modelWriter) exec(sql string, args ...any) {
	if _, err := w.conn.Exec(w.m.r.ctx(), sql, args...); err != nil {
		w.m.t.Fatalf("%s: %v", sql, err)
	}
}

// now is what the writer sees.
func (w *modelWriter) now() map[string]string {
	if len(w.open) > 0 {
		return w.open[len(w.open)-1].rows
	}
	return w.rows
}

// wrote notes what a statement of the writer changed.
func (w *modelWriter) wrote(lines []string) {
	if len(lines) == 0 {
		return
	}
	if len(w.open) == 0 {
		w.m.statement = append(w.m.statement, lines)
		return
	}
	top := &w.open[len(w.open)-1]
	top.lines = append(top.lines, lines)
}

func (w *modelWriter) newID() string {
	w.number++
	return fmt.Sprintf("%s%d", w.name, w.number)
}

func (w *modelWriter) text() string {
	return rapid.SampledFrom([]string{"", "x", "null", `"q"\`, "ü\n", strings.Repeat("long ", 600)}).Draw(w.m.t, "text")
}

// id chooses a row; "" if there is none.
func (w *modelWriter) id() string {
	ids := slices.Sorted(maps.Keys(w.now()))
	if len(ids) == 0 {
		return ""
	}
	return rapid.SampledFrom(ids).Draw(w.m.t, "id")
}

func (w *modelWriter) insert() {
	id, text := w.newID(), w.text()
	w.exec(`insert into auth.roles (tenant_id, id, name, description) values ('t', $1, $1, $2)`, id, text)
	w.now()[id] = text
	w.wrote([]string{inserted(id, text)})
}

func (w *modelWriter) insertMany() {
	from, text := w.number+1, w.text()
	w.exec(`insert into auth.roles (tenant_id, id, name, description) select 't', $1 || i, $1 || i, $2 from generate_series($3::int, $3::int + 3) i`, w.name, text, from)
	var lines []string
	for range 4 {
		id := w.newID()
		w.now()[id] = text
		lines = append(lines, inserted(id, text))
	}
	w.wrote(lines)
}

func (w *modelWriter) copy() {
	var source [][]any
	var lines []string
	for range rapid.IntRange(1, 5).Draw(w.m.t, "copied") {
		id, text := w.newID(), w.text()
		source = append(source, []any{"t", id, id, text})
		w.now()[id] = text
		lines = append(lines, inserted(id, text))
	}
	if _, err := w.conn.CopyFrom(w.m.r.ctx(), pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "id", "name", "description"}, pgx.CopyFromRows(source)); err != nil {
		w.m.t.Fatalf("copy: %v", err)
	}
	w.wrote(lines)
}

func (w *modelWriter) update() {
	id, text := w.id(), w.text()
	if id == "" {
		return
	}
	w.exec(`update auth.roles set description = $2 where id = $1`, id, text)
	w.wrote([]string{updated(id, w.now()[id], id, text)})
	w.now()[id] = text
}

func (w *modelWriter) updateMany() {
	text := w.text()
	w.exec(`update auth.roles set description = description || $2 where id like $1 || '%'`, w.name, text)
	var lines []string
	for id, was := range w.now() {
		lines = append(lines, updated(id, was, id, was+text))
		w.now()[id] = was + text
	}
	w.wrote(lines)
}

func (w *modelWriter) rename() {
	id := w.id()
	if id == "" {
		return
	}
	newID := w.newID()
	w.exec(`update auth.roles set id = $2 where id = $1`, id, newID)
	text := w.now()[id]
	delete(w.now(), id)
	w.now()[newID] = text
	w.wrote([]string{updated(id, text, newID, text)})
}

func (w *modelWriter) remove() {
	id := w.id()
	if id == "" {
		return
	}
	w.exec(`delete from auth.roles where id = $1`, id)
	w.wrote([]string{deleted(id, w.now()[id])})
	delete(w.now(), id)
}

func (w *modelWriter) removeMany() {
	w.exec(`delete from auth.roles where id like $1 || '%'`, w.name)
	var lines []string
	for id, text := range w.now() {
		lines = append(lines, deleted(id, text))
	}
	clear(w.now())
	w.wrote(lines)
}

func (w *modelWriter) truncate() {
	w.exec(`truncate auth.roles cascade`)
	w.wrote([]string{"truncate"})
	for _, o := range w.m.writers {
		if o != w {
			clear(o.rows) // it has nothing open
		}
	}
	clear(w.now())
	if len(w.open) > 0 {
		w.commit() // nobody else could go on before
	}
}

// alter adds a column or drops it again.
func (w *modelWriter) alter() {
	w.exec(rapid.SampledFrom([]string{
		`alter table auth.roles add column if not exists extra text not null default 'e'`, `alter table auth.roles drop column if exists extra`,
	}).Draw(w.m.t, "alter"))
	if len(w.open) > 0 {
		w.commit() // likewise
	}
}

func (w *modelWriter) begin() {
	w.exec(`begin`)
	w.open = []modelLevel{{rows: maps.Clone(w.rows)}}
}

func (w *modelWriter) savepoint() {
	w.exec(fmt.Sprintf(`savepoint s%d`, len(w.open)))
	w.open = append(w.open, modelLevel{rows: maps.Clone(w.now())})
}

func (w *modelWriter) rollbackTo() {
	if len(w.open) < 2 {
		return
	}
	top := len(w.open) - 1
	w.exec(fmt.Sprintf(`rollback to savepoint s%d`, top))
	w.open[top] = modelLevel{rows: maps.Clone(w.open[top-1].rows)}
}

func (w *modelWriter) release() {
	if len(w.open) < 2 {
		return
	}
	top := len(w.open) - 1
	w.exec(fmt.Sprintf(`release savepoint s%d`, top))
	w.open[top-1].rows = w.open[top].rows
	w.open[top-1].lines = append(w.open[top-1].lines, w.open[top].lines...)
	w.open = w.open[:top]
}

func (w *modelWriter) commit() {
	w.exec(`commit`)
	w.rows = w.now()
	for _, level := range w.open {
		w.m.statement = append(w.m.statement, level.lines...)
	}
	w.open = nil
}

func (w *modelWriter) rollback() {
	w.exec(`rollback`)
	w.open = nil
}

// fail makes a statement fail, which takes along what was written since the last savepoint, or all.
func (w *modelWriter) fail() {
	if _, err := w.conn.Exec(w.m.r.ctx(), `insert into auth.roles (tenant_id, id, name) values ('t', 'twice', 'twice'), ('t', 'twice', 'twice')`); err == nil {
		w.m.t.Fatal("a key went in twice")
	}
	if len(w.open) > 1 {
		w.rollbackTo()
		return
	}
	w.rollback()
}
