package listener

import (
	"bytes"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks"
)

// chunkEvents is how many changes of one transaction are held before they are handed on: memory stays flat however big
// the transaction is.
const chunkEvents = 1000

// journal is the table whose rows may go without an event.
const journal = "auth.auth_events"

// chunk is a part of a transaction, usually all of it.
type chunk struct {
	events    []*hooks.Event
	spool     []spooled // set changes of a transaction that is too big to keep them
	commitLSN pglogrepl.LSN
	ordinal   int64         // of the last change in it
	endLSN    pglogrepl.LSN // where the transaction ends, 0 while it goes on
	unspool   bool          // its spooled changes have become events
	size      int
}

// assembler turns messages into chunks of events. It does no I/O itself: describe and reload do, rarely.
type assembler struct {
	describe func(relationMessage) (*table, error)
	emit     func(chunk)
	// unready is told that a table or partition is not REPLICA IDENTITY FULL.
	unready func()
	// reload waits until all that was emitted is stored and reads back what was spooled of a transaction.
	reload func(commitLSN pglogrepl.LSN) ([]spooled, error)

	done      pglogrepl.LSN // transactions that committed below it are stored
	partial   pglogrepl.LSN // the transaction of which changes up to partialAt are stored
	partialAt int64

	described

	// of the transaction that is being read
	open      bool
	skip      bool
	commitLSN pglogrepl.LSN
	at        time.Time
	xid       uint32
	ordinal   int64
	stamp     []byte
	current   chunk
	sets      setChanges
	spooled   bool

	lastStamp []byte // the stamp checked last: many transactions in a row carry the same
	lastValid bool
}

func (a *assembler) begin(m beginMessage) error {
	a.last = 0
	a.open, a.commitLSN, a.at, a.xid, a.ordinal, a.stamp = true, m.commitLSN, m.at, m.xid, 0, nil
	// Strictly below: a commit may begin exactly where the transaction before it ended.
	a.skip = m.commitLSN < a.done
	a.current = chunk{commitLSN: m.commitLSN}
	a.sets = nil
	a.spooled = !a.skip && m.commitLSN == a.partial
	return nil
}

func (a *assembler) commit(m commitMessage) error {
	a.open = false
	if a.skip {
		return nil
	}
	if err := a.endSets(); err != nil {
		return err
	}
	a.current.ordinal, a.current.endLSN = a.ordinal, m.endLSN
	a.current.unspool = a.spooled
	a.emit(a.current)
	a.current = chunk{}
	return nil
}

// message keeps the stamp that follows rows carry. A second one in a transaction replaces the first.
func (a *assembler) message(m logicalMessage) error {
	if !m.transactional || m.prefix != "latchkey" || a.skip {
		return nil
	}
	content := bytes.Trim(m.content, " \t\r\n") // the log keeps JSON, not the space around it
	if !bytes.Equal(content, a.lastStamp) {
		a.lastStamp, a.lastValid = bytes.Clone(content), validStamp(content)
	}
	if a.stamp = nil; a.lastValid {
		a.stamp = a.lastStamp
	}
	return nil
}

func (a *assembler) insert(oid uint32, row tuple) error {
	return a.change(oid, hooks.Insert, nil, row)
}

func (a *assembler) update(oid uint32, old, row tuple) error {
	return a.change(oid, hooks.Update, old, row)
}

func (a *assembler) delete(oid uint32, old tuple) error {
	return a.change(oid, hooks.Delete, old, nil)
}

