package listener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
)

// The decoder of pgoutput, protocol version 1 (Postgres manual, "Logical Replication Message Formats"). It is pure: bytes
// in, calls out. What it hands out aliases the message, and its tuples are used again for the next one.

// sink is told what a message says.
type sink interface {
	begin(beginMessage) error
	commit(commitMessage) error
	relation(relationMessage) error
	typeName(typeMessage) error
	insert(relation uint32, row tuple) error
	update(relation uint32, old, row tuple) error // old is nil where the log has none
	delete(relation uint32, old tuple) error
	truncate(relations []uint32) error
	message(logicalMessage) error
}

type beginMessage struct {
	commitLSN pglogrepl.LSN // where the commit record begins
	at        time.Time
	xid       uint32
}

type commitMessage struct {
	commitLSN pglogrepl.LSN
	endLSN    pglogrepl.LSN // where it ends: what may be acknowledged
}

type relationMessage struct {
	oid             uint32
	schema, table   string
	replicaIdentity byte
	columns         []column
}

type column struct {
	key  bool
	name string
	oid  uint32
}

// typeMessage names a column's type that isn't of Postgres' own; a domain goes by the name of its base type.
type typeMessage struct {
	oid          uint32
	schema, name string
}

type logicalMessage struct {
	transactional bool
	prefix        string
	content       []byte
}

// tuple is a row's values in the relation's order.
type tuple []value

type value struct {
	kind byte // 'n' null, 'u' unchanged and not sent, 't' text
	text []byte
}

const (
	kindNull      = 'n'
	kindUnchanged = 'u'
	kindText      = 't'
)

var errShort = errors.New("the message ends too early")

type decoder struct {
	old, row tuple
}

// decode calls the sink for one message. Anything that it does not understand is an error: nothing is passed over.
func (d *decoder) decode(data []byte, to sink) error {
	if len(data) == 0 {
		return errShort
	}
	if err := d.call(data[0], &buffer{rest: data[1:]}, to); err != nil {
		return fmt.Errorf("message %q: %w", data[0], err)
	}
	return nil
}

func (d *decoder) call(kind byte, b *buffer, to sink) error {
	switch kind {
	case 'B':
		m := beginMessage{commitLSN: b.lsn(), at: b.time(), xid: b.uint32()}
		return b.then(func() error { return to.begin(m) })
	case 'C':
		b.uint8() // flags, none defined
		m := commitMessage{commitLSN: b.lsn(), endLSN: b.lsn()}
		b.time()
		return b.then(func() error { return to.commit(m) })
	case 'R':
		m, err := b.relation()
		if err != nil {
			return err
		}
		return b.then(func() error { return to.relation(m) })
	case 'I', 'U', 'D':
		return d.change(kind, b, to)
	case 'T':
		n := b.uint32()
		b.uint8() // options: cascade, restart identity
		relations := make([]uint32, 0, min(n, uint32(len(b.rest)/4)))
		for range n {
			if b.short {
				return errShort
			}
			relations = append(relations, b.uint32())
		}
		return b.then(func() error { return to.truncate(relations) })
	case 'M':
		m := logicalMessage{transactional: b.uint8()&1 == 1}
		b.lsn()
		m.prefix = b.string()
		m.content = b.bytes(b.uint32())
		return b.then(func() error { return to.message(m) })
	case 'Y':
		m := typeMessage{oid: b.uint32(), schema: b.schema(), name: b.string()}
		return b.then(func() error { return to.typeName(m) })
	case 'O': // where a replicated transaction came from
		b.lsn()
		b.string()
		return b.end()
	default:
		return errors.New("its kind is unknown")
	}
}

func (d *decoder) change(kind byte, b *buffer, to sink) error {
	relation := b.uint32()
	marker := b.uint8()
	var old tuple
	if kind != 'I' && (marker == 'K' || marker == 'O') {
		if err := b.tuple(&d.old); err != nil {
			return err
		}
		if marker == 'K' { // the key alone: the rest comes as NULL and was not sent
			for i := range d.old {
				if d.old[i].kind == kindNull {
					d.old[i].kind = kindUnchanged
				}
			}
		}
		if old = d.old; kind == 'D' {
			return b.then(func() error { return to.delete(relation, old) })
		}
		marker = b.uint8()
	}
	if b.short {
		return errShort
	}
	if marker != 'N' || kind == 'D' {
		return fmt.Errorf("tuple marker %q is unexpected", marker)
	}
	if err := b.tuple(&d.row); err != nil {
		return err
	}
	if kind == 'I' {
		return b.then(func() error { return to.insert(relation, d.row) })
	}
	return b.then(func() error { return to.update(relation, old, d.row) })
}

// buffer reads big-endian fields and remembers when there were too few bytes.
type buffer struct {
	rest  []byte
	short bool
}

// then calls the sink once the message is read, exactly.
func (b *buffer) then(call func() error) error {
	if err := b.end(); err != nil {
		return err
	}
	return call()
}

func (b *buffer) end() error {
	switch {
	case b.short:
		return errShort
	case len(b.rest) > 0:
		return fmt.Errorf("%d bytes follow it", len(b.rest))
	}
	return nil
}

func (b *buffer) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(b.rest)) {
		b.short, b.rest = true, nil
		return nil
	}
	field := b.rest[:n]
	b.rest = b.rest[n:]
	return field
}

func (b *buffer) uint8() byte {
	if f := b.bytes(1); f != nil {
		return f[0]
	}
	return 0
}

func (b *buffer) uint16() uint16 {
	if f := b.bytes(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (b *buffer) uint32() uint32 {
	if f := b.bytes(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

func (b *buffer) uint64() uint64 {
	if f := b.bytes(8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

func (b *buffer) lsn() pglogrepl.LSN { return pglogrepl.LSN(b.uint64()) }

// time reads microseconds since 2000-01-01.
func (b *buffer) time() time.Time {
	const y2k = 946684800 * 1_000_000
	return time.UnixMicro(int64(b.uint64()) + y2k).UTC()
}

func (b *buffer) string() string {
	for i, c := range b.rest {
		if c == 0 {
			s := string(b.rest[:i])
			b.rest = b.rest[i+1:]
			return s
		}
	}
	b.short, b.rest = true, nil
	return ""
}

func (b *buffer) schema() string {
	if name := b.string(); name != "" {
		return name
	}
	return "pg_catalog" // the protocol's shorthand
}

func (b *buffer) relation() (relationMessage, error) {
	m := relationMessage{oid: b.uint32(), schema: b.schema(), table: b.string(), replicaIdentity: b.uint8()}
	n := b.uint16()
	for range n {
		c := column{key: b.uint8()&1 == 1, name: b.string(), oid: b.uint32()}
		b.uint32() // type modifier
		if b.short {
			return m, errShort
		}
		m.columns = append(m.columns, c)
	}
	return m, nil
}

func (b *buffer) tuple(into *tuple) error {
	n := int(b.uint16())
	row := (*into)[:0]
	for range n {
		v := value{kind: b.uint8()}
		switch v.kind {
		case kindNull, kindUnchanged:
		case kindText:
			v.text = b.bytes(b.uint32())
			if v.text == nil {
				v.text = []byte{}
			}
		default:
			if b.short {
				return errShort
			}
			return fmt.Errorf("value kind %q is unexpected: only text is asked for", v.kind)
		}
		row = append(row, v)
	}
	*into = row
	if b.short {
		return errShort
	}
	return nil
}
