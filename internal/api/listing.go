package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
)

type typ = reflect.Type

// Selection is which members of a row are answered.
type Selection struct {
	Fields  string `query:"fields" maxLength:"2000" doc:"Names of fields, with commas between them." example:"name,created_at"`
	Include bool   `query:"include_fields" default:"true" doc:"Whether fields are those to answer with, or those to leave out."`
}

// Listing is what the lists of resources are asked with.
type Listing struct {
	Paging
	Selection

	From string `query:"from" maxLength:"600" doc:"A checkpoint: the page's next. It goes with take, in the place of page; no totals are counted."`
	Take int    `query:"take" minimum:"0" maximum:"100" doc:"At most so many from the checkpoint on, or from the beginning."`
}

func (l *Listing) listing() *Listing { return l }

// filters are those of parameters that not all lists have: here, none.
func (l *Listing) filters() []db.Filter { return nil }

// listInput is a pointer to what embeds a Listing.
type listInput[In any] interface {
	*In
	listing() *Listing
	filters() []db.Filter
}

// checkpoint makes a page of the rows that follow one.
func (l *Listing) checkpoint(o db.ListOptions, key string) (db.ListOptions, error) {
	if l.Page != 0 || l.Sort != "" {
		return o, badRequest("from, take: they go without page and sort.")
	}
	if o.PerPage = l.Take; o.PerPage == 0 {
		o.PerPage = 50
	}
	if l.From != "" {
		o.Filter = append(o.Filter, db.After(key, l.From))
	}
	return o, nil
}

// plain refuses what lists of a row's members don't have.
func (l *Listing) plain() error {
	if l.From != "" || l.Take != 0 || l.Q != "" || l.Sort != "" {
		return badRequest("from, take, q, sort: this list has page and per_page alone.")
	}
	return nil
}

// of is what is selected of a row.
func (f *Selection) of(row interface{}) (json.RawMessage, error) {
	text, err := json.Marshal(row)
	if err != nil || f.Fields == "" {
		return text, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	names := strings.Split(f.Fields, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if names[i] == "" {
			return nil, badRequest(fmt.Sprintf("fields: %q has an empty name.", f.Fields))
		}
	}
	for name := range members {
		if slices.Contains(names, name) != f.Include {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

func selectAll[Row any](f *Selection, rows []Row) ([]json.RawMessage, error) {
	list := make([]json.RawMessage, len(rows))
	for i := range rows {
		var err error
		if list[i], err = f.of(rows[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// scopeName is a resource's name as scopes have it.
func scopeName(plural string) string { return strings.ReplaceAll(plural, "-", "_") }
