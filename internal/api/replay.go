package api

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

// run is a replay or backfill, and how far it is.
type run struct {
	Run        int64      `json:"run"`
	Kind       string     `json:"kind" enum:"replay,backfill"`
	Status     string     `json:"status" enum:"active,paused,done"`
	From       int64      `json:"from" doc:"The first event."`
	To         int64      `json:"to" doc:"The last event; 0: not known yet."`
	Done       int64      `json:"done" doc:"How many events are settled."`
	Total      int64      `json:"total" doc:"Of how many; 0: not known yet."`
	Failed     int64      `json:"failed" doc:"Deliveries that are set aside."`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

func runJSON(r *listener.HookRun) run {
	return run{
		Run: r.Run, Kind: r.Kind, Status: r.Status, From: r.From, To: r.To, Done: r.Done(), Total: r.Total(), Failed: r.Failed,
		CreatedAt: r.Created.UTC(), FinishedAt: r.Finished,
	}
}

type stretch struct {
	FromSeq int64      `json:"from_seq,omitempty" minimum:"1" doc:"The first event."`
	From    *time.Time `json:"from,omitempty" doc:"Or: those that were committed at this time or later."`
	ToSeq   int64      `json:"to_seq,omitempty" minimum:"1" doc:"The last event."`
	To      *time.Time `json:"to,omitempty" doc:"Or: those that were committed at this time or before."`
}

type (
	replayInput struct {
		ID   string `path:"hook_id" maxLength:"100"`
		Body stretch
	}
	runOutput struct{ Body run }
	runList   struct {
		Runs []run `json:"runs" nullable:"false"`
	}
	runsOutput struct{ Body runList }
)

func (s *server) addReplay() {
	add(s, operation{
		id: "replay-hook", method: http.MethodPost, path: "/hooks/{hook_id}/replay", scope: "update:hooks", tag: tagDeliveries,
		summary: "Send a stretch of the log again", status: http.StatusAccepted, errors: []int{http.StatusConflict, http.StatusGone}, change: true,
		about: "From and to are part of it; without them, all that the log has. It is a run of its own, beside what is delivered meanwhile, and each " +
			"delivery has the `webhook-id` that it had. 410: what it begins with is older than the retention.",
	}, s.replayHook)
	add(s, operation{
		id: "list-runs", method: http.MethodGet, path: "/hooks/{hook_id}/runs", scope: "read:hooks", tag: tagDeliveries,
		summary: "List a webhook's replays", about: "The last ones first: those that go on, and those that ended within the retention.",
	}, func(ctx context.Context, c *caller, in *hookInput) (*runsOutput, error) {
		if _, err := s.hookRow(ctx, c, in.ID); err != nil {
			return nil, err
		}
		runs, err := s.op.WebhookRuns(ctx, c.tenant, in.ID)
		if err != nil {
			return nil, err
		}
		list := make([]run, len(runs))
		for i := range runs {
			list[i] = runJSON(&runs[i])
		}
		return &runsOutput{runList{list}}, nil
	})
}

func (s *server) replayHook(ctx context.Context, c *caller, in *replayInput) (*runOutput, error) {
	b := &in.Body
	if b.From != nil && b.FromSeq != 0 || b.To != nil && b.ToSeq != 0 {
		return nil, badRequest("from, to: give a time or a seq, not both.")
	}
	if _, err := s.hookRow(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.actor.Served(ctx, c.tenant, in.ID); err != nil {
		return nil, err
	}
	req := listener.ReplayRequest{Hook: listener.WebhookRef(c.tenant, in.ID), From: listener.Point{Seq: b.FromSeq}, To: listener.Point{Seq: b.ToSeq}}
	if b.From != nil {
		req.From.Time = *b.From
	}
	if b.To != nil {
		req.To.Time = *b.To
	}
	run, err := s.op.Replay(ctx, req)
	if err != nil {
		return nil, err
	}
	return &runOutput{runJSON(&run)}, nil
}
