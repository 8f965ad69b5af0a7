package listener

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/hooks"
)

// setChange is a row of a set that came or went.
type setChange struct {
	table   *table
	ordinal int64
	ev      *hooks.Event
}

type setChanges []setChange

// spooled is a set change at rest.
type spooled struct {
	ordinal int64
	change  []byte
}

func (c setChange) spool() spooled {
	return spooled{ordinal: c.ordinal, change: appendEvent(nil, c.ev)}
}

func (a *assembler) unspool(stored []spooled) (setChanges, error) {
	changes := make(setChanges, len(stored))
	for i, s := range stored {
		var r record
		if err := json.Unmarshal(s.change, &r); err != nil {
			return nil, fmt.Errorf("spooled change %d: %w", s.ordinal, err)
		}
		t := a.byShape[r.Relation]
		if t == nil {
			return nil, fmt.Errorf("spooled change %d: the stream has not described relation %d", s.ordinal, r.Relation)
		}
		ev, err := r.event(t.shape)
		if err != nil {
			return nil, fmt.Errorf("spooled change %d: %w", s.ordinal, err)
		}
		changes[i] = setChange{table: t, ordinal: s.ordinal, ev: ev}
	}
	return changes, nil
}

// events makes one event per owner and operation. A member that was touched more than once counts by what was done to
// it last, so that the two events of an owner never name the same one and their order doesn't matter.
func (changes setChanges) events(a *assembler) []*hooks.Event {
	type member struct {
		op    hooks.Operation
		row   *hooks.Image
		owner string
		from  setChange
	}
	last := map[string]*member{}
	var order []string
	touch := func(c setChange, op hooks.Operation, row *hooks.Image) {
		id := c.table.name + joinKey(row, keyColumns(c.table))
		if last[id] == nil {
			last[id] = &member{}
			order = append(order, id)
		}
		*last[id] = member{op: op, row: row, owner: c.table.name + joinKey(row, c.table.owner), from: c}
	}
	for _, c := range changes {
		if c.ev.Operation == hooks.Truncate { // it has an event of its own, which tells of all that came before it
			order = slices.DeleteFunc(order, func(id string) bool {
				gone := last[id].from.table.name == c.table.name
				if gone {
					delete(last, id)
				}
				return gone
			})
		}
		if c.ev.Old != nil {
			touch(c, hooks.Remove, c.ev.Old)
		}
		if c.ev.New != nil {
			touch(c, hooks.Assign, c.ev.New)
		}
	}
	type group struct {
		owner string
		op    hooks.Operation
		shape int64 // an event's rows have one shape in the log, and the table may change within the transaction
	}
	byGroup := map[group]*hooks.Event{}
	var events []*hooks.Event
	for _, id := range order {
		m := last[id]
		g := group{m.owner, m.op, m.row.Shape.ID}
		if byGroup[g] == nil {
			ev := *m.from.ev
			ev.Old, ev.New, ev.OldKey, ev.OldTenantID, ev.Operation = nil, nil, "", "", m.op
			ev.XID, ev.CommittedAt, ev.CommitLSN = a.xid, a.at, a.commitLSN
			ev.TenantID, ev.Key = m.from.table.ownerIdentity(m.row)
			byGroup[g] = &ev
			events = append(events, &ev)
		}
		byGroup[g].Rows = append(byGroup[g].Rows, m.row)
	}
	return events
}

// endSets makes the events of the transaction's set changes. Their ordinals follow those of the rows, in an order that
// does not depend on how the rows were chunked.
func (a *assembler) endSets() error {
	changes := a.sets
	if a.spooled {
		a.flush()
		stored, err := a.reload(a.commitLSN)
		if err != nil {
			return fmt.Errorf("read the spool: %w", err)
		}
		if changes, err = a.unspool(stored); err != nil {
			return err
		}
	}
	a.sets = nil
	for _, ev := range changes.events(a) {
		a.ordinal++
		if a.commitLSN == a.partial && a.ordinal <= a.partialAt {
			continue
		}
		ev.Ordinal = a.ordinal
		a.add(ev)
		// Only what is spooled can be cut here: a restart makes the rest from the spool.
		if a.spooled && len(a.current.events) >= chunkEvents {
			a.current.ordinal = a.ordinal
			a.emit(a.current)
			a.current = chunk{commitLSN: a.commitLSN}
		}
	}
	return nil
}
