package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/jackc/pglogrepl"
)

// Outcome is what before-hooks would have made of a write that skipped them.
type Outcome string

// The outcomes. Where there is no before-hook of the operation, TRUNCATE above all, a write passes.
const (
	Passed  Outcome = "passed"
	Changed Outcome = "changed" // they would have written other values
	Refused Outcome = "refused"
	Failed  Outcome = "failed" // one returned an error that is no refusal
)

// Unhooked is a committed write that skipped the before-hooks of an audited table.
type Unhooked struct {
	Event   *Event
	Outcome Outcome
	Err     error    // the *Rejection or *Fault of a write that was Refused or Failed
	Changed []string // the columns of one that was Changed; for a set the members are, and it is empty
}

// AuditHook is the name of the after-hook that audits a table.
const AuditHook = "latchkey.policy"

// audit is the after-hook of a table that tries its before-hooks on writes that skipped them.
type audit struct {
	after  *After
	wanted func() bool // there are before-hooks to try
}

// ReportUnhooked has fn called for each write to an audited table that skipped the repositories, inside the transaction of
// the delivery. The catalogue calls it, once.
func (r *Registry) ReportUnhooked(fn func(ctx context.Context, tx Tx, u Unhooked) error) {
	r.unhooked = fn
}

// Audits lists the after-hooks that audit: of tables that have before-hooks, and of those whose declared policy it is.
func (r *Registry) Audits() []*After {
	var afters []*After
	for _, a := range r.audits {
		if r.unhooked != nil && (a.wanted() || r.policies[a.after.Table] == PolicyAudit) {
			afters = append(afters, a.after)
		}
	}
	return afters
}

// try runs the before-hooks on an event, and returns the columns that they changed.
type try func(ctx context.Context, tx Tx, ev *Event) ([]string, error)

// audited adds a table's audit, with what to try for each operation; nil where there is nothing.
func (r *Registry) audited(table string, wanted func() bool, tries map[Operation]try) {
	after := &After{Table: table, Name: AuditHook, options: options{timeout: AfterTimeout, filter: marked}}
	var kept verdicts
	for op, try := range tries {
		after.handlers[op] = func(ctx context.Context, tx Tx, ev *Event) error {
			u, had := kept.take(ev)
			if !had {
				var err error
				if u, err = dryRun(ctx, tx, ev, try); err != nil {
					return err
				}
			}
			err := r.unhooked(ctx, tx, u)
			if err != nil && u.Outcome == Failed {
				kept.keep(u)
				err = fmt.Errorf("%w; a before-hook had failed: %w", err, u.Err)
			}
			return err
		}
	}
	r.audits = append(r.audits, audit{after, wanted})
}

// verdicts are those that could not be told: a before-hook whose deadline passed in a statement takes the transaction along.
// The next attempt tells them and asks nobody, or it would end the same way.
type verdicts struct {
	mu   sync.Mutex
	kept map[place]Unhooked
}

// place is an event's in the log, whatever the group.
type place struct {
	lsn     pglogrepl.LSN
	ordinal int64
}

func (v *verdicts) keep(u Unhooked) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil {
		v.kept = map[place]Unhooked{}
	}
	v.kept[place{u.Event.CommitLSN, u.Event.Ordinal}] = u
}

func (v *verdicts) take(ev *Event) (u Unhooked, had bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := place{ev.CommitLSN, ev.Ordinal}
	u, had = v.kept[at]
	delete(v.kept, at)
	u.Event = ev
	return u, had
}

// marked reports whether the table was audited when the event was made, and its writer skipped the repositories: the
// trigger that stands for the policy says so in the stamp. So it depends on the event alone.
func marked(ev *Event) bool {
	if !bytes.Contains(ev.RawStamp, []byte(`"audit"`)) { // reading every stamp would cost more
		return false
	}
	var stamp struct {
		Audit []string `json:"audit"`
	}
	return json.Unmarshal(ev.RawStamp, &stamp) == nil && slices.Contains(stamp.Audit, ev.Table)
}

var errDry = errors.New("hooks: a dry run keeps nothing")

