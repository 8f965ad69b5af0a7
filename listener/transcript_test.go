package listener

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
)

// TestTranscripts plays the scenarios in testdata/transcripts. A line is a message of the stream; indented below it is
// what comes of it. -rewrite writes the indented lines anew.
//
//	table 10 auth.roles tenant_id* id* name:1043   Relation: columns, those of the key starred, with type OIDs
//	begin 0/100                                     Begin: the commit's LSN
//	stamp {...}                                     a transactional message with prefix latchkey
//	message other {...}                             with another prefix
//	beside latchkey {...}                           one that belongs to no transaction
//	insert auth.roles t1 r1 'a name'                values: word, 'any text', null, unchanged, x*1000
//	update auth.roles t1 r1 a -> t1 r1 b            old and new row; no old one: update auth.roles -> t1 r1 b
//	update auth.roles key t1 r1 null -> t1 r2 b     K, the old key alone
//	delete auth.roles t1 r1 a
//	truncate auth.roles auth.users
//	times 1000 insert auth.roles t1 r# x            # counts from 1
//	commit 0/120                                    Commit: where it ends
//	restart                                         everything is sent again
//	restart lost 2                                  the last two chunks had not been stored
//	set auth.role_permissions tenant_id role_id     (no message) a set, and the columns of its owner
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			s := script{world: newWorld()}
			for line := range strings.Lines(string(content)) {
				line = strings.TrimRight(line, "\n")
				if strings.HasPrefix(line, "    ") {
					continue
				}
				fmt.Fprintln(&got, line)
				if line == "" || line[0] == '#' {
					continue
				}
				if err := s.play(line); err != nil {
					s.out = append(s.out, "error: "+err.Error())
				}
				for _, out := range s.output() {
					fmt.Fprintln(&got, "    "+out)
				}
			}
			golden(t, file, got.String())
		})
	}
}

// script plays the lines of a transcript.
type script struct {
	*world
	commit pglogrepl.LSN
}

var repeated = regexp.MustCompile(`(\w)\*(\d+)`)

func (s *script) play(line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "times":
		count, each, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		for i := 1; i <= n && err == nil; i++ {
			err = s.play(strings.ReplaceAll(each, "#", strconv.Itoa(i)))
		}
		return err
	case "restart":
		lost, _ := strconv.Atoi(strings.TrimPrefix(rest, "lost "))
		return s.restart(lost)
	case "set":
		words := strings.Fields(rest)
		s.owners[words[0]] = words[1:]
		return nil
	}
	rest = repeated.ReplaceAllStringFunc(rest, func(m string) string {
		n, _ := strconv.Atoi(m[2:])
		return strings.Repeat(m[:1], n)
	})
	m, err := s.message(command, rest)
	if err != nil {
		return err
	}
	return s.send(m)
}

func (s *script) message(command, rest string) (wire, error) {
	first, after, _ := strings.Cut(rest, " ")
	switch command {
	case "table":
		return s.table(strings.Fields(rest))
	case "begin":
		var err error
		s.commit, err = pglogrepl.ParseLSN(first)
		return beginWire(s.commit, y2k, 1), err
	case "commit":
		end, err := pglogrepl.ParseLSN(first)
		return commitWire(s.commit, end), err
	case "stamp":
		return messageWire(true, "latchkey", rest), nil
	case "message":
		return messageWire(true, first, after), nil
	case "beside":
		return messageWire(false, first, after), nil
	case "truncate":
		var oids []uint32
		for _, name := range strings.Fields(rest) {
			oids = append(oids, s.oid(name))
		}
		return truncateWire(oids...), nil
	}
	marker := byte('O')
	if key, ok := strings.CutPrefix(after, "key "); ok {
		marker, after = 'K', key
	}
	old, row, arrow := strings.Cut(after, "-> ")
	switch oid := s.oid(first); {
	case command == "insert":
		return insertWire(oid, values(after)), nil
	case command == "delete":
		return deleteWire(oid, marker, values(after)), nil
	case command == "update" && arrow && old == "":
		return updateWire(oid, 0, nil, values(row)), nil
	case command == "update" && arrow:
		return updateWire(oid, marker, values(old), values(row)), nil
	}
	return nil, fmt.Errorf("what is %q?", command)
}

func (s *script) table(words []string) (wire, error) {
	oid, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil {
		return nil, err
	}
	s.names[words[1]] = uint32(oid)
	schema, name, _ := strings.Cut(words[1], ".")
	var columns []column
	for _, word := range words[2:] {
		c := column{oid: 25}
		name, typ, typed := strings.Cut(word, ":")
		if typed {
			n, err := strconv.ParseUint(typ, 10, 32)
			if err != nil {
				return nil, err
			}
			c.oid = uint32(n)
		}
		c.name, c.key = strings.CutSuffix(name, "*")
		columns = append(columns, c)
	}
	return relationWire(uint32(oid), schema, name, columns...), nil
}

func (s *script) oid(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	return s.names[name]
}

func values(text string) tuple {
	row := tuple{}
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		if quoted, ok := strings.CutPrefix(text, "'"); ok {
			var v string
			v, text, _ = strings.Cut(quoted, "'")
			row = append(row, txt(v))
			continue
		}
		var word string
		switch word, text, _ = strings.Cut(text, " "); word {
		case "null":
			row = append(row, null)
		case "unchanged":
			row = append(row, unchanged)
		default:
			row = append(row, txt(word))
		}
	}
	return row
}
