package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// Raise writes the row of auth.auth_events for which the event's hooks run. events is tx.AuthEvents of the transaction of
// what happened, so that both are committed or neither is. It takes the events that have no row of their own: an
// AfterRegister is raised by inserting the user, and doesn't compile here.
//
// The same by SQL: the type is the event's name, details the payload as JSON, and user_id the user's.
//
//	insert into auth.auth_events (tenant_id, type, user_id) values ('acme', 'after_logout', 'auth0|1')
//
// The row keeps the user as of then, also when the user is deleted: delete what need not be kept, the hooks here hear of inserts alone.
//
// Errors: those of a create, a payload that lacks what its hooks need, and a mail's token, which [RaiseSendEmail] seals.
func Raise[T Payload, P details[T]](ctx context.Context, events *db.AuthEvents, tenantID string, e Event[T], payload T) error {
	if mail, is := any(payload).(SendEmail); is && mail.Token != "" {
		return fmt.Errorf("auth: raise %s: its token has to be sealed: call RaiseSendEmail", e)
	}
	return raise[T, P](ctx, events, tenantID, e, payload, db.CreateAuthEvent{})
}

// raise completes and writes the row.
func raise[T Payload, P details[T]](ctx context.Context, events *db.AuthEvents, tenantID string, e Event[T], payload T, in db.CreateAuthEvent) error {
	if _, err := find(e); err != nil {
		return fmt.Errorf("auth: raise: %w", err)
	}
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("auth: raise %s: %w", e, err)
	}
	row := db.AuthEvent{TenantID: tenantID, Details: text}
	if user := payload.userID(); user != "" {
		row.UserID = &user
	}
	if _, err := read[T, P](row); err != nil {
		return fmt.Errorf("auth: raise %s: %w", e, err)
	}
	in.Type, in.UserID, in.Details = string(e), row.UserID, text
	if _, err := events.Create(ctx, tenantID, in); err != nil {
		return fmt.Errorf("auth: raise %s: %w", e, err)
	}
	return nil
}

// details is a payload that stands in the details of a row of auth.auth_events.
type details[T any] interface {
	*T
	// fit takes what is in the row's columns, and says which field isn't as the row has it.
	fit(row db.AuthEvent) error
}

func read[T any, P details[T]](row db.AuthEvent) (T, error) {
	var payload T
	if err := json.Unmarshal(row.Details, &payload); err != nil {
		return payload, fmt.Errorf("details: %w", field(err))
	}
	if err := P(&payload).fit(row); err != nil {
		return payload, fmt.Errorf("details: %w", err)
	}
	return payload, nil
}

// field says of an error of json's which field it is about.
func field(err error) error {
	var kind *json.UnmarshalTypeError
	var when *time.ParseError // json doesn't say where; a payload's times are its user's
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("field %s is a JSON %s, and must fit a %s: %w", kind.Field, kind.Value, kind.Type, err)
	case errors.As(err, &when):
		return fmt.Errorf("field user.created_at or user.updated_at: %w", err)
	}
	return err
}

func (e *Login) fit(row db.AuthEvent) error             { return fitUser(e.User, row) }
func (e *OAuthRegistration) fit(row db.AuthEvent) error { return fitUser(e.User, row) }
func (e *PasswordChange) fit(row db.AuthEvent) error    { return fitUser(e.User, row) }
func (e *PasswordReset) fit(row db.AuthEvent) error     { return fitUser(e.User, row) }

func (e *OAuthLogin) fit(row db.AuthEvent) error {
	if e.Provider == "" {
		return errors.New("field provider is missing")
	}
	return fitUser(e.User, row)
}

func (e *Logout) fit(row db.AuthEvent) error {
	if row.UserID == nil {
		return errors.New("the row's user_id is NULL: it is the user who logged out")
	}
	e.UserID = *row.UserID
	return nil
}

func (e *SendEmail) fit(row db.AuthEvent) error {
	if e.Email == "" {
		return errors.New("field email is missing")
	}
	if e.UserID = ""; row.UserID != nil {
		e.UserID = *row.UserID
	}
	return nil
}

// fitUser checks that the user is the row's: a hook must not be told of one tenant's user in the name of another.
func fitUser(u db.User, row db.AuthEvent) error {
	about := ""
	if row.UserID != nil {
		about = *row.UserID
	}
	switch {
	case u.UserID == "":
		return errors.New("field user.user_id is missing")
	case u.TenantID != row.TenantID:
		return fmt.Errorf("field user.tenant_id is %q, and the row's tenant_id %q", u.TenantID, row.TenantID)
	case u.UserID != about:
		return fmt.Errorf("field user.user_id is %q, and the row's user_id %q", u.UserID, about)
	}
	return nil
}
