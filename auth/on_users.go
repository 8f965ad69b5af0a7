package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// The kinds of hooks on users: what stands before their names, kind:name, wherever a hook is named.
const (
	preUserRegistration  = "pre-user-registration"
	postUserRegistration = "post-user-registration"
	preUserUpdate        = "pre-user-update"
	preUserDeletion      = "pre-user-deletion"
	postUserDeletion     = "post-user-deletion"
)

// PreUserRegistration runs fn before a repository inserts a user, on every way to register, in the writer's transaction, which tx
// is: so it calls no other service. Refusing, or failing in any way, leaves nothing written. It doesn't run for other writers; the
// webhooks of pre-user-registration were asked before the transaction began. Hooks run in the order of their registration, those of
// reg.Users.BeforeCreate among them, with a deadline of 5 s each unless [hooks.Timeout] says otherwise.
func (h *Hooks) PreUserRegistration(name string, fn func(ctx context.Context, tx hooks.Tx, ev *PreUserRegistration, api PreUserRegistrationAPI) error, opts ...hooks.Option) {
	full, ok := h.named(preUserRegistration, name, fn == nil)
	if !ok {
		return
	}
	h.reg.Users.BeforeCreate(full, func(ctx context.Context, tx hooks.Tx, u *db.User) error {
		stamp, s := db.StampOf(ctx), &said{}
		err := fn(ctx, tx, &PreUserRegistration{
			Tenant: Tenant{u.TenantID}, User: *u, Request: requestOf(stamp), ClientID: stamp.ClientID, client: clientOf{tx, u.TenantID, stamp.ClientID},
		}, PreUserRegistrationAPI{User: UserMetadata{s}, Token: Tokens{h, u.TenantID}, said: s})
		return s.settle(err, &u.UserMetadata)
	}, opts...)
}

// PostUserRegistration runs fn once for every committed insert of a user, whoever made it: after the commit, outside the writer's
// transaction, with a transaction of its own, and a deadline of 30 s. What fn writes through it commits together with the record that
// fn ran. An error is logged and tried again by itself, and stops no other hook. A linked identity is a user too.
func (h *Hooks) PostUserRegistration(name string, fn func(ctx context.Context, tx hooks.Tx, ev *PostUserRegistration, api PostUserRegistrationAPI) error, opts ...hooks.Option) {
	full := hooks.Kind{Name: postUserRegistration}
	if _, ok := h.named(postUserRegistration, name, fn == nil); !ok {
		return
	}
	h.reg.Users.Only(full).AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, u db.User) error {
		stamp := ev.Stamp()
		told := &PostUserRegistration{Event: ev, Tenant: Tenant{u.TenantID}, User: u, Request: requestBehind(stamp)}
		if told.Request != nil {
			told.ClientID, told.client = stamp.ClientID, clientOf{tx, u.TenantID, stamp.ClientID}
		}
		return fn(ctx, tx, told, PostUserRegistrationAPI{Tokens{h, u.TenantID}})
	}, opts...)
}

// PreUserUpdate runs fn before a repository updates a user, in the writer's transaction, with the user locked; otherwise as
// [Hooks.PreUserRegistration]. Linking accounts is no update of a user. Where a listener tries it on a write that went past the
// repositories (hooks.PolicyAudit), Updates is what the write changed.
func (h *Hooks) PreUserUpdate(name string, fn func(ctx context.Context, tx hooks.Tx, ev *PreUserUpdate, api PreUserUpdateAPI) error, opts ...hooks.Option) {
	full, ok := h.named(preUserUpdate, name, fn == nil)
	if !ok {
		return
	}
	h.reg.Users.BeforeUpdate(full, func(ctx context.Context, tx hooks.Tx, old db.User, u *db.User) error {
		updates, err := updatesOf(ctx, old, *u)
		if err != nil || slices.Equal(updates.Fields(), []string{"linked_to"}) {
			return err
		}
		s := &said{}
		err = fn(ctx, tx, &PreUserUpdate{
			Tenant: Tenant{old.TenantID}, UserID: old.UserID, User: old, Updates: updates, Request: requestOf(db.StampOf(ctx)),
		}, PreUserUpdateAPI{User: UserMetadata{s}, Token: Tokens{h, old.TenantID}, said: s})
		return s.settle(err, &u.UserMetadata)
	}, opts...)
}

