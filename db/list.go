package db

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// ListOptions says which rows, in which order.
type ListOptions struct {
	Page    int // from 0
	PerPage int // 1 to 100, 0 is 50
	Filter  []Filter
	Sort    []Sort // the entity's id breaks ties
	Totals  bool   // count all rows that match
}

// Sort orders by one column.
type Sort struct {
	Column     string
	Descending bool
}

// Filter keeps the rows that match. Make one with [Equal], [Prefix], [Contains] or [Unset].
type Filter struct {
	column   string
	operator string // with a %d for the parameter's number, if it has one
	value    string
	values   []string // in the place of value, of a filter that has several
	typed    bool     // compared as what it is, and not as text
}

// Equal matches a column's value, as text.
func Equal(column, value string) Filter {
	return Filter{column: column, operator: "= $%d", value: value}
}

// Prefix matches the beginning of a text, without regard to case.
func Prefix(column, value string) Filter {
	return Filter{column: column, operator: "ilike $%d", value: escapeLike(value) + "%"}
}

// Contains matches any part of a text, without regard to case.
func Contains(column, value string) Filter {
	return Filter{column: column, operator: "ilike $%d", value: "%" + escapeLike(value) + "%"}
}

// OneOf matches any of the values, as text.
func OneOf(column string, values ...string) Filter {
	return Filter{column: column, operator: "= any ($%d::text[])", values: append([]string{}, values...)}
}

// Unset matches a column that is NULL.
func Unset(column string) Filter { return Filter{column: column, operator: "is null"} }

// After matches what follows a value in the order of a text column: with the entity's id, a page that goes on where another ended.
func After(column, value string) Filter {
	return Filter{column: column, operator: "> $%d", value: value, typed: true}
}

// Since matches times from this one on.
func Since(column string, at time.Time) Filter { return timed(column, ">=", at) }

// Until matches times up to this one, itself included.
func Until(column string, at time.Time) Filter { return timed(column, "<=", at) }

func timed(column, operator string, at time.Time) Filter {
	return Filter{column: column, operator: operator + " $%d::text::timestamptz", value: at.UTC().Format(time.RFC3339Nano), typed: true}
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// Page is a part of a list.
type Page[Row any] struct {
	Rows  []Row
	Start int // of the first row among all that match
	Limit int
	Total int // of all that match; -1 unless asked for
}

// listing is what a list needs to know of a table. Columns are named by allow-list, values are parameters.
type listing struct {
	table    string
	tenant   string   // the tenant column, empty for tenants themselves
	filter   []string // columns that may be filtered
	sort     []string // columns that may be sorted by
	fallback string   // the order without one, and of ties

	term string // what holds for all of its rows, with $2 and so on for args; empty: nothing
	args []any
}

// among narrows a tenant's listing to rows for which term holds.
func (l listing) among(term string, args ...any) listing {
	l.term, l.args = term, args
	return l
}

// List reads a page of the tenant's rows. Errors: [Invalid], for a column that can't be filtered or sorted by.
func (r *Repository[Row, ID, Create, Update]) List(ctx context.Context, tenantID string, o ListOptions) (Page[Row], error) {
	page, err := list[Row](ctx, r.s, r.e.name, r.e.list, tenantID, o)
	return page, failed(err, "list", r.e.name)
}

func list[Row any](ctx context.Context, s *session, entity string, l listing, tenantID string, o ListOptions) (Page[Row], error) {
	page := Page[Row]{Total: -1}
	limit, err := o.limit(entity)
	if err != nil {
		return page, err
	}
	page.Start, page.Limit = o.Page*limit, limit
	where, args, err := l.where(entity, tenantID, o.Filter)
	if err != nil {
		return page, err
	}
	order, err := l.order(entity, o.Sort)
	if err != nil {
		return page, err
	}
	if o.Totals {
		if err := s.reader().QueryRow(ctx, "select count(*) from "+l.table+where, args...).Scan(&page.Total); err != nil {
			return page, err
		}
	}
	columns := strings.Join(rowtext.Columns(reflect.TypeFor[Row]()), ", ")
	sql := fmt.Sprintf("select %s from %s%s order by %s limit %d offset %d", columns, l.table, where, order, limit, page.Start)
	rows, err := s.reader().Query(ctx, sql, args...)
	if err != nil {
		return page, err
	}
	page.Rows, err = pgx.CollectRows(rows, pgx.RowToStructByName[Row])
	return page, err
}

func (o ListOptions) limit(entity string) (int, error) {
	switch {
	case o.Page < 0:
		return 0, invalid(entity, "page", "must be 0 or more")
	case o.PerPage < 0 || o.PerPage > 100:
		return 0, invalid(entity, "per_page", "must be from 1 to 100")
	case o.PerPage == 0:
		return 50, nil
	}
	return o.PerPage, nil
}

func (l listing) where(entity, tenantID string, filters []Filter) (string, []any, error) {
	var terms []string
	var args []any
	if l.tenant != "" {
		terms, args = append(terms, l.tenant+" = $1"), append(args, tenantID)
	}
	if l.term != "" {
		terms, args = append(terms, l.term), append(args, l.args...)
	}
	for _, f := range filters {
		if !slices.Contains(l.filter, f.column) {
			return "", nil, invalid(entity, f.column, "can't be filtered by; these can: "+strings.Join(l.filter, ", "))
		}
		term := f.column + "::text " + f.operator
		if f.typed {
			term = f.column + " " + f.operator
		}
		if strings.Contains(f.operator, "%d") {
			if f.values != nil {
				args = append(args, f.values)
			} else {
				args = append(args, f.value)
			}
			term = fmt.Sprintf(term, len(args))
		}
		terms = append(terms, term)
	}
	if len(terms) == 0 {
		return "", nil, nil
	}
	return " where " + strings.Join(terms, " and "), args, nil
}

func (l listing) order(entity string, sorts []Sort) (string, error) {
	var terms []string
	for _, s := range sorts {
		if !slices.Contains(l.sort, s.Column) {
			return "", invalid(entity, s.Column, "can't be sorted by; these can: "+strings.Join(l.sort, ", "))
		}
		if s.Descending {
			terms = append(terms, s.Column+" desc")
		} else {
			terms = append(terms, s.Column)
		}
	}
	return strings.Join(append(terms, l.fallback), ", "), nil
}
