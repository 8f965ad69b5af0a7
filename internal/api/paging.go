package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/nearest"
)

// Paging is how lists are asked for. The framework reads embedded fields of exported types only.
type Paging struct {
	Page    int    `query:"page" minimum:"0" maximum:"100000" doc:"From 0."`
	PerPage int    `query:"per_page" minimum:"1" maximum:"100" default:"50" doc:"1 to 100; 50 unless given."`
	Totals  bool   `query:"include_totals" doc:"Answer with an object that has start, limit, length and total beside the list."`
	Q       string `query:"q" maxLength:"1000" doc:"field:value terms that all have to match, such as name:\"my hook\"; value* matches beginnings."`
	Sort    string `query:"sort" maxLength:"100" doc:"field:1 or field:-1." example:"name:1"`
}

// options reads them for a list that can be filtered and sorted by these columns.
func (p *Paging) options(filter, sort []string) (db.ListOptions, error) {
	o := db.ListOptions{Page: p.Page, PerPage: p.PerPage, Totals: p.Totals}
	var err error
	if o.Filter, err = parseQuery(p.Q, filter); err != nil {
		return o, err
	}
	if p.Sort != "" {
		column, direction, _ := strings.Cut(p.Sort, ":")
		if direction != "1" && direction != "-1" {
			return o, badRequest(fmt.Sprintf("sort: %q is neither field:1 nor field:-1.", p.Sort))
		}
		if !slices.Contains(sort, column) {
			return o, badRequest(fmt.Sprintf("sort: there is no field %q to sort by; there are %s.", column, strings.Join(sort, ", ")))
		}
		o.Sort = []db.Sort{{Column: column, Descending: direction == "-1"}}
	}
	return o, nil
}

// parseQuery reads field:value terms, which may be joined by AND. Values in double quotes may have spaces.
func parseQuery(q string, columns []string) ([]db.Filter, error) {
	var filters []db.Filter
	for rest := strings.TrimSpace(q); rest != ""; rest = strings.TrimSpace(rest) {
		if after, is := strings.CutPrefix(rest, "AND "); is && len(filters) > 0 {
			rest = after
			continue
		}
		column, value, is := strings.Cut(rest, ":")
		if !is || strings.ContainsAny(column, " \"") {
			return nil, badRequest(fmt.Sprintf("q: %q is no field:value term; the fields are %s.", rest, strings.Join(columns, ", ")))
		}
		if !slices.Contains(columns, column) {
			return nil, badRequest(fmt.Sprintf("q: there is no field %q to look in%s; the fields are %s.", column, strings.TrimSuffix(nearestOnly(column, columns), "?"), strings.Join(columns, ", ")))
		}
		var found []db.Filter
		var err error
		if found, rest, err = parseValue(strings.TrimPrefix(column, "identities."), value); err != nil {
			return nil, err
		}
		filters = append(filters, found...)
	}
	return filters, nil
}

func parseValue(column, text string) (filters []db.Filter, rest string, err error) {
	if quoted, is := strings.CutPrefix(text, `"`); is {
		value, rest, closed := strings.Cut(quoted, `"`)
		if !closed {
			return nil, "", badRequest(fmt.Sprintf("q: the value of %s has no closing quote.", column))
		}
		return []db.Filter{db.Equal(column, value)}, rest, nil
	}
	if strings.HasSuffix(column, "_at") {
		return parseTimes(column, text)
	}
	value, rest, _ := strings.Cut(text, " ")
	switch prefix, is := strings.CutSuffix(value, "*"); {
	case value == "":
		return nil, "", badRequest(fmt.Sprintf("q: %s has no value: write %s:value.", column, column))
	case is:
		return []db.Filter{db.Prefix(column, prefix)}, rest, nil
	}
	return []db.Filter{db.Equal(column, value)}, rest, nil
}

// parseTimes reads [2026-01-01 TO 2026-02-01T12:00:00Z], in which * is no end.
func parseTimes(column, text string) (filters []db.Filter, rest string, err error) {
	wrong := badRequest(fmt.Sprintf("q: %s takes a range of times: write %s:[2026-01-01 TO *].", column, column))
	inside, rest, closed := strings.Cut(text, "]")
	from, to, both := strings.Cut(strings.TrimPrefix(inside, "["), " TO ")
	if !closed || !both || !strings.HasPrefix(inside, "[") {
		return nil, "", wrong
	}
	for i, end := range []string{strings.TrimSpace(from), strings.TrimSpace(to)} {
		if end == "*" {
			continue
		}
		at, err := time.Parse(time.RFC3339, end)
		if err != nil {
			if at, err = time.Parse(time.DateOnly, end); err == nil && i == 1 { // all of that day
				at = at.AddDate(0, 0, 1).Add(-time.Microsecond)
			}
		}
		switch {
		case err != nil:
			return nil, "", wrong
		case i == 0:
			filters = append(filters, db.Since(column, at))
		default:
			filters = append(filters, db.Until(column, at))
		}
	}
	return filters, rest, nil
}

// nearestOnly is a hint for a mistyped name, and nothing where none is like it.
func nearestOnly(given string, names []string) string {
	if hint := nearest.Hint(given, names); strings.Contains(hint, "did you mean") {
		return hint
	}
	return ""
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
