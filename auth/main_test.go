package auth_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

const tenant = hookstest.Tenant

// heard is what hooks were told, a line each.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(words ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, strings.Join(words, " "))
}

// require compares what was heard since the last call, in any order: events of different rows have none.
func (h *heard) require(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.lines)
	slices.Sort(want)
	if !slices.Equal(h.lines, want) {
		t.Errorf("the hooks heard\n  %s\nwant\n  %s", strings.Join(h.lines, "\n  "), strings.Join(want, "\n  "))
	}
	h.lines = nil
}

// on registers a hook that writes down what line makes of the payload.
func on[T auth.Payload](flows *auth.Hooks, h *heard, e auth.Event[T], name string, line func(T) string, opts ...hooks.Option) {
	auth.On(flows, e, name, func(_ context.Context, _ hooks.Tx, _ hooks.Event, p T) error {
		h.add(string(e), line(p))
		return nil
	}, opts...)
}

func address(u db.User) string {
	if u.Email == nil {
		return u.UserID
	}
	return *u.Email
}

// ann is a user of the tenant.
func ann(t *testing.T, env *hookstest.Env) db.User {
	t.Helper()
	email := "ann@x.com"
	u, err := env.Store.Users.Create(t.Context(), tenant, db.CreateUser{UserID: "ann", Email: &email})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
