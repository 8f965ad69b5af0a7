package tenanthook

import (
	"context"
	"encoding/json"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// Sealer encrypts what lies at rest, bound to the name of its place; internal/seal's keys do.
type Sealer interface {
	Seal(plain []byte, name string) []byte
	Open(sealed []byte, name string) ([]byte, error)
}

// Maker makes hooks. All of it is needed.
type Maker struct {
	Store  *db.Store
	Seal   Sealer
	Guard  *webhook.Guard // where webhooks may go
	Tables []string       // the hooked ones, of which there may be triggers
}

// Create checks a hook and makes it, with its headers and its secret, which a webhook has and others don't: one that is made up
// unless the caller chose one, and returned to be shown this once. Errors: [Invalid], and those of the repository.
func (m *Maker) Create(ctx context.Context, tenant string, in db.CreateTenantHook, headers map[string]string, chosen *string) (db.TenantHook, *webhook.Secret, error) {
	row := db.TenantHook{
		TriggerID: in.TriggerID, URL: in.URL, FormID: in.FormID, PageID: in.PageID, PermissionRequired: in.PermissionRequired,
		WhenChanged: in.WhenChanged, OnError: in.OnError, TimeoutMS: in.TimeoutMS, RateLimit: in.RateLimit,
	}
	secret, wrong := ChosenSecret(chosen)
	err := every(Check(&row, m.Tables), onlyWebhooks(in.URL, headers, chosen), CheckHeaders(headers), wrong, CheckURL(ctx, m.Guard, in.URL))
	if err != nil {
		return row, nil, err
	}
	err = m.Store.InTx(ctx, func(tx *db.Tx) (err error) {
		if in.FormID != nil {
			if err := m.checkForm(ctx, tx, tenant, *in.FormID); err != nil {
				return err
			}
		}
		if row, err = tx.TenantHooks.Create(ctx, tenant, in); err != nil || row.URL == nil {
			return err
		}
		if err := m.PutSecret(ctx, tx, tenant, row.HookID, secret); err != nil {
			return err
		}
		return m.PutHeaders(ctx, tx, tenant, row.HookID, headers)
	})
	if err != nil || row.URL == nil {
		return row, nil, err
	}
	return row, &secret, nil
}

// onlyWebhooks says what a form and a page don't have. Errors: [Invalid].
func onlyWebhooks(url *string, headers map[string]string, secret *string) error {
	if url != nil || len(headers) == 0 && secret == nil {
		return nil
	}
	return invalid("headers, secret: only a webhook has them")
}

// ChosenSecret is the caller's, or a new one. Errors: [Invalid].
func ChosenSecret(text *string) (webhook.Secret, error) {
	if text == nil {
		return webhook.NewSecret(), nil
	}
	secret, err := webhook.ParseSecret(*text)
	return secret, complaint(complain(nil, "secret", err))
}

// PutSecret seals and stores what signs a hook's requests.
func (m *Maker) PutSecret(ctx context.Context, tx *db.Tx, tenant, hook string, secret webhook.Secret) error {
	return m.put(ctx, tx, tenant, hook, db.HookSigningSecret, []byte(secret.Reveal()))
}

// PutHeaders seals and stores a hook's headers, if there are some.
func (m *Maker) PutHeaders(ctx context.Context, tx *db.Tx, tenant, hook string, headers map[string]string) error {
	if len(headers) == 0 {
		return nil
	}
	text, err := json.Marshal(headers)
	if err != nil {
		return err
	}
	return m.put(ctx, tx, tenant, hook, db.HookHeaders, text)
}

func (m *Maker) put(ctx context.Context, tx *db.Tx, tenant, hook, kind string, text []byte) error {
	_, err := tx.HookSecrets.Put(ctx, tenant, hook, kind, m.Seal.Seal(text, sender.SecretName(tenant, hook, kind)))
	return err
}
