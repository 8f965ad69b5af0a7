package rowtext

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/latchkey-dev/latchkey/hooks"
)

// column is a field and the column that it stands for.
type column struct {
	name     string
	field    reflect.StructField
	optional bool // rows need not have it
}

// Columns lists the columns of a struct, in the order of its fields.
func Columns(row reflect.Type) []string {
	var names []string
	for _, c := range columnsOf(row) {
		names = append(names, c.name)
	}
	return names
}

// Fields is what a struct of a user's expects of its table, and what is wrong with it.
func Fields(row reflect.Type) (fields []hooks.Field, problems []error) {
	if row.Kind() != reflect.Struct {
		return nil, []error{fmt.Errorf("%s is no struct: rows are read into a struct whose fields stand for columns", row)}
	}
	problem := func(f reflect.StructField, format string, args ...any) {
		problems = append(problems, fmt.Errorf("field %s of %s "+format, append([]any{f.Name, row}, args...)...))
	}
	for _, f := range reflect.VisibleFields(row) {
		switch tag, tagged := f.Tag.Lookup("db"); {
		case tagged && tag != "-" && !f.IsExported():
			problem(f, "has a db tag and is not exported, so nothing can be read into it: begin it with a capital, or tag it `db:\"-\"`")
		case f.Anonymous && tag != "-" && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && !isValue(f.Type.Elem()):
			problem(f, "is embedded as a pointer: embed the struct itself")
		}
	}
	taken := map[string]string{}
	for _, c := range columnsOf(row) {
		if other, twice := taken[c.name]; twice {
			problem(c.field, "stands for column %s, as field %s does: tag one of them otherwise, or `db:\"-\"`", c.name, other)
		}
		if !mayHold(c.field.Type, 0) {
			problem(c.field, "is a %s, which can't hold a column's value: tag it `db:\"-\"`", c.field.Type)
		}
		taken[c.name] = c.field.Name
		fields = append(fields, hooks.Field{Name: fieldName(row, c.field), Column: c.name, Optional: c.optional})
	}
	if len(fields) == 0 && len(problems) == 0 {
		problems = append(problems, fmt.Errorf("%s has no exported field, so no column could be read", row))
	}
	return fields, problems
}

func fieldName(row reflect.Type, f reflect.StructField) string {
	if row.Name() == "" { // its String would be all of its fields
		return f.Name
	}
	return row.String() + "." + f.Name
}

// columnsOf lists the fields that stand for columns. Of `db:"name,optional"` the name ends at the comma, as for pgx.
func columnsOf(row reflect.Type) []column {
	var columns []column
	var closed [][]int // embedded structs that are a column, or none, as a whole
	for _, f := range reflect.VisibleFields(row) {
		if slices.ContainsFunc(closed, func(outer []int) bool { return len(outer) < len(f.Index) && slices.Equal(outer, f.Index[:len(outer)]) }) {
			continue
		}
		tag := f.Tag.Get("db")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct && !isValue(f.Type) {
			continue // its fields follow
		}
		closed = append(closed, f.Index)
		if !f.IsExported() || tag == "-" {
			continue
		}
		if name == "" {
			name = snakeCase(f.Name)
		}
		columns = append(columns, column{name: name, field: f, optional: slices.Contains(strings.Split(options, ","), "optional")})
	}
	return columns
}

// snakeCase makes created_at of CreatedAt, user_id of UserID and http_port of HTTPPort.
func snakeCase(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, c := range letters {
		ends := i > 0 && !unicode.IsUpper(letters[i-1])                        // a word, before c
		begins := i > 0 && i+1 < len(letters) && unicode.IsLower(letters[i+1]) // one, with c
		if unicode.IsUpper(c) && (ends || begins) && letters[i-1] != '_' {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// mayHold reports whether a value can be read into a type; depth is how many pointers and slices it was found in.
func mayHold(t reflect.Type, depth int) bool {
	if depth > 8 { // arrays have at most six dimensions, and a type may be made of itself
		return false
	}
	if isValue(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128, reflect.Invalid:
		return false
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return mayHold(t.Elem(), depth+1)
	default:
		return true
	}
}
