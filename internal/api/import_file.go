package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/latchkey-dev/latchkey/db"
)

// chunks reads what was uploaded for a job.
type chunks struct {
	next func(number int32) ([]byte, error)
	n    int32
	rest []byte
	read int64
}

func (s *server) chunksOf(ctx context.Context, j *db.Job) *chunks {
	return &chunks{next: func(number int32) ([]byte, error) { return s.cfg.Store.Jobs.Chunk(ctx, j.TenantID, j.ID, number) }}
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		data, err := c.next(c.n)
		if errors.Is(err, db.ErrNotFound) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		c.n++
		c.rest = data
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.read += int64(n)
	return n, nil
}

// importFile is the users of a file: an array, or an object a line.
type importFile struct {
	lines *bufio.Reader
	array *json.Decoder // nil: lines
	line  int64
}

func openImport(from io.Reader) (*importFile, error) {
	f := &importFile{lines: bufio.NewReader(from)}
	for {
		c, err := f.lines.ReadByte()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte([]byte(" \t\r"), c) >= 0 {
			continue
		}
		if c == '\n' {
			f.line++
			continue
		}
		if err := f.lines.UnreadByte(); err != nil {
			return nil, err
		}
		if c == '[' {
			f.line, f.array = 0, json.NewDecoder(f.lines)
			_, err = f.array.Token()
		}
		return f, err
	}
}

// next is the next user and its place; io.EOF after the last. A line that is no JSON is given as it is; an array that isn't is a Problem,
// as nobody can tell where its next user begins.
func (f *importFile) next() (int64, []byte, error) {
	if f.array != nil {
		if !f.array.More() {
			return 0, nil, io.EOF
		}
		f.line++
		var user json.RawMessage
		err := f.array.Decode(&user)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = badRequest(fmt.Sprintf("The file is no JSON from user %d on.", f.line))
		}
		return f.line, user, err
	}
	for {
		text, err := f.lines.ReadBytes('\n')
		if len(text) > 0 {
			f.line++
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return f.line, text, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}
