package sender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Hook is a webhook as it was when it was loaded. It doesn't change.
type Hook struct {
	TenantID, ID, Name string

	URL         string
	Trigger     webhook.Trigger
	TriggerID   string
	Enabled     bool
	Status      string // active, paused or disabled
	Priority    int
	WhenChanged []string
	OnError     webhook.OnError
	Timeout     time.Duration // 0: the default
	RateLimit   float64       // requests a second; 0: none
	Limit       *webhook.Limit
	Start       pglogrepl.LSN // what committed before it is none of this hook's

	headers map[string]string
	secrets []secret
	problem error // why it can't be sent
}

type secret struct {
	webhook.Secret
	until time.Time // zero: no end
}

// StatusActive is the status of a hook that is served; others wait.
const StatusActive = "active"

// Wants reports whether an event is one that the hook asks for. Its tenant is the caller's to compare, and whether it committed
// before the hook's Start: a replay is told of those, too.
func (h *Hook) Wants(ev *hooks.Event) bool {
	return h.Enabled && h.Trigger.Wants(ev) &&
		(len(h.WhenChanged) == 0 || ev.Operation != hooks.Update || slices.ContainsFunc(h.WhenChanged, ev.MayHaveChanged))
}

// Querier reads rows; a pgx pool, connection or transaction fits.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const selectHooks = `select h.tenant_id, h.hook_id, h.name, h.trigger_id, h.url, h.enabled, h.status, h.priority, h.when_changed, h.on_error,
		coalesce(h.timeout_ms, 0), coalesce(h.rate_limit, 0), h.start_lsn,
		array(select sealed from auth.hook_secrets s where (s.tenant_id, s.hook_id, s.kind) = (h.tenant_id, h.hook_id, 'signing')
			and (s.expires_at is null or s.expires_at > now()) order by s.expires_at nulls first, s.id desc),
		array(select expires_at from auth.hook_secrets s where (s.tenant_id, s.hook_id, s.kind) = (h.tenant_id, h.hook_id, 'signing')
			and (s.expires_at is null or s.expires_at > now()) order by s.expires_at nulls first, s.id desc),
		(select sealed from auth.hook_secrets s where (s.tenant_id, s.hook_id, s.kind) = (h.tenant_id, h.hook_id, 'headers') order by s.id desc limit 1)
	from auth.hooks h where h.url is not null`

// Load reads the webhooks of all tenants, in the order in which synchronous ones are asked: priority descending, then the
// oldest first. One that can't be sent, because its trigger is unknown or its secret doesn't open, is among them: each
// attempt at it fails, and says why.
func (s *Sender) Load(ctx context.Context, q Querier) ([]*Hook, error) {
	return s.load(ctx, q, ` order by h.priority desc, h.created_at, h.tenant_id, h.hook_id`)
}

func (s *Sender) load(ctx context.Context, q Querier, rest string, args ...any) ([]*Hook, error) {
	rows, err := q.Query(ctx, selectHooks+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("sender: read the hooks: %w", err)
	}
	loaded, err := pgx.CollectRows(rows, s.scan)
	if err != nil {
		return nil, fmt.Errorf("sender: read the hooks: %w", err)
	}
	return loaded, nil
}

func (s *Sender) scan(row pgx.CollectableRow) (*Hook, error) {
	h := &Hook{}
	var onError string
	var timeoutMS int
	var sealed [][]byte
	var untils []*time.Time
	var sealedHeaders []byte
	if err := row.Scan(&h.TenantID, &h.ID, &h.Name, &h.TriggerID, &h.URL, &h.Enabled, &h.Status, &h.Priority, &h.WhenChanged, &onError,
		&timeoutMS, &h.RateLimit, &h.Start, &sealed, &untils, &sealedHeaders); err != nil {
		return nil, err
	}
	h.Timeout = time.Duration(timeoutMS) * time.Millisecond
	var problems [4]error
	h.Trigger, problems[0] = s.triggers.Parse(h.TriggerID)
	h.OnError, problems[1] = webhook.ParseOnError(onError)
	problems[2] = s.openSecrets(h, sealed, untils)
	problems[3] = s.openHeaders(h, sealedHeaders)
	h.problem = errors.Join(problems[:]...)
	h.Limit = s.limitOf(h)
	return h, nil
}

func (s *Sender) openSecrets(h *Hook, sealed [][]byte, untils []*time.Time) error {
	for i, text := range sealed {
		clear, err := s.open(h, text, "signing")
		if err != nil {
			return err
		}
		key, err := webhook.ParseSecret(string(clear))
		if err != nil {
			return err
		}
		of := secret{Secret: key}
		if untils[i] != nil {
			of.until = *untils[i]
		}
		h.secrets = append(h.secrets, of)
	}
	return nil
}

func (s *Sender) openHeaders(h *Hook, sealed []byte) error {
	if sealed == nil {
		return nil
	}
	clear, err := s.open(h, sealed, "headers")
	if err == nil {
		err = json.Unmarshal(clear, &h.headers)
	}
	return err
}

// SecretName is the name under which a hook's secrets of a kind, signing or headers, are sealed.
func SecretName(tenantID, hookID, kind string) string {
	return "hook/" + tenantID + "/" + hookID + "/" + kind
}

func (s *Sender) open(h *Hook, sealed []byte, kind string) ([]byte, error) {
	if s.cfg.Seal == nil {
		return nil, errors.New("its secrets are sealed, and this program has no key to open them: set LATCHKEY_SECRET_KEY")
	}
	return s.cfg.Seal.Open(sealed, SecretName(h.TenantID, h.ID, kind))
}
