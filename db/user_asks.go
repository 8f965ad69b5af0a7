package db

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// CreatePermit says that the webhooks agreed to a user, which it holds: it can be used for no other. [Users.CreateAsked] takes it.
type CreatePermit struct {
	tenantID string
	in       CreateUser
	permit   permit[User]
}

// UpdatePermit says that the webhooks agreed to an update of a user as it was then. [Users.UpdateAsked] takes it.
type UpdatePermit struct {
	tenantID, id string
	asked, in    UpdateUser // what the caller asked for, and what it became when the webhooks had answered
	permit       permit[User]
}

// DeletePermit says that the webhooks agreed to the end of a user as it was then. [Users.DeleteAsked] takes it.
type DeletePermit struct {
	tenantID, id string
	permit       permit[User]
}

// Create is [Repository.Create]. Before it the webhooks of pre-user-registration are asked, while no transaction is open. Where
// there are none it costs no round trip. Inside a transaction it fails where there are some: see [Users.AskCreate].
// Further errors: [ErrNotAsked], and what the webhooks refuse, a hooks.Rejection.
func (u *Users) Create(ctx context.Context, tenantID string, in CreateUser) (User, error) {
	return watched(ctx, u.s, u.e.action(hooks.Insert, "create"), func(ctx context.Context) (User, error) {
		in.UserID = userID(in)
		id := newAsking()
		return asking(ctx, u.s, tenantID, askCreate, in.PasswordHash != "",
			func(ctx context.Context) (User, error) {
				return u.create(ctx, CreatePermit{tenantID: tenantID, in: in})
			},
			func(ctx context.Context) (CreatePermit, error) { return u.askCreate(ctx, id, tenantID, in) }, u.create)
	})
}

// Update is [Repository.Update]. Before it the webhooks of pre-user-update are asked about the user as it is and as it would be,
// while no transaction is open; if it is another by the time that it is locked, they are asked again, three times at most. Where
// there are none it costs no round trip. Inside a transaction it fails where there are some: see [Users.AskUpdate]. An update of
// nothing but LinkedTo asks nobody: the link is no change of the user.
// Further errors: [ErrNotAsked], [ErrChanged], and what the webhooks refuse, a hooks.Rejection.
func (u *Users) Update(ctx context.Context, tenantID, id string, in UpdateUser) (User, error) {
	return watched(ctx, u.s, u.e.action(hooks.Update, "update"), func(ctx context.Context) (User, error) {
		unasked := UpdatePermit{tenantID: tenantID, id: id, asked: in, in: in, permit: permit[User]{exempt: onlyLinks(in)}}
		if unasked.permit.exempt {
			return u.update(ctx, unasked)
		}
		asks := newAsking()
		return asking(ctx, u.s, tenantID, askUpdate, in.PasswordHash != "",
			func(ctx context.Context) (User, error) { return u.update(ctx, unasked) },
			func(ctx context.Context) (UpdatePermit, error) { return u.askUpdate(ctx, asks, tenantID, id, in) }, u.update)
	})
}

// Delete is [Repository.Delete]. Before it the webhooks of pre-user-deletion are asked, as for [Users.Update]: about the user, and
// about each identity linked to it, which goes with it. (A tenant's end asks nobody: its webhooks end with it.)
// Further errors: [ErrNotAsked], [ErrChanged], and what the webhooks refuse, a hooks.Rejection.
func (u *Users) Delete(ctx context.Context, tenantID, id string) error {
	_, err := watched(ctx, u.s, u.e.action(hooks.Delete, "delete"), func(ctx context.Context) (int64, error) {
		asks := newAsking()
		return asking(ctx, u.s, tenantID, askDelete, false,
			func(ctx context.Context) (int64, error) {
				return u.remove(ctx, DeletePermit{tenantID: tenantID, id: id})
			},
			func(ctx context.Context) (DeletePermit, error) { return u.askDelete(ctx, asks, tenantID, id) }, u.remove)
	})
	return err
}

// AskCreate asks the webhooks about a user that is then to be created inside a transaction, with [Users.CreateAsked]. Call it on
// the store, before the transaction begins; inside a hook before its tx is first used.
// Errors: hooks.Rejection, [Invalid], [ErrAskInTx], and [ErrNotAsked] without an Asker.
func (u *Users) AskCreate(ctx context.Context, tenantID string, in CreateUser) (CreatePermit, error) {
	in.UserID = userID(in)
	p, err := u.askCreate(ctx, newAsking(), tenantID, in)
	return p, failed(err, "ask about creating", "user")
}

