package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Feed reads a group's log for one tenant at a time, in any process. It is safe for concurrent use if its connection is.
type Feed struct {
	db     Querier
	group  string
	shapes *shapes
}

// NewFeed reads the log of a group; an empty name is the default group.
func NewFeed(db Querier, group string) *Feed {
	setDefault(&group, "default")
	return &Feed{db: db, group: group, shapes: newShapes(db)}
}

// feedBatches is how many rows of the log one read opens: a tenant may have few of the events in them.
const feedBatches = 16

// FeedPage is a stretch of the log, with those of its events that are the tenant's.
type FeedPage struct {
	Events []*hooks.Event // in the order of seq
	Next   int64          // go on after this one: whether or not it was the tenant's, it is done with
	More   bool           // the log goes on behind Next
}

// ForgottenError says that events which were asked for are older than the retention.
type ForgottenError struct{ First int64 } // the first that there is

func (e *ForgottenError) Error() string {
	return fmt.Sprintf("the log begins at event %d: what is older than the retention is gone", e.First)
}

// RefusedError says why what was asked for can't be done, for whoever asked.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refuse(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// Read reads up to limit of a tenant's events after one, and looks at a bounded part of the log for it: where there are none
// in that, the page has none and goes on. Nothing is left out and nothing comes twice if each read begins at the Next of the
// one before, for events are stored in the order of seq. Errors: [ForgottenError], [RefusedError].
func (f *Feed) Read(ctx context.Context, tenant string, after int64, limit int) (FeedPage, error) {
	page, err := f.read(ctx, tenant, after, limit)
	if err != nil {
		return FeedPage{}, fmt.Errorf("listener: read the feed: %w", err)
	}
	return page, nil
}

func (f *Feed) read(ctx context.Context, tenant string, after int64, limit int) (FeedPage, error) {
	page := FeedPage{Next: after}
	rows, err := f.db.Query(ctx, `select first_seq, last_seq, events from (
			select first_seq, last_seq, events, sum(bytes) over (order by first_seq) - bytes as before from latchkey.event_batches
			where group_name = $1 and last_seq > $2
			  and first_seq >= coalesce((select max(first_seq) from latchkey.event_batches where group_name = $1 and first_seq <= $2 + 1), 0)
			order by first_seq limit $3) b
		where before < $4 order by first_seq`, f.group, after, feedBatches, readBytes)
	if err != nil {
		return page, err
	}
	type batch struct {
		First, Last int64
		Events      []byte
	}
	batches, err := pgx.CollectRows(rows, pgx.RowToStructByPos[batch]) // whole, for a shape may be asked for on the same connection
	if err != nil {
		return page, err
	}
	for _, b := range batches {
		events, err := parseEvents(b.Events, b.First, func(id int64) (*hooks.Shape, error) { return f.shapes.get(ctx, id) })
		if err != nil {
			return page, err
		}
		for _, ev := range events {
			if ev.Seq <= after || ev.TenantID != tenant || ev.Operation == hooks.Truncate {
				continue
			}
			if len(page.Events) == limit {
				page.Next = page.Events[limit-1].Seq
				err := f.place(ctx, after, &page)
				return page, err
			}
			page.Events = append(page.Events, ev)
		}
		page.Next = b.Last
	}
	err = f.place(ctx, after, &page)
	return page, err
}

// place says whether the log goes on behind a page, and looks where it begins after it was read: retention says so before it
// takes anything away.
func (f *Feed) place(ctx context.Context, after int64, page *FeedPage) error {
	first, last, err := f.Bounds(ctx)
	switch {
	case err != nil:
		return err
	case after+1 < first:
		return &ForgottenError{First: first}
	case after > last:
		return refuse("there is no event %d yet: the last one is %d", after, last)
	}
	page.More = page.Next < last
	return nil
}

// Bounds are the first event that the log still has and the last; the last is one below the first where it has none.
func (f *Feed) Bounds(ctx context.Context) (first, last int64, err error) {
	err = f.db.QueryRow(ctx, `select first_seq, next_seq - 1 from latchkey.position where group_name = $1`, f.group).Scan(&first, &last)
	if errors.Is(err, pgx.ErrNoRows) { // no listener of the group has run yet
		return 1, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("where the log begins and ends: %w", err)
	}
	return first, last, nil
}