func (a *assembler) truncate(oids []uint32) error {
	for _, oid := range oids {
		if err := a.change(oid, hooks.Truncate, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// pruned says whether a change is no event: retention removes a row of auth.auth_events, whose insert is in the log ahead of it, so it was
// an event or will be, wherever the listener stands.
func (a *assembler) pruned(t *table, op hooks.Operation) bool {
	return op == hooks.Delete && t.name == journal && string(a.stamp) == hooks.PruneStamp
}

// change counts every change, also those that it leaves out: the ordinal must be the same after a restart.
func (a *assembler) change(oid uint32, op hooks.Operation, old, row tuple) error {
	a.ordinal++
	a.last = 0
	if a.skip || a.commitLSN == a.partial && a.ordinal <= a.partialAt {
		return nil
	}
	t := a.tables[oid]
	if t == nil {
		return fmt.Errorf("a change of relation %d, which the stream has not described", oid)
	}
	if a.pruned(t, op) {
		return nil
	}
	ev, err := a.event(oid, t, op, old, row)
	if err != nil {
		return err
	}
	if t.owner != nil {
		a.sets = append(a.sets, setChange{table: t, ordinal: a.ordinal, ev: ev})
	}
	if t.owner == nil || op == hooks.Truncate {
		a.add(ev)
	}
	if len(a.current.events)+len(a.sets) >= chunkEvents || a.current.size >= chunkBytes {
		a.flush()
	}
	return nil
}

// chunkBytes bounds a chunk of wide rows.
const chunkBytes = 1 << 20

func (a *assembler) add(ev *hooks.Event) {
	a.current.events = append(a.current.events, ev)
}

// flush hands on what there is of a transaction that goes on. Set changes go to the spool, because their events come at
// the end.
func (a *assembler) flush() {
	for _, c := range a.sets {
		a.current.spool = append(a.current.spool, c.spool())
		a.spooled = true
	}
	a.sets = nil
	a.current.ordinal = a.ordinal
	a.emit(a.current)
	a.current = chunk{commitLSN: a.commitLSN}
}

// storage is an event and its images in one allocation.
type storage struct {
	ev       hooks.Event
	old, row hooks.Image
}

func (a *assembler) event(oid uint32, t *table, op hooks.Operation, old, row tuple) (*hooks.Event, error) {
	s := &storage{ev: hooks.Event{
		CommitLSN: a.commitLSN, Ordinal: a.ordinal, XID: a.xid, CommittedAt: a.at, Table: t.name, Shape: t.shape, Operation: op, Attempt: 1, RawStamp: a.stamp,
	}}
	ev := &s.ev
	for _, values := range []tuple{old, row} {
		if values != nil && len(values) != len(t.shape.Columns) {
			return nil, fmt.Errorf("a row of %s has %d values for %d columns", t.name, len(values), len(t.shape.Columns))
		}
	}
	size := old.size() + row.size()
	a.current.size += size + 700 // the event and its images
	text := make([]byte, 0, size)
	values := make([][]byte, len(old)+len(row))
	if old != nil && a.halfKnown(oid) {
		old = withoutNulls(old)
	}
	if old != nil {
		s.old = hooks.Image{Shape: t.shape, Values: values[:len(old):len(old)]}
		text = copyTuple(&s.old, text, old, nil)
		ev.Old = &s.old
	}
	if row != nil {
		s.row = hooks.Image{Shape: t.shape, Values: values[len(old):]}
		copyTuple(&s.row, text, row, ev.Old)
		ev.New = &s.row
	}
	if op == hooks.Update && ev.Old == nil {
		s.old = nothingOf(t.shape)
		ev.Old = &s.old
	}
	identify(ev, t)
	return ev, nil
}

func (t tuple) size() int {
	n := 0
	for _, v := range t {
		n += len(v.text)
	}
	return n
}

// copyTuple takes values out of the message. One that was not sent because it didn't change comes from the old row, and
// is unknown where there is none: never NULL.
func copyTuple(into *hooks.Image, text []byte, from tuple, old *hooks.Image) []byte {
	for i, v := range from {
		switch {
		case v.kind == kindText:
			start := len(text)
			text = append(text, v.text...)
			into.Values[i] = text[start:len(text):len(text)]
		case v.kind == kindUnchanged && old != nil && !old.IsUnknown(i):
			into.Values[i] = old.Values[i]
		case v.kind == kindUnchanged:
			if into.Unknown == nil {
				into.Unknown = make([]bool, len(from))
			}
			into.Unknown[i] = true
		}
	}
	return text
}
