package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/nearest"
)

// sources has each event with the rows that it comes from.
func sources() []entry {
	return []entry{
		source[Registration]{AfterRegister, userRegistered},
		raisedWith(SendVerificationEmail, opened),
		source[EmailVerification]{AfterEmailVerify, emailVerified},
		raisedWith(SendLoginCode, opened),
		raised(AfterLogin),
		raised(AfterLogout),
		raised(AfterOAuthLogin),
		raised(AfterOAuthRegister),
		raised(AfterPasswordChange),
		raisedWith(SendPasswordResetEmail, opened),
		raised(AfterPasswordReset),
	}
}

type handler[T Payload] = func(context.Context, hooks.Tx, hooks.Event, T) error

// source registers hooks of an event on the table whose rows it is.
type source[T Payload] struct {
	event Event[T]
	on    func(h *Hooks, name string, fn handler[T], opts []hooks.Option)
}

// entry is a source of whichever payload.
type entry interface {
	name() string
	payload() string
	named() entry
}

func (s source[T]) name() string    { return string(s.event) }
func (s source[T]) payload() string { return reflect.TypeFor[T]().String() }

// named is the same source for hooks that are registered by name.
func (s source[T]) named() entry {
	return source[Occurrence]{Named(s.name()), func(h *Hooks, name string, fn handler[Occurrence], opts []hooks.Option) {
		s.on(h, name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e T) error {
			payload, err := json.Marshal(e)
			if err != nil {
				return err
			}
			return fn(ctx, tx, ev, Occurrence{Event: s.name(), TenantID: ev.TenantID, UserID: e.userID(), At: ev.CommittedAt, Payload: payload})
		}, opts)
	}}
}

// find is the source of an event, with the payload that is asked for.
func find[T Payload](e Event[T]) (source[T], error) {
	for _, s := range sources() {
		if s.name() != string(e) {
			continue
		}
		for _, s := range []entry{s, s.named()} {
			if typed, ok := s.(source[T]); ok {
				return typed, nil
			}
		}
		return source[T]{}, fmt.Errorf("%s tells %s, not %s: name the event by its constant, or by Named", e, s.payload(), reflect.TypeFor[T]())
	}
	return source[T]{}, fmt.Errorf("there is no event %q%s", e, nearest.Hint(string(e), Names()))
}

func userRegistered(h *Hooks, name string, fn handler[Registration], opts []hooks.Option) {
	h.reg.Users.Only(hooks.Kind{Name: string(AfterRegister)}).AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, u db.User) error {
		return fn(ctx, tx, ev, Registration{User: u})
	}, opts...)
}

func emailVerified(h *Hooks, name string, fn handler[EmailVerification], opts []hooks.Option) {
	turnsTrue := func(ev *hooks.Event) bool {
		was, known := ev.Old.Value("email_verified")
		now, _ := ev.New.Value("email_verified")
		return string(now) == "t" && (!known || string(was) != "t") // as for hooks.WhenChanged, what isn't known may have changed
	}
	h.reg.Users.Only(hooks.Kind{Name: string(AfterEmailVerify), Is: turnsTrue}).AfterUpdate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, u db.User) error {
		return fn(ctx, tx, ev, EmailVerification{User: u})
	}, opts...)
}

// raised is the source of an event that is a row of auth.auth_events, by its type.
func raised[T Payload, P details[T]](e Event[T]) source[T] {
	return raisedWith(e, func(_ *Hooks, row db.AuthEvent) (T, error) { return read[T, P](row) })
}

func raisedWith[T Payload](e Event[T], read func(*Hooks, db.AuthEvent) (T, error)) source[T] {
	isType := func(ev *hooks.Event) bool {
		is, _ := ev.New.Value("type")
		return string(is) == string(e)
	}
	return source[T]{e, func(h *Hooks, name string, fn handler[T], opts []hooks.Option) {
		h.reg.AuthEvents.Only(hooks.Kind{Name: string(e), Is: isType}).AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.AuthEvent) error {
			payload, err := read(h, row)
			if err != nil {
				return fmt.Errorf("auth: %s: row %s of auth.auth_events: %w", e, row.ID, err)
			}
			return fn(ctx, tx, ev, payload)
		}, opts...)
	}}
}
