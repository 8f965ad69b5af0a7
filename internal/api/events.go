package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// feedItem is an event of the feed.
type feedItem struct {
	Seq  int64           `json:"seq" doc:"Its place in the feed: ascending, with gaps."`
	Data json.RawMessage `json:"data"`
}

// Schema implements huma.SchemaProvider.
func (feedItem) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, Description: "One committed change.", Required: []string{"seq", "data"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"seq":  {Type: huma.TypeInteger, Format: "int64", Description: "Its place in the feed: ascending, with gaps."},
			"data": eventSchema(),
		},
	}
	return s
}

// eventSchema is the body of a webhook.
func eventSchema() *huma.Schema {
	object := func(about string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Nullable: true, Description: about, AdditionalProperties: true}
	}
	text := func(about string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: about} }
	return &huma.Schema{
		Type: huma.TypeObject, Description: "What a webhook gets as its body.", AdditionalProperties: false,
		Required: []string{"tenant_id", "trigger_id", "event_id", "occurred_at", "origin", "request"},
		Properties: map[string]*huma.Schema{
			"tenant_id":   {Type: huma.TypeString, Nullable: true},
			"user":        object("The user, of a change of one."),
			"entity_name": text("What was changed, where it was no user: role, connection, ..."),
			"entity":      object("The row, after the change or as it was deleted."),
			"trigger_id":  text("What happened: role.created, after_login, ..."),
			"event_id":    text("The same for every hook, attempt and replay."),
			"occurred_at": {Type: huma.TypeString, Format: "date-time"},
			"origin":      text("app, external, backfill or unknown."),
			"request":     object("Who made the change, by which request; null for a write from outside."),
			"writer":      object("The database role and application of a write from outside."),
			"before":      object("The row before an update."),
			"changed":     {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Description: "The columns that an update changed."},
		},
	}
}

type eventPage struct {
	Events []feedItem `json:"events" nullable:"false"`
	Next   int64      `json:"next" doc:"Send it as after to go on."`
	More   bool       `json:"more" doc:"There is more at once: ask again without waiting."`
}

type eventsInput struct {
	After  string `query:"after" pattern:"^[0-9]{1,18}$" patternDescription:"a whole number" doc:"Only events after this one. Without it: from the first that there is."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Wait   int    `query:"wait" minimum:"0" maximum:"30" doc:"Where there is nothing yet: wait so many seconds for it."`
	Accept string `header:"Accept" doc:"text/event-stream for a stream of server-sent events."`
	LastID string `header:"Last-Event-ID" pattern:"^[0-9]{1,18}$" patternDescription:"a whole number" doc:"Of a stream that goes on: the id of the last event that came."`
}

// Resolve implements huma.Resolver, which is where a request can be told that it may take long.
func (in *eventsInput) Resolve(ctx huma.Context) []error {
	if in.Wait > 0 {
		patient(ctx)
	}
	return nil
}

type eventsOutput struct {
	Body func(huma.Context)
}

func (s *server) addEvents() {
	page := s.api.OpenAPI().Components.Schemas.Schema(typeOf[eventPage](), true, "")
	add(s, operation{
		id: "list-events", method: http.MethodGet, path: "/events", scope: "read:events", tag: tagEvents,
		summary: "Read the feed of events", errors: []int{http.StatusGone},
		about: "The tenant's committed changes in commit order. Go on with `after` = the page's `next`: nothing is left out and nothing comes twice. " +
			"`wait` makes it a long poll. With `Accept: text/event-stream` it is a stream of server-sent events, each with its seq for an id, that " +
			"`Last-Event-ID` resumes. 410: the events that follow `after` are older than the retention; the message names the first that there is.",
		answer: &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
			"application/json":  {Schema: page},
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
		}},
	}, s.listEvents)
}

func (s *server) listEvents(ctx context.Context, c *caller, in *eventsInput) (*eventsOutput, error) {
	after, err := s.startOf(ctx, in)
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accept, "text/event-stream") {
		return s.stream(ctx, c, after, in.Limit)
	}
	deadline, cancel := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
	defer cancel()
	page, err := s.readPage(ctx, c.tenant, after, in.Limit)
	for err == nil && in.Wait > 0 && len(page.Events) == 0 {
		if !page.More && !s.tail.past(deadline, page.Next) || deadline.Err() != nil {
			break
		}
		page, err = s.readPage(ctx, c.tenant, page.Next, in.Limit)
	}
	if err != nil {
		return nil, err
	}
	return &eventsOutput{func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(http.StatusOK)
		_ = s.api.Marshal(ctx.BodyWriter(), "application/json", page) // the client may be gone
	}}, nil
}

// startOf is the event to begin after.
func (s *server) startOf(ctx context.Context, in *eventsInput) (int64, error) {
	text := in.After
	if in.LastID != "" { // a browser sends it beside the URL that it began with
		text = in.LastID
	}
	if text == "" {
		first, _, err := s.feed.Bounds(ctx)
		return first - 1, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (s *server) readPage(ctx context.Context, tenant string, after int64, limit int) (eventPage, error) {
	read, err := s.feed.Read(ctx, tenant, after, limit)
	if err != nil {
		return eventPage{}, err
	}
	page := eventPage{Events: []feedItem{}, Next: read.Next, More: read.More}
	for _, ev := range read.Events {
		body, err := webhook.NewBodies(ev).Of(webhook.EventName(ev))
		if err != nil {
			return eventPage{}, err
		}
		page.Events = append(page.Events, feedItem{Seq: ev.Seq, Data: body})
	}
	return page, nil
}

// patient takes the server's deadlines off a request that is meant to take long.
func patient(ctx huma.Context) *http.ResponseController {
	_, w := humachi.Unwrap(ctx)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})  // a server without deadlines
	_ = control.SetWriteDeadline(time.Time{}) // has none to take off
	return control
}
