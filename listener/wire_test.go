package listener

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
)

// wire is a message as the server sends it; its methods append fields.
type wire []byte

func (w wire) u8(v byte) wire              { return append(w, v) }
func (w wire) u16(v uint16) wire           { return binary.BigEndian.AppendUint16(w, v) }
func (w wire) u32(v uint32) wire           { return binary.BigEndian.AppendUint32(w, v) }
func (w wire) u64(v uint64) wire           { return binary.BigEndian.AppendUint64(w, v) }
func (w wire) lsn(v pglogrepl.LSN) wire    { return w.u64(uint64(v)) }
func (w wire) text(s string) wire          { return append(append(w, s...), 0) }
func (w wire) time(at time.Time) wire      { return w.u64(uint64(at.Sub(y2k).Microseconds())) }
func (w wire) sized(content []byte) wire   { return append(w.u32(uint32(len(content))), content...) }
func (w wire) marked(m byte, t tuple) wire { return w.u8(m).tuple(t) }

func (w wire) tuple(t tuple) wire {
	w = w.u16(uint16(len(t)))
	for _, v := range t {
		if w = w.u8(v.kind); v.kind == kindText {
			w = w.sized(v.text)
		}
	}
	return w
}

var y2k = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func txt(s string) value { return value{kind: kindText, text: []byte(s)} }

var (
	null      = value{kind: kindNull}
	unchanged = value{kind: kindUnchanged}
)

func beginWire(commit pglogrepl.LSN, at time.Time, xid uint32) wire {
	return wire("B").lsn(commit).time(at).u32(xid)
}

func commitWire(commit, end pglogrepl.LSN) wire {
	return wire("C").u8(0).lsn(commit).lsn(end).time(y2k)
}

func relationWire(oid uint32, schema, table string, columns ...column) wire {
	w := wire("R").u32(oid).text(schema).text(table).u8('f').u16(uint16(len(columns)))
	for _, c := range columns {
		flags := byte(0)
		if c.key {
			flags = 1
		}
		w = w.u8(flags).text(c.name).u32(c.oid).u32(0xffffffff)
	}
	return w
}

func insertWire(oid uint32, row tuple) wire { return wire("I").u32(oid).marked('N', row) }

// updateWire and deleteWire take the old tuple's marker: O is a whole row, K the key alone, 0 none.
func updateWire(oid uint32, marker byte, old, row tuple) wire {
	w := wire("U").u32(oid)
	if marker != 0 {
		w = w.marked(marker, old)
	}
	return w.marked('N', row)
}

func deleteWire(oid uint32, marker byte, old tuple) wire {
	return wire("D").u32(oid).marked(marker, old)
}

func truncateWire(oids ...uint32) wire {
	w := wire("T").u32(uint32(len(oids))).u8(3)
	for _, oid := range oids {
		w = w.u32(oid)
	}
	return w
}

func messageWire(transactional bool, prefix, content string) wire {
	flags := byte(0)
	if transactional {
		flags = 1
	}
	return wire("M").u8(flags).lsn(0x77).text(prefix).sized([]byte(content))
}

// calls is a sink that writes down what it is told, and may forward it.
type calls struct {
	list []string
	old  tuple // of the last change
	row  tuple
	err  error // what it answers
}

func (c *calls) note(format string, args ...any) error {
	c.list = append(c.list, fmt.Sprintf(format, args...))
	return c.err
}

func (c *calls) begin(m beginMessage) error {
	return c.note("begin %s at %s xid %d", m.commitLSN, m.at.Format(time.RFC3339Nano), m.xid)
}

func (c *calls) commit(m commitMessage) error {
	return c.note("commit %s end %s", m.commitLSN, m.endLSN)
}

func (c *calls) relation(m relationMessage) error {
	columns := make([]string, len(m.columns))
	for i, column := range m.columns {
		star := ""
		if column.key {
			star = "*"
		}
		columns[i] = fmt.Sprintf("%s%s:%d", column.name, star, column.oid)
	}
	return c.note("relation %d %s.%s %c (%s)", m.oid, m.schema, m.table, m.replicaIdentity, strings.Join(columns, " "))
}

func (c *calls) insert(oid uint32, row tuple) error {
	c.old, c.row = nil, row
	return c.note("insert %d %s", oid, showTuple(row))
}

func (c *calls) update(oid uint32, old, row tuple) error {
	c.old, c.row = old, row
	return c.note("update %d %s -> %s", oid, showTuple(old), showTuple(row))
}

func (c *calls) delete(oid uint32, old tuple) error {
	c.old, c.row = old, nil
	return c.note("delete %d %s", oid, showTuple(old))
}

func (c *calls) typeName(m typeMessage) error {
	return c.note("type %d %s.%s", m.oid, m.schema, m.name)
}

func (c *calls) truncate(oids []uint32) error { return c.note("truncate %v", oids) }

func (c *calls) message(m logicalMessage) error {
	return c.note("message %t %s %s", m.transactional, m.prefix, m.content)
}

func showTuple(t tuple) string {
	if t == nil {
		return "none"
	}
	values := make([]string, len(t))
	for i, v := range t {
		switch v.kind {
		case kindNull:
			values[i] = "null"
		case kindUnchanged:
			values[i] = "unchanged"
		default:
			values[i] = showText(v.text)
		}
	}
	return "(" + strings.Join(values, " ") + ")"
}

// showText quotes text where a reader could take it for something else, and shortens it.
func showText(text []byte) string {
	s := string(text)
	if len(s) > 60 {
		return fmt.Sprintf("%s..%d", strconv.Quote(s[:8]), len(s))
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.:/-+", r)
	}
	if s == "" || s == "null" || s == "unknown" || s == "unchanged" || strings.TrimFunc(s, plain) != "" {
		return strconv.Quote(s)
	}
	return s
}
