package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"

	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// asks is a store's way to the webhooks, and what it knows of who has any. That is but a hint, for which write is worth asking
// about first: each write checks in its own round trip that those asked are all (auth.require_asked), so a hook counts from
// its commit on, whoever made it, and nobody polls.
type asks struct {
	asker Asker // nil: none

	mu    sync.RWMutex
	known map[tenantTrigger]struct{} // has webhooks, when last we heard
}

type tenantTrigger struct{ tenantID, trigger string }

func newAsks(a Asker) *asks { return &asks{asker: a, known: map[tenantTrigger]struct{}{}} }

func (a *asks) has(tenantID, trigger string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, has := a.known[tenantTrigger{tenantID, trigger}]
	return has
}

func (a *asks) learn(tenantID, trigger string, has bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if has {
		a.known[tenantTrigger{tenantID, trigger}] = struct{}{}
	} else {
		delete(a.known, tenantTrigger{tenantID, trigger})
	}
}

// maxAsks is how often one write asks, where rows or hooks change in between.
const maxAsks = 3

// asking makes a write, and asks before it if there is someone to ask. unasked makes it without, ask gives the permit with
// which asked makes it. ahead asks also where nobody is known of: for a write that is slow as it is, so that no hook runs in vain.
func asking[T, P any](ctx context.Context, s *session, tenantID, trigger string, ahead bool,
	unasked func(context.Context) (T, error), ask func(context.Context) (P, error), asked func(context.Context, P) (T, error),
) (T, error) {
	if s.conn != nil || !s.asks.has(tenantID, trigger) && (!ahead || s.asks.asker == nil) {
		out, err := unasked(ctx)
		switch {
		case s.conn != nil || !wasNotAsked(err):
			return out, err
		case s.asks.asker == nil:
			return out, noAsker(trigger)
		}
	}
	var zero T
	if err := s.mayWrite(ctx); err != nil {
		return zero, err
	}
	for try := 1; ; try++ {
		p, err := ask(ctx)
		if err != nil {
			return zero, err
		}
		out, err := asked(ctx, p)
		if try == maxAsks || !errors.Is(err, ErrChanged) && !wasNotAsked(err) {
			return out, err
		}
	}
}

// permit is what a write knows of the webhooks that were asked about it. The zero permit: none were.
type permit[Row any] struct {
	exempt bool     // no webhook is asked about such a write
	hooks  []string // who agreed
	rows   []Row    // to what they agreed, as it was: the row, then those that go with it; nil where nobody was asked, or there is none
	same   func(a, b Row) bool
}

// about says whether the row is still the one that was asked about.
func (p permit[Row]) about(rows ...Row) error {
	if p.rows == nil {
		return nil
	}
	if len(rows) != len(p.rows) {
		return ErrChanged
	}
	for i := range rows {
		if !p.same(rows[i], p.rows[i]) {
			return ErrChanged
		}
	}
	return nil
}

// triggers are an entity's, by the operation. The zero value: nobody is asked.
type triggers struct {
	create, update, remove string
	along                  string // where clause: rows of the same table that a delete takes along, and that are asked about too
}

// check has the database look whether all were asked, in the write's round trip.
func check[Row any](trigger, tenantID string, p permit[Row]) []lazytx.Statement {
	if trigger == "" || p.exempt {
		return nil
	}
	asked := p.hooks
	if asked == nil {
		asked = []string{}
	}
	return []lazytx.Statement{{SQL: `select auth.require_asked($1, $2, $3)`, Args: []any{tenantID, trigger, asked}}}
}

// askID is the seed of the ids of one write's questions: one for each user, the same when it asks again.
type askID [16]byte

func newAsking() (id askID) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

func (id askID) of(userID string) string {
	sum := sha256.Sum256(append(id[:], userID...))
	return "evt_" + base64.RawURLEncoding.EncodeToString(sum[:16])
}