// PreUserDeletion runs fn before a repository deletes a user, and for each linked identity that goes along, in the writer's
// transaction, with the user locked; otherwise as [Hooks.PreUserRegistration].
func (h *Hooks) PreUserDeletion(name string, fn func(ctx context.Context, tx hooks.Tx, ev *PreUserDeletion, api PreUserDeletionAPI) error, opts ...hooks.Option) {
	full, ok := h.named(preUserDeletion, name, fn == nil)
	if !ok {
		return
	}
	h.reg.Users.BeforeDelete(full, func(ctx context.Context, tx hooks.Tx, u db.User) error {
		s := &said{}
		return s.verdict(fn(ctx, tx, &PreUserDeletion{
			Tenant: Tenant{u.TenantID}, UserID: u.UserID, User: u, Request: requestOf(db.StampOf(ctx)),
		}, PreUserDeletionAPI{Token: Tokens{h, u.TenantID}, said: s}))
	}, opts...)
}

// PostUserDeletion runs fn once for every committed delete of a user, whoever made it, also where a foreign key took the user
// along; otherwise as [Hooks.PostUserRegistration].
func (h *Hooks) PostUserDeletion(name string, fn func(ctx context.Context, tx hooks.Tx, ev *PostUserDeletion, api PostUserDeletionAPI) error, opts ...hooks.Option) {
	if _, ok := h.named(postUserDeletion, name, fn == nil); !ok {
		return
	}
	h.reg.Users.Only(hooks.Kind{Name: postUserDeletion}).AfterDelete(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, u db.User) error {
		return fn(ctx, tx, &PostUserDeletion{
			Event: ev, Tenant: Tenant{u.TenantID}, UserID: u.UserID, User: u, Request: requestBehind(ev.Stamp()),
		}, PostUserDeletionAPI{Tokens{h, u.TenantID}})
	}, opts...)
}

// named checks a name of a kind, whose hooks are known as kind:name, as [On]'s are.
func (h *Hooks) named(kind, name string, missing bool) (full string, ok bool) {
	err := hooks.Kind{Name: kind}.Check(name)
	if err == nil && missing {
		err = errNil
	}
	if err != nil {
		h.reg.Problem(fmt.Errorf("auth: %s hook %q: %w", kind, name, err))
	}
	return kind + ":" + name, err == nil
}

// settle ends a before-hook: what it said about metadata gets into the row only now, as a hook that missed its deadline may
// say more.
func (s *said) settle(returned error, metadata *json.RawMessage) error {
	if err := s.verdict(returned); err != nil {
		return err
	}
	merged, err := s.take().user.into(*metadata)
	if err == nil {
		*metadata = merged
	}
	return err
}

// requestBehind is the request behind a committed write; nil where there can't be one.
func requestBehind(s hooks.Stamp) *Request {
	if s.Origin != hooks.OriginApp {
		return nil
	}
	r := requestOf(s)
	return &r
}

// updatesOf is what was asked for, or what the rows say if nobody asked.
func updatesOf(ctx context.Context, old, row db.User) (db.UpdateUser, error) {
	if asked, known := db.RequestedUpdate(ctx); known {
		return asked, nil
	}
	var updates db.UpdateUser
	was, err := members(old)
	if err != nil {
		return updates, err
	}
	is, err := members(row)
	if err != nil {
		return updates, err
	}
	for column, value := range is {
		if string(was[column]) == string(value) {
			delete(is, column)
		}
	}
	changed, err := json.Marshal(is)
	if err != nil {
		return updates, err
	}
	return updates, json.Unmarshal(changed, &updates)
}

func members(u db.User) (Members, error) {
	text, err := json.Marshal(u)
	if err != nil {
		return nil, err
	}
	var m Members
	return m, json.Unmarshal(text, &m)
}
