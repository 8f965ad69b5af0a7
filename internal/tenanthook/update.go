package tenanthook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Update changes a hook, and replaces its headers as a whole where they are present. One that becomes a webhook by it gets a secret,
// which its owner replaces to be shown one. The row is changed first, and what came of it is looked at then: what is wrong rolls back.
// Errors: [Invalid] with all that is wrong, and those of the repository.
func (m *Maker) Update(ctx context.Context, tenant, id string, in db.UpdateTenantHook, headers db.Optional[map[string]string]) (row db.TenantHook, err error) {
	theirs, _ := headers.Get()
	wrong := CheckHeaders(theirs)
	if url, is := in.URL.Get(); is {
		wrong = every(CheckURL(ctx, m.Guard, &url), wrong)
	}
	err = m.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.TenantHooks.Update(ctx, tenant, id, in); err != nil {
			return every(refused(err), wrong)
		}
		if len(theirs) > 0 {
			wrong = every(onlyWebhooks(row.URL, theirs, nil), wrong)
		}
		form, _ := in.FormID.Get()
		if err := every(Check(&row, m.Tables), m.checkForm(ctx, tx, tenant, form), wrong); err != nil {
			return err
		}
		if headers.Present() {
			if err := tx.HookSecrets.Expire(ctx, tenant, id, db.HookHeaders, time.Now()); err != nil {
				return err
			}
			if err := m.PutHeaders(ctx, tx, tenant, id, theirs); err != nil {
				return err
			}
		}
		return m.secretOf(ctx, tx, &row)
	})
	return row, err
}

// refused is what a repository finds wrong, as this package says it.
func refused(err error) error {
	var theirs *db.Invalid
	if !errors.As(err, &theirs) {
		return err
	}
	ours := &Invalid{}
	for _, f := range theirs.Fields {
		name := f.Name
		if name == "" {
			name = theirs.Entity
		}
		ours.Problems = append(ours.Problems, name+": "+f.Reason)
	}
	return ours
}

// checkForm says that there is no form of an id, if one is given. Errors: [Invalid].
func (m *Maker) checkForm(ctx context.Context, tx *db.Tx, tenant, id string) error {
	if id == "" {
		return nil
	}
	_, err := tx.Forms.Get(ctx, tenant, id)
	if errors.Is(err, db.ErrNotFound) {
		return invalid(fmt.Sprintf("form_id: there is no form %q", id))
	}
	return err
}

// secretOf gives a webhook a secret that has none.
func (m *Maker) secretOf(ctx context.Context, tx *db.Tx, row *db.TenantHook) error {
	if row.URL == nil {
		return nil
	}
	secrets, err := tx.HookSecrets.List(ctx, row.TenantID, row.HookID)
	if err != nil {
		return err
	}
	for i := range secrets {
		if secrets[i].Kind == db.HookSigningSecret {
			return nil
		}
	}
	return m.PutSecret(ctx, tx, row.TenantID, row.HookID, webhook.NewSecret())
}
