package hooks

import (
	"errors"
	"fmt"
	"strings"
)

// TableName is how a table is named throughout, as in [Event.Table]: schema.table, each part in double quotes if it has
// anything but lower-case letters, digits and underscores, or begins with a digit. Reserved words need none.
func TableName(schema, table string) string {
	if isPlain(schema) && isPlain(table) {
		return schema + "." + table
	}
	return quote(schema) + "." + quote(table)
}

// ParseTableName is TableName's inverse. It folds no case, unlike SQL: a part with a capital needs its quotes.
func ParseTableName(name string) (schema, table string, err error) {
	schema, rest, err := cutPart(name)
	switch {
	case err != nil:
		return "", "", err
	case rest == "":
		return "", "", errors.New("it lacks its schema: name it schema.table")
	case rest[0] != '.':
		return "", "", fmt.Errorf("after the schema comes a dot, not %q", rest)
	}
	table, rest, err = cutPart(rest[1:])
	if err == nil && rest != "" {
		err = fmt.Errorf("%q follows the table: a part with a dot needs double quotes", rest)
	}
	return schema, table, err
}

// longestName is what Postgres keeps of an identifier, in bytes.
const longestName = 63

func cutPart(name string) (part, rest string, err error) {
	if strings.HasPrefix(name, `"`) {
		part, rest, err = cutQuoted(name[1:])
	} else {
		end := strings.IndexByte(name, '.')
		if end < 0 {
			end = len(name)
		}
		if part, rest = name[:end], name[end:]; part != "" && !isPlain(part) {
			return "", "", fmt.Errorf("%s needs double quotes, because it isn't only of lower-case letters, digits and underscores", part)
		}
	}
	switch {
	case err != nil:
		return "", "", err
	case part == "":
		return "", "", errors.New("a part of it is empty: name it schema.table")
	case len(part) > longestName:
		return "", "", fmt.Errorf("%s is longer than the %d bytes that Postgres has for a name", part, longestName)
	case strings.ContainsRune(part, 0):
		return "", "", errors.New("it has a zero byte")
	}
	return part, rest, nil
}

// cutQuoted reads up to the closing quote; two quotes are one of the name.
func cutQuoted(s string) (part, rest string, err error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `"`)
		b.WriteString(before)
		if !found {
			return "", "", errors.New("a double quote is not closed")
		}
		if !strings.HasPrefix(after, `"`) {
			return b.String(), after, nil
		}
		b.WriteByte('"')
		s = after[1:]
	}
}

func quote(part string) string {
	if isPlain(part) {
		return part
	}
	return `"` + strings.ReplaceAll(part, `"`, `""`) + `"`
}

func isPlain(part string) bool {
	for i := 0; i < len(part); i++ {
		c := part[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return part != ""
}