func dryRun(ctx context.Context, tx Tx, ev *Event, try try) (Unhooked, error) {
	u := Unhooked{Event: ev, Outcome: Passed}
	if try == nil {
		return u, nil
	}
	var said error
	err := tx.InTx(ctx, func(tx Tx) error {
		u.Changed, said = try(ctx, tx, ev)
		return errDry
	})
	if !errors.Is(err, errDry) {
		return u, err
	}
	var no *Rejection
	var fault *Fault
	switch {
	case said == nil && u.Changed != nil:
		u.Outcome = Changed
	case said == nil:
	case errors.As(said, &fault): // it may carry a refusal that was not the hook's own
		u.Outcome, u.Err = Failed, said
	case errors.As(said, &no):
		u.Outcome, u.Err = Refused, said
	default: // the row can't be read, or the listener stops
		return u, said
	}
	return u, nil
}

// ask runs the links as run does, for a write that has happened: nobody is to count it.
func (c chain[F]) ask(ctx context.Context, table string, tx Tx, call func(context.Context, F) error) error {
	for _, l := range c {
		if err := l.run(ctx, table, tx, call); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entity[Row]) audit() {
	e.registry.audited(e.table,
		func() bool { return e.HasBefore(Insert) || e.HasBefore(Update) || e.HasBefore(Delete) },
		map[Operation]try{
			Insert: func(ctx context.Context, tx Tx, ev *Event) ([]string, error) {
				was, row, err := e.twice(ev.New)
				if err != nil {
					return nil, err
				}
				err = e.beforeCreate.ask(ctx, e.table, tx, func(ctx context.Context, fn func(context.Context, Tx, *Row) error) error { return fn(ctx, tx, &row) })
				return changed(was, &row, ev.Shape, err), err
			},
			Update: func(ctx context.Context, tx Tx, ev *Event) ([]string, error) {
				old, err := e.decode(ev.Old)
				if err != nil {
					return nil, err
				}
				was, row, err := e.twice(ev.New)
				if err != nil {
					return nil, err
				}
				err = e.beforeUpdate.ask(ctx, e.table, tx, func(ctx context.Context, fn func(context.Context, Tx, Row, *Row) error) error {
					return fn(ctx, tx, old, &row)
				})
				return changed(was, &row, ev.Shape, err), err
			},
			Delete: func(ctx context.Context, tx Tx, ev *Event) ([]string, error) {
				row, err := e.decode(ev.Old)
				if err != nil {
					return nil, err
				}
				return nil, e.beforeDelete.ask(ctx, e.table, tx, func(ctx context.Context, fn func(context.Context, Tx, Row) error) error { return fn(ctx, tx, row) })
			},
			Truncate: nil,
		})
}

// twice decodes a row into two that share nothing: the hooks change one of them in place.
func (e *Entity[Row]) twice(im *Image) (was, row Row, err error) {
	if was, err = e.decode(im); err == nil {
		row, err = e.decode(im)
	}
	return was, row, err
}

// changed lists the columns in which the rows differ, but for the key, which repositories keep. Of a chain that failed
// nothing is told: a hook that missed its deadline may still be writing the row.
func changed[Row any](was Row, row *Row, shape *Shape, failed error) []string {
	if failed != nil {
		return nil
	}
	old, now := reflect.ValueOf(was), reflect.ValueOf(*row)
	if old.Kind() != reflect.Struct {
		return nil
	}
	var columns []string
	for _, f := range reflect.VisibleFields(old.Type()) {
		column := f.Tag.Get("db")
		if !f.IsExported() || column == "" || column == "-" || slices.Contains(shape.Key, column) {
			continue
		}
		if !reflect.DeepEqual(old.FieldByIndex(f.Index).Interface(), now.FieldByIndex(f.Index).Interface()) {
			columns = append(columns, column)
		}
	}
	return columns
}

func (s *Set[Owner, Member]) audit() {
	s.registry.audited(s.table,
		func() bool { return s.HasBefore(Assign) || s.HasBefore(Remove) },
		map[Operation]try{Assign: s.try, Remove: s.try, Truncate: nil})
}

func (s *Set[Owner, Member]) try(ctx context.Context, tx Tx, ev *Event) ([]string, error) {
	owner, members, err := s.read(ev)
	if err != nil {
		return nil, err
	}
	c := s.beforeAssign
	if ev.Operation == Remove {
		c = s.beforeRemove
	}
	left := slices.Clone(members)
	err = c.ask(ctx, s.table, tx, func(ctx context.Context, fn func(context.Context, Tx, Owner, []Member) ([]Member, error)) error {
		answer, err := fn(ctx, tx, owner, left)
		if err == nil {
			left = answer
		}
		return err
	})
	if err != nil || reflect.DeepEqual(members, left) {
		return nil, err
	}
	return []string{}, nil
}
