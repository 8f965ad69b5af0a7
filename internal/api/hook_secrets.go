package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

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
