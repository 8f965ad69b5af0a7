package listener

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks"
)

// The log's form of an event: one JSON object, rows as arrays of text in the order of their shape's columns. Written by
// hand, because every change pays for it; read with encoding/json, because only what memory didn't hold does.

func appendEvent(b []byte, ev *hooks.Event) []byte {
	b = append(b, `{"lsn":"`...)
	b = appendLSN(b, ev.CommitLSN)
	b = append(b, `","ord":`...)
	b = strconv.AppendInt(b, ev.Ordinal, 10)
	b = append(b, `,"xid":`...)
	b = strconv.AppendUint(b, uint64(ev.XID), 10)
	b = append(b, `,"at":"`...)
	b = ev.CommittedAt.AppendFormat(b, "2006-01-02T15:04:05.999999Z07:00")
	b = append(b, `","rel":`...)
	b = strconv.AppendInt(b, ev.Shape.ID, 10)
	b = append(b, `,"op":"`...)
	b = append(b, ev.Operation.String()...)
	b = append(b, `","key":`...)
	b = appendString(b, ev.Key)
	if ev.TenantID != "" {
		b = append(b, `,"tenant":`...)
		b = appendString(b, ev.TenantID)
	}
	if ev.About != "" {
		b = append(b, `,"about":`...)
		b = appendString(b, ev.About)
	}
	if ev.OldKey != "" || ev.OldTenantID != "" {
		b = append(b, `,"old_key":`...)
		b = appendString(b, ev.OldKey)
		b = append(b, `,"old_tenant":`...)
		b = appendString(b, ev.OldTenantID)
	}
	if len(ev.RawStamp) > 0 {
		b = append(b, `,"stamp":`...)
		b = append(b, ev.RawStamp...)
	}
	if ev.Old != nil {
		b = append(b, `,"old":`...)
		b = appendValues(b, ev.Old)
		b = appendUnknown(b, `,"old_unknown":[`, ev.Old.Unknown)
	}
	if ev.New != nil {
		b = append(b, `,"new":`...)
		b = appendValues(b, ev.New)
		b = appendUnknown(b, `,"unknown":[`, ev.New.Unknown)
	}
	if ev.Rows != nil {
		b = append(b, `,"rows":[`...)
		for i, row := range ev.Rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValues(b, row)
		}
		b = append(b, ']')
		if slices.ContainsFunc(ev.Rows, func(row *hooks.Image) bool { return row.Unknown != nil }) {
			b = append(b, `,"rows_unknown":[`...)
			for i, row := range ev.Rows {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendUnknown(b, "[", append([]bool{}, row.Unknown...))
			}
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

func appendLSN(b []byte, lsn pglogrepl.LSN) []byte {
	b = strconv.AppendUint(b, uint64(lsn>>32), 16)
	b = append(b, '/')
	return strconv.AppendUint(b, uint64(uint32(lsn)), 16)
}

func appendValues(b []byte, im *hooks.Image) []byte {
	b = append(b, '[')
	for i, v := range im.Values {
		if i > 0 {
			b = append(b, ',')
		}
		if v == nil {
			b = append(b, "null"...)
		} else {
			b = appendString(b, v)
		}
	}
	return append(b, ']')
}

func appendUnknown(b []byte, name string, unknown []bool) []byte {
	if unknown == nil {
		return b
	}
	b = append(b, name...)
	first := true
	for i, is := range unknown {
		if !is {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		b, first = strconv.AppendInt(b, int64(i), 10), false
	}
	return append(b, ']')
}

// appendString quotes s. The database is UTF-8, so only quotes, backslashes and control characters need care.
func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c < 0x20 {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// validStamp says whether a message may be stored as a stamp. It goes into the log as it is, where Postgres reads it as
// jsonb: that takes no NUL, no half of a surrogate pair (which Go replaces) and no number beyond its range.
func validStamp(content []byte) bool {
	if len(content) > 64<<10 || !utf8.Valid(content) || !json.Valid(content) || !bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte("{")) {
		return false
	}
	surrogates := bytes.Contains(content, []byte(`\ud`)) || bytes.Contains(content, []byte(`\uD`))
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		switch v := token.(type) {
		case string:
			if strings.ContainsRune(v, 0) || surrogates && strings.ContainsRune(v, utf8.RuneError) {
				return false
			}
		case json.Number:
			_, err := v.Float64()
			_, fine, _ := strings.Cut(strings.ToLower(v.String()), "e-")
			if err != nil || len(v) > 400 || len(fine) > 3 {
				return false
			}
		}
	}
}

type record struct {
	LSN        string          `json:"lsn"`
	Ordinal    int64           `json:"ord"`
	XID        uint32          `json:"xid"`
	At         time.Time       `json:"at"`
	Relation   int64           `json:"rel"`
	Operation  string          `json:"op"`
	Key        string          `json:"key"`
	Tenant     string          `json:"tenant"`
	About      string          `json:"about"`
	OldKey     string          `json:"old_key"`
	OldTenant  string          `json:"old_tenant"`
	Stamp      json.RawMessage `json:"stamp"`
	Old        []*string       `json:"old"`
	OldUnknown []int           `json:"old_unknown"`
	New        []*string       `json:"new"`
	Unknown    []int           `json:"unknown"`
	Rows       [][]*string     `json:"rows"`
	RowUnknown [][]int         `json:"rows_unknown"`
}

// parseEvents reads a stored batch back; shape finds a shape by its id.
func parseEvents(data []byte, firstSeq int64, shape func(int64) (*hooks.Shape, error)) ([]*hooks.Event, error) {
	var records []record
	if err := json.Unmarshal(data, &records); err != nil {
		return nil, fmt.Errorf("stored batch %d: %w", firstSeq, err)
	}
	events := make([]*hooks.Event, len(records))
	for i := range records {
		r := &records[i]
		s, err := shape(r.Relation)
		if err != nil {
			return nil, fmt.Errorf("stored event %d: %w", firstSeq+int64(i), err)
		}
		if events[i], err = r.event(s); err != nil {
			return nil, fmt.Errorf("stored event %d: %w", firstSeq+int64(i), err)
		}
		events[i].Seq = firstSeq + int64(i)
	}
	return events, nil
}

func (r *record) event(s *hooks.Shape) (*hooks.Event, error) {
	lsn, err := pglogrepl.ParseLSN(r.LSN)
	if err != nil {
		return nil, err
	}
	op, err := hooks.ParseOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	ev := &hooks.Event{
		CommitLSN: lsn, Ordinal: r.Ordinal, XID: r.XID, CommittedAt: r.At, Table: s.Name(), Operation: op, Key: r.Key, TenantID: r.Tenant, About: r.About,
		Shape:  s,
		OldKey: r.OldKey, OldTenantID: r.OldTenant, RawStamp: r.Stamp, Attempt: 1,
	}
	if r.Old != nil {
		if ev.Old, err = image(s, r.Old, r.OldUnknown); err != nil {
			return nil, err
		}
	}
	if r.New != nil {
		if ev.New, err = image(s, r.New, r.Unknown); err != nil {
			return nil, err
		}
	}
	for i, row := range r.Rows {
		var unknown []int
		if i < len(r.RowUnknown) {
			unknown = r.RowUnknown[i]
		}
		im, err := image(s, row, unknown)
		if err != nil {
			return nil, err
		}
		ev.Rows = append(ev.Rows, im)
	}
	return ev, nil
}

func image(s *hooks.Shape, texts []*string, unknown []int) (*hooks.Image, error) {
	if len(texts) != len(s.Columns) {
		return nil, fmt.Errorf("a row of %s has %d values for %d columns", s.Name(), len(texts), len(s.Columns))
	}
	im := &hooks.Image{Shape: s, Values: make([][]byte, len(texts))}
	for i, t := range texts {
		if t != nil {
			im.Values[i] = []byte(*t)
		}
	}
	for _, i := range unknown {
		if im.Unknown == nil {
			im.Unknown = make([]bool, len(texts))
		}
		if i < 0 || i >= len(texts) {
			return nil, fmt.Errorf("a row of %s has no column %d", s.Name(), i)
		}
		im.Unknown[i] = true
	}
	return im, nil
}
