package api

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// delivery is one event for one webhook.
type delivery struct {
	ID          string     `json:"id"`
	HookID      string     `json:"hook_id"`
	EventID     string     `json:"event_id,omitempty" doc:"As receivers know the event."`
	WebhookID   string     `json:"webhook_id,omitempty" doc:"The webhook-id of every attempt."`
	Seq         int64      `json:"seq" doc:"The event's place in the feed; of a backfill, in its run."`
	Run         int64      `json:"run" doc:"0, or the number of the replay or backfill."`
	Status      string     `json:"status" enum:"retry,running,held,dead,done,discarded" doc:"held waits behind a failed one of its entity; dead is tried again only when someone asks."`
	Attempt     int        `json:"attempt" doc:"How many there were."`
	NextAttempt *time.Time `json:"next_attempt_at,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	Attempts    []attempt  `json:"attempts" nullable:"false" doc:"The last ones."`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

type attempt struct {
	At        time.Time `json:"at"`
	Code      int       `json:"code,omitempty" doc:"Of the answer; absent where there was none."`
	LatencyMS float64   `json:"latency_ms"`
	Error     string    `json:"error,omitempty"`
	Body      string    `json:"body,omitempty" doc:"Of the answer: at most 512 characters."`
}

func deliveryJSON(d *listener.WebhookDelivery) delivery {
	out := delivery{
		ID: tenanthook.DeliveryID(d), HookID: d.HookID, EventID: d.EventID, Seq: d.Seq, Run: d.Run, Status: d.Status, Attempt: d.Attempt,
		NextAttempt: d.Next, LastError: d.LastError, Attempts: []attempt{}, CreatedAt: d.Created.UTC(), UpdatedAt: d.Updated.UTC(),
	}
	if d.EventID != "" {
		out.WebhookID = webhook.MessageID(d.EventID, d.HookID)
	}
	for _, a := range d.Attempts {
		out.Attempts = append(out.Attempts, attempt{a.At.UTC(), a.Code, a.LatencyMS, a.Error, a.Body})
	}
	return out
}

// Cursored is how lists are asked for that grow while they are read.
type Cursored struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"1 to 100; 50 unless given."`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

// filter is a list's, the page after the cursor.
func (in *Cursored) filter(hook string, statuses []string) (listener.WebhookFilter, error) {
	f := listener.WebhookFilter{HookID: hook, Status: statuses, Limit: in.Limit + 1} // one more says whether there is a next page
	if in.Cursor != "" {
		at, ok := tenanthook.ParseCursor(in.Cursor)
		if !ok {
			return f, badRequest("cursor: it is none of ours: send the next of the page before.")
		}
		f.Before = &at
	}
	return f, nil
}

type deliveriesInput struct {
	Cursored

	ID     string   `path:"hook_id" maxLength:"100"`
	Status []string `query:"status" enum:"retry,running,held,dead,done,discarded" doc:"Only those; several with commas between them."`
}

type deliveryPage struct {
	Deliveries []delivery `json:"deliveries" nullable:"false"`
	Next       *string    `json:"next" doc:"Send it as cursor to go on; null on the last page."`
}

type (
	deliveriesOutput struct{ Body deliveryPage }
	deliveryInput    struct {
		ID         string `path:"hook_id" maxLength:"100"`
		DeliveryID string `path:"delivery_id" maxLength:"400"`
	}
)

func (s *server) addDeliveries() {
	add(s, operation{
		id: "list-deliveries", method: http.MethodGet, path: "/hooks/{hook_id}/deliveries", scope: "read:hooks", tag: tagDeliveries,
		summary: "List a webhook's deliveries", about: "Those of the newest events first, each with its last attempts.",
	}, s.listDeliveries)
	add(s, operation{
		id: "redeliver", method: http.MethodPost, path: "/hooks/{hook_id}/deliveries/{delivery_id}/redeliver", scope: "update:hooks", tag: tagDeliveries,
		summary: "Send a delivery again", status: http.StatusAccepted, errors: []int{http.StatusConflict, http.StatusGone}, change: true,
		about: "A dead one is tried again, once. One that was delivered or discarded is sent in a run of its own, with the same `webhook-id`. " +
			"410: its event is older than the retention.",
	}, s.redeliver)
}

func (s *server) listDeliveries(ctx context.Context, c *caller, in *deliveriesInput) (*deliveriesOutput, error) {
	if _, err := s.hookRow(ctx, c, in.ID); err != nil {
		return nil, err
	}
	f, err := in.filter(in.ID, in.Status)
	if err != nil {
		return nil, err
	}
	rows, err := s.op.WebhookDeliveries(ctx, c.tenant, f)
	if err != nil {
		return nil, err
	}
	list, next := pageOf(rows, in.Limit)
	return &deliveriesOutput{deliveryPage{list, next}}, nil
}

// pageOf is a page of up to limit rows, and the cursor where there are more.
func pageOf(rows []listener.WebhookDelivery, limit int) (list []delivery, next *string) {
	if len(rows) > limit {
		rows = rows[:limit]
		cursor := tenanthook.Cursor(&rows[limit-1])
		next = &cursor
	}
	list = make([]delivery, len(rows))
	for i := range rows {
		list[i] = deliveryJSON(&rows[i])
	}
	return list, next
}

type redelivered struct {
	Status string `json:"status" enum:"retry,replay" doc:"retry: it is tried again; replay: it is sent in a run of its own."`
	Run    *run   `json:"run,omitempty"`
}

type redeliverOutput struct{ Body redelivered }

func (s *server) redeliver(ctx context.Context, c *caller, in *deliveryInput) (*redeliverOutput, error) {
	at, ok := tenanthook.ParseDeliveryID(in.DeliveryID)
	if !ok || at.HookID != in.ID {
		return nil, notFound("The hook has no such delivery.")
	}
	run, err := s.actor.Redeliver(ctx, c.tenant, at)
	if err != nil {
		return nil, err
	}
	if run == nil {
		return &redeliverOutput{redelivered{Status: "retry"}}, nil
	}
	row := runJSON(run)
	return &redeliverOutput{redelivered{Status: "replay", Run: &row}}, nil
}
