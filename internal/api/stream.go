package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// heartbeat keeps proxies from ending a stream on which nothing happens, and tells us of a client that is gone.
const heartbeat = 15 * time.Second

// writeWithin is how long a client may take to read what it is sent.
const writeWithin = 30 * time.Second

// stream sends the feed as server-sent events until the client goes, its token expires, or the API is closed. The first page is read before the
// answer begins, so that what is wrong with the request is an error as everywhere.
func (s *server) stream(ctx context.Context, c *caller, after int64, limit int) (*eventsOutput, error) {
	page, err := s.readPage(ctx, c.tenant, after, limit)
	if err != nil {
		return nil, err
	}
	return &eventsOutput{func(hc huma.Context) {
		control := patient(hc)
		ctx, cancel := context.WithDeadline(ctx, c.Expires)
		defer cancel()
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("X-Accel-Buffering", "no") // nginx would gather
		hc.SetStatus(http.StatusOK)
		out := &streamWriter{w: hc.BodyWriter(), control: control}
		out.send("retry: 1000\n\n")
		for out.err == nil {
			for _, ev := range page.Events {
				out.event(ev)
			}
			if !page.More && !s.awaitNext(ctx, out, page.Next) {
				return
			}
			page, err = s.readPage(ctx, c.tenant, page.Next, limit)
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return
			default:
				out.problem(s.told(ctx, c, err))
				return
			}
		}
	}}, nil
}

// awaitNext waits for more and sends heartbeats meanwhile. A heartbeat has the place in the log for an id, so that a tenant without
// events resumes where it was too, and isn't told of events that are long gone.
func (s *server) awaitNext(ctx context.Context, out *streamWriter, seq int64) bool {
	for out.err == nil {
		limited, cancel := context.WithTimeout(ctx, heartbeat)
		more := s.tail.past(limited, seq)
		expired := limited.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case more:
			return true
		case !expired:
			return false
		}
		out.send(fmt.Sprintf(": still here\nid: %d\n\n", seq))
	}
	return false
}

// streamWriter writes server-sent events; after an error it writes nothing.
type streamWriter struct {
	w       io.Writer
	control *http.ResponseController
	err     error
}

func (o *streamWriter) send(text string) {
	if o.err != nil {
		return
	}
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin)) // a writer that has none is a test's
	if _, o.err = io.WriteString(o.w, text); o.err == nil {
		o.err = o.control.Flush()
	}
}

func (o *streamWriter) event(ev feedItem) {
	o.send(fmt.Sprintf("id: %d\ndata: %s\n\n", ev.Seq, ev.Data))
}

// problem tells of an error in a stream that has begun.
func (o *streamWriter) problem(p *Problem) {
	if body, err := json.Marshal(p); err == nil {
		o.send(fmt.Sprintf("event: error\ndata: %s\n\n", body))
	}
}