// AskUpdate is [Users.AskCreate] for [Users.UpdateAsked]. Errors: as there, and [ErrNotFound].
func (u *Users) AskUpdate(ctx context.Context, tenantID, id string, in UpdateUser) (UpdatePermit, error) {
	p, err := u.askUpdate(ctx, newAsking(), tenantID, id, in)
	return p, failed(err, "ask about updating", "user")
}

// AskDelete is [Users.AskCreate] for [Users.DeleteAsked]. Errors: as there, and [ErrNotFound].
func (u *Users) AskDelete(ctx context.Context, tenantID, id string) (DeletePermit, error) {
	p, err := u.askDelete(ctx, newAsking(), tenantID, id)
	return p, failed(err, "ask about deleting", "user")
}

// CreateAsked creates the user that was asked about, inside a transaction or not. Errors as [Repository.Create], and
// [ErrNotAsked] for an empty permit, or when a webhook came after it.
func (u *Users) CreateAsked(ctx context.Context, p CreatePermit) (User, error) {
	return watched(ctx, u.s, u.e.action(hooks.Insert, "create"), func(ctx context.Context) (User, error) {
		if p.tenantID == "" {
			return User{}, notAskedError(askCreate)
		}
		return u.create(ctx, p)
	})
}

// UpdateAsked is [Users.CreateAsked] for an update. It asks no second time: if the user was changed since, it is [ErrChanged].
func (u *Users) UpdateAsked(ctx context.Context, p UpdatePermit) (User, error) {
	return watched(ctx, u.s, u.e.action(hooks.Update, "update"), func(ctx context.Context) (User, error) {
		if p.tenantID == "" {
			return User{}, notAskedError(askUpdate)
		}
		return u.update(ctx, p)
	})
}

// DeleteAsked is [Users.UpdateAsked] for a delete.
func (u *Users) DeleteAsked(ctx context.Context, p DeletePermit) error {
	_, err := watched(ctx, u.s, u.e.action(hooks.Delete, "delete"), func(ctx context.Context) (int64, error) {
		if p.tenantID == "" {
			return 0, notAskedError(askDelete)
		}
		return u.remove(ctx, p)
	})
	return err
}

func (u *Users) create(ctx context.Context, p CreatePermit) (User, error) {
	return doWrite(ctx, u.s, func(ctx context.Context, w *write) (User, error) {
		return u.setting(ctx, w, p.in.PasswordHash, func(w *write) (User, error) {
			return u.e.insertRow(ctx, w, p.tenantID, p.in, p.permit)
		})
	})
}

func (u *Users) update(ctx context.Context, p UpdatePermit) (User, error) {
	if u.e.hooked(hooks.Update) {
		ctx = context.WithValue(ctx, requestKey{}, p.asked)
	}
	return doWrite(ctx, u.s, func(ctx context.Context, w *write) (User, error) {
		if u.e.joinChanged != nil {
			if err := lockAddress(ctx, w, p.tenantID, p.id, &p.in); err != nil {
				return User{}, err
			}
		}
		return u.setting(ctx, w, p.in.PasswordHash, func(w *write) (User, error) {
			return u.e.updateRow(ctx, w, p.tenantID, p.id, p.in, p.permit)
		})
	})
}

func (u *Users) remove(ctx context.Context, p DeletePermit) (int64, error) {
	return doWrite(ctx, u.s, func(ctx context.Context, w *write) (int64, error) {
		return u.e.deleteRow(ctx, w, p.tenantID, p.id, p.permit)
	})
}

func (u *Users) askCreate(ctx context.Context, id askID, tenantID string, in CreateUser) (CreatePermit, error) {
	if err := u.s.mayAsk(ctx); err != nil {
		return CreatePermit{}, err
	}
	in = ownCreate(in)
	row := u.e.create(tenantID, now(), in)
	if err := u.e.normalize(&row); err != nil {
		return CreatePermit{}, err
	}
	a, err := u.s.ask(ctx, &Question{ID: id.of(row.UserID), TenantID: tenantID, Trigger: askCreate, User: row})
	if err != nil {
		return CreatePermit{}, err
	}
	if a.UserMetadata != nil {
		in.UserMetadata = a.UserMetadata
	}
	return CreatePermit{tenantID: tenantID, in: in, permit: agreed(a, nil)}, nil
}

