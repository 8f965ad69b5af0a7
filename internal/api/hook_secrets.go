package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// Sealer encrypts what lies at rest, bound to the name of its place; internal/seal's keys do.
type Sealer interface {
	Seal(plain []byte, name string) []byte
	Open(sealed []byte, name string) ([]byte, error)
}

// putSecret seals and stores one.
func (s *server) putSecret(ctx context.Context, tx *db.Tx, tenant, hook, kind string, text []byte) error {
	_, err := tx.HookSecrets.Put(ctx, tenant, hook, kind, s.cfg.Seal.Seal(text, sender.SecretName(tenant, hook, kind)))
	return err
}

func (s *server) putHeaders(ctx context.Context, tx *db.Tx, tenant, hook string, headers map[string]string) error {
	if len(headers) == 0 {
		return nil
	}
	text, err := json.Marshal(headers)
	if err != nil {
		return err
	}
	return s.putSecret(ctx, tx, tenant, hook, db.HookHeaders, text)
}

// headersOf opens the headers of hooks, by hook.
func (s *server) headersOf(ctx context.Context, tenant string, hooks ...string) (map[string]map[string]string, error) {
	rows, err := s.cfg.Conn.Query(ctx, `select distinct on (hook_id) hook_id, sealed from auth.hook_secrets
		where tenant_id = $1 and hook_id = any ($2) and kind = 'headers' and (expires_at is null or expires_at > now()) order by hook_id, id desc`, tenant, hooks)
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]string{}
	var hook string
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&hook, &sealed}, func() error {
		text, err := s.cfg.Seal.Open(sealed, sender.SecretName(tenant, hook, db.HookHeaders))
		if err != nil {
			return fmt.Errorf("the headers of hook %s: %w", hook, err)
		}
		headers := map[string]string{}
		found[hook] = headers
		return json.Unmarshal(text, &headers)
	})
	return found, err
}

// chosenSecret is the caller's, or a new one.
func chosenSecret(text *string) (webhook.Secret, error) {
	if text == nil {
		return webhook.NewSecret(), nil
	}
	secret, err := webhook.ParseSecret(*text)
	return secret, complaint(complain(nil, "secret", err))
}
