package api

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
)

// Trier sends a test delivery to a webhook, whether or not it is switched on.
type Trier interface {
	Try(ctx context.Context, hook db.TenantHook) (Tried, error)
}

// Tried is what came back.
type Tried struct {
	Code     int           // 0: there was no answer
	Latency  time.Duration //
	Body     string        // at most 512 characters
	Err      string        // why there was no answer, or none that could be read
	Decision *Decision     // of a synchronous one
}

// Decision is what the answer of a synchronous webhook would have decided.
type Decision struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
}

type (
	tried struct {
		Code      int       `json:"code,omitempty" doc:"Of the answer; absent where there was none."`
		LatencyMS float64   `json:"latency_ms"`
		Body      string    `json:"body,omitempty" doc:"Of the answer: at most 512 characters."`
		Error     string    `json:"error,omitempty"`
		Decision  *Decision `json:"decision,omitempty" doc:"Of a synchronous webhook: what the answer would have decided."`
	}
	triedOutput struct{ Body tried }

	rotation struct {
		Secret  *string `json:"secret,omitempty" nullable:"true" doc:"whsec_ and 24 to 64 bytes in base64. Made up unless given."`
		Overlap *int    `json:"overlap_seconds,omitempty" nullable:"true" minimum:"0" maximum:"604800" doc:"For how long the one before signs too; 86400 unless given."`
	}
	rotateInput struct {
		ID   string `path:"hook_id" maxLength:"100"`
		Body *rotation
	}
	rotated struct {
		HookID     string    `json:"hook_id"`
		Secret     string    `json:"secret" doc:"It is shown this once."`
		BeforeEnds time.Time `json:"previous_secret_expires_at" doc:"Until then the one before signs too."`
	}
	rotatedOutput struct{ Body rotated }

	enableInput struct {
		ID        string `path:"hook_id" maxLength:"100"`
		AcceptGap bool   `query:"accept_gap" doc:"Go on even where the log no longer has what comes next."`
	}
)

// defaultOverlap is for how long two secrets sign.
const defaultOverlap = 24 * time.Hour

func (s *server) addHookActions() {
	add(s, operation{
		id: "rotate-secret", method: http.MethodPost, path: "/hooks/{hook_id}/rotate-secret", scope: "update:hooks", tag: tagHooks, change: true,
		summary: "Replace a webhook's secret", about: "Both sign for a while, so that receivers have time to change over. At most two are valid: an older one ends at once.",
	}, s.rotateSecret)
	add(s, operation{
		id: "try-hook", method: http.MethodPost, path: "/hooks/{hook_id}/try", scope: "update:hooks", tag: tagHooks, change: true,
		summary: "Send a test delivery", about: "Also to a webhook that is off. It answers with what came back, and nothing is tried again.",
		errors: []int{http.StatusNotImplemented},
	}, s.tryHook)
	add(s, operation{
		id: "enable-hook", method: http.MethodPost, path: "/hooks/{hook_id}/enable", scope: "update:hooks", tag: tagHooks, change: true, errors: []int{http.StatusConflict},
		summary: "Let a webhook go on", about: "One that was paused, or that was disabled because its receiver wanted no more, goes on where it was. " +
			"409: the log no longer has what comes next; `accept_gap` passes over that.",
	}, s.enableHook)
	add(s, operation{
		id: "pause-hook", method: http.MethodPost, path: "/hooks/{hook_id}/pause", scope: "update:hooks", tag: tagHooks, change: true,
		summary: "Pause a webhook", about: "What is under way ends; the rest waits in the log, and nothing is lost.",
	}, s.pauseHook)
}

// webhookRow is a hook that has to be a webhook.
func (s *server) webhookRow(ctx context.Context, c *caller, id string) (db.TenantHook, error) {
	row, err := s.hookRow(ctx, c, id)
	if err == nil && row.URL == nil {
		err = badRequest("The hook is a " + tenanthook.Kind(&row) + ": only a webhook can do that.")
	}
	return row, err
}

func (s *server) rotateSecret(ctx context.Context, c *caller, in *rotateInput) (*rotatedOutput, error) {
	if in.Body == nil {
		in.Body = &rotation{}
	}
	if _, err := s.webhookRow(ctx, c, in.ID); err != nil {
		return nil, err
	}
	secret, err := tenanthook.ChosenSecret(in.Body.Secret)
	if err != nil {
		return nil, err
	}
	overlap := defaultOverlap
	if in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	ends := time.Now().Add(overlap)
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.TenantHooks.Update(ctx, c.tenant, in.ID, db.UpdateTenantHook{}); err != nil { // it locks the row: one rotation at a time
			return err
		}
		if _, err := tx.Exec(ctx, `delete from auth.hook_secrets where tenant_id = $1 and hook_id = $2 and kind = 'signing'
			and id < (select max(id) from auth.hook_secrets where tenant_id = $1 and hook_id = $2 and kind = 'signing')`, c.tenant, in.ID); err != nil {
			return err
		}
		if err := tx.HookSecrets.Expire(ctx, c.tenant, in.ID, db.HookSigningSecret, ends); err != nil {
			return err
		}
		return s.maker.PutSecret(ctx, tx, c.tenant, in.ID, secret)
	})
	if err != nil {
		return nil, err
	}
	return &rotatedOutput{rotated{in.ID, secret.Reveal(), ends.UTC()}}, nil
}

func (s *server) tryHook(ctx context.Context, c *caller, in *hookInput) (*triedOutput, error) {
	row, err := s.webhookRow(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	if s.cfg.Trier == nil {
		return nil, newProblem(http.StatusNotImplemented, "not_implemented", "This server sends no test deliveries.")
	}
	came, err := s.cfg.Trier.Try(ctx, row)
	if err != nil {
		return nil, err
	}
	return &triedOutput{tried{came.Code, float64(came.Latency.Microseconds()) / 1000, came.Body, came.Err, came.Decision}}, nil
}

func (s *server) enableHook(ctx context.Context, c *caller, in *enableInput) (*hookOutput, error) {
	if _, err := s.webhookRow(ctx, c, in.ID); err != nil {
		return nil, err
	}
	return s.acted(ctx, c, in.ID, s.actor.Enable(ctx, c.tenant, in.ID, in.AcceptGap))
}

func (s *server) pauseHook(ctx context.Context, c *caller, in *hookInput) (*hookOutput, error) {
	if _, err := s.webhookRow(ctx, c, in.ID); err != nil {
		return nil, err
	}
	return s.acted(ctx, c, in.ID, s.actor.Pause(ctx, c.tenant, in.ID))
}

// acted shows the hook as it is after what was done.
func (s *server) acted(ctx context.Context, c *caller, id string, err error) (*hookOutput, error) {
	if err != nil {
		return nil, err
	}
	row, err := s.hookRow(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, c, &row)
}
