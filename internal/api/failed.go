package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
)

// Failed events are deliveries of any of the tenant's webhooks that didn't succeed: dead, or waiting for another attempt.

type failedInput struct {
	Cursored

	HookID string   `query:"hook_id" maxLength:"100" doc:"Only those of this hook."`
	Status []string `query:"status" enum:"dead,retry" doc:"Only those; both unless given."`
}

type failedPage struct {
	Failed []delivery `json:"failed_events" nullable:"false"`
	Next   *string    `json:"next" doc:"Send it as cursor to go on; null on the last page."`
}

type (
	failedOutput   struct{ Body failedPage }
	failedOneInput struct {
		ID string `path:"id" maxLength:"400"`
	}
	retryMany struct {
		HookID string `json:"hook_id,omitempty" maxLength:"100" doc:"Only those of this hook; without it, of every hook of the tenant."`
	}
	retryManyInput struct{ Body retryMany }
	retried        struct {
		Retried int64 `json:"retried" doc:"How many are tried again, once each."`
	}
	retriedOutput struct{ Body retried }
)

func (s *server) addFailed() {
	add(s, operation{
		id: "list-failed-events", method: http.MethodGet, path: "/failed-events", scope: "read:hooks", tag: tagDeliveries,
		summary: "List what failed", about: "Deliveries of all webhooks that are dead, or wait for another attempt.",
	}, func(ctx context.Context, c *caller, in *failedInput) (*failedOutput, error) {
		if len(in.Status) == 0 {
			in.Status = []string{"dead", "retry"}
		}
		f, err := in.filter(in.HookID, in.Status)
		if err != nil {
			return nil, err
		}
		rows, err := s.op.WebhookDeliveries(ctx, c.tenant, f)
		if err != nil {
			return nil, err
		}
		list, next := pageOf(rows, in.Limit)
		return &failedOutput{failedPage{list, next}}, nil
	})
	add(s, operation{
		id: "retry-failed-event", method: http.MethodPost, path: "/failed-events/{id}/retry", scope: "update:hooks", tag: tagDeliveries,
		summary: "Try a dead delivery again", status: http.StatusAccepted, errors: []int{http.StatusConflict}, change: true,
	}, func(ctx context.Context, c *caller, in *failedOneInput) (*retriedOutput, error) {
		at, ok := tenanthook.ParseDeliveryID(in.ID)
		if !ok {
			return nil, notFound("There is no such delivery.")
		}
		if err := s.actor.Retry(ctx, c.tenant, at); err != nil {
			return nil, err
		}
		return &retriedOutput{retried{1}}, nil
	})
	add(s, operation{
		id: "retry-failed-events", method: http.MethodPost, path: "/failed-events/retry", scope: "update:hooks", tag: tagDeliveries,
		summary: "Try all dead deliveries again", status: http.StatusAccepted, change: true, about: "Of one hook, or of all.",
	}, func(ctx context.Context, c *caller, in *retryManyInput) (*retriedOutput, error) {
		if in.Body.HookID != "" {
			if _, err := s.hookRow(ctx, c, in.Body.HookID); err != nil {
				return nil, err
			}
		}
		n, err := s.op.RetryWebhooks(ctx, c.tenant, listener.WebhookFilter{HookID: in.Body.HookID})
		return &retriedOutput{retried{n}}, err
	})
}