func (u *Users) askUpdate(ctx context.Context, id askID, tenantID, userID string, in UpdateUser) (UpdatePermit, error) {
	if err := u.s.mayAsk(ctx); err != nil {
		return UpdatePermit{}, err
	}
	in = ownUpdate(in)
	asked := in
	if onlyLinks(in) {
		return UpdatePermit{tenantID: tenantID, id: userID, asked: in, in: in, permit: permit[User]{exempt: true}}, nil
	}
	was, err := u.e.get(dbsqlc.New(u.s.reader()), ctx, tenantID, userID)
	if err != nil {
		return UpdatePermit{}, err
	}
	row := was
	u.e.update(&row, now(), in)
	if err := u.e.normalize(&row); err != nil {
		return UpdatePermit{}, err
	}
	a, err := u.s.ask(ctx, &Question{
		ID: id.of(userID), TenantID: tenantID, Trigger: askUpdate, User: row, Before: &was, Updates: in.Fields(),
	})
	if err != nil {
		return UpdatePermit{}, err
	}
	if in.MergeMetadata && len(a.Asked) > 0 {
		in = in.merged(row)
	}
	if a.UserMetadata != nil {
		in.UserMetadata = Set[json.RawMessage](a.UserMetadata)
	}
	return UpdatePermit{tenantID: tenantID, id: userID, asked: asked, in: in, permit: agreed(a, []User{was})}, nil
}

func (u *Users) askDelete(ctx context.Context, id askID, tenantID, userID string) (DeletePermit, error) {
	if err := u.s.mayAsk(ctx); err != nil {
		return DeletePermit{}, err
	}
	was, err := u.e.get(dbsqlc.New(u.s.reader()), ctx, tenantID, userID)
	if err != nil {
		return DeletePermit{}, err
	}
	along, err := readRows[User](ctx, u.s.reader(), u.e.list.table, u.e.asks.along, "", []any{tenantID, userID})
	if err != nil {
		return DeletePermit{}, err
	}
	rows, hooked := append([]User{was}, along...), map[string]int{}
	var a Answer
	for _, row := range rows {
		if a, err = u.s.ask(ctx, &Question{ID: id.of(row.UserID), TenantID: tenantID, Trigger: askDelete, User: row}); err != nil {
			return DeletePermit{}, err
		}
		for _, hook := range a.Asked {
			hooked[hook]++
		}
	}
	p := DeletePermit{tenantID: tenantID, id: userID, permit: agreed(a, rows)}
	p.permit.hooks = nil // those that agreed to all
	for hook, n := range hooked {
		if n == len(rows) {
			p.permit.hooks = append(p.permit.hooks, hook)
		}
	}
	return p, nil
}

func agreed(a Answer, was []User) permit[User] {
	if len(a.Asked) == 0 {
		was = nil
	}
	return permit[User]{hooks: a.Asked, rows: was, same: sameUser}
}

// sameUser compares times as such: connections may read them in different zones.
func sameUser(a, b User) bool {
	if !a.CreatedAt.Equal(b.CreatedAt) || !a.UpdatedAt.Equal(b.UpdatedAt) {
		return false
	}
	a.CreatedAt, a.UpdatedAt = b.CreatedAt, b.UpdatedAt
	return reflect.DeepEqual(a, b)
}

// ownCreate shares no memory with the caller's, who may go on to change it.
func ownCreate(in CreateUser) CreateUser {
	v := reflect.ValueOf(&in).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Pointer && !f.IsNil():
			own := reflect.New(f.Type().Elem())
			own.Elem().Set(f.Elem())
			f.Set(own)
		case f.Kind() == reflect.Slice && !f.IsNil():
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		}
	}
	return in
}

// ownUpdate is ownCreate for an update, whose texts are values already.
func ownUpdate(in UpdateUser) UpdateUser {
	for _, document := range []*Optional[json.RawMessage]{&in.Address, &in.ProfileData, &in.UserMetadata, &in.AppMetadata} {
		document.value = slices.Clone(document.value)
	}
	in.Multifactor.value = slices.Clone(in.Multifactor.value)
	return in
}

func onlyLinks(in UpdateUser) bool {
	linked := in.LinkedTo.Present()
	in.LinkedTo = Optional[string]{}
	return linked && len(in.Fields()) == 0
}
