package db

import (
	"context"
	"reflect"
	"strings"
)

type requestKey struct{}

// RequestedUpdate is what the caller of [Users.Update] asked for, and only that: neither what webhooks made of it nor what earlier
// hooks did. ctx is the context of a BeforeUpdate hook of users; with another one it is not known. It isn't where a hook is tried
// on a write that went past the repositories (hooks.PolicyAudit): then the rows alone say what changed.
//
// E-mail, username and phone number are trimmed as they will be in the row, the e-mail lowercased too. It shares no memory with the caller's.
func RequestedUpdate(ctx context.Context) (in UpdateUser, known bool) {
	in, known = ctx.Value(requestKey{}).(UpdateUser)
	in = ownUpdate(in)
	cleanOptional(&in.Email, strings.ToLower)
	cleanOptional(&in.Username, nil)
	cleanOptional(&in.PhoneNumber, nil)
	return in, known
}

// Fields lists the columns that an update names, in the table's order.
func (in UpdateUser) Fields() []string {
	var columns []string
	v := reflect.ValueOf(in)
	for i := range v.NumField() {
		if field, is := v.Field(i).Interface().(interface{ Present() bool }); is && field.Present() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			columns = append(columns, name)
		}
	}
	return columns
}

// cleanOptional is clean for a text that may be present.
func cleanOptional(o *Optional[string], also func(string) string) {
	text, has := o.Get()
	if !has {
		return
	}
	cleaned := &text
	if clean(&cleaned, also); cleaned == nil {
		*o = Null[string]()
		return
	}
	*o = Set(*cleaned)
}
