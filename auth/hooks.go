package auth

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Hooks is where hooks on the flows and on the events are registered, before the store and the listener open.
type Hooks struct {
	reg      *db.Hooks
	services atomic.Pointer[Services]
	events   map[string]bool // those that have a hook

	attempt          *hooks.Flow[attemptHook]
	login, continued *loginFlow
	exchange         *hooks.Flow[exchangeHook]
}

// NewHooks registers into a catalogue: give it to the store and the listener, and its Err says what was registered wrongly.
// Called again for the same catalogue, it gives the same.
func NewHooks(reg *db.Hooks) *Hooks {
	r := reg.Registry()
	return hooks.Attached(r, func() *Hooks {
		return &Hooks{
			reg: reg, events: map[string]bool{}, attempt: hooks.NewFlow[attemptHook](r, validateRegistration),
			login: hooks.NewFlow[loginHook](r, postLogin), continued: hooks.NewFlow[loginHook](r, continuePostLogin),
			exchange: hooks.NewFlow[exchangeHook](r, credentialsExchange),
		}
	})
}

// On runs fn once for each of the event's rows that is committed, whoever wrote it; after the commit, outside the writer's
// transaction. tx is the hook's own: what fn writes through it commits together with the record that fn ran. An error is
// logged and tried again by itself, and stops no other hook. Several hooks of an event run in the order of their registration.
//
// A name may stand once per event: the hook is known as event:name (after_login:audit) in logs, metrics, commands and
// hookstest, and by that for good; both together have 63 characters. [hooks.RenamedFrom] takes the name that the
// hook had on the same event.
//
// A row that isn't as the event's payload should be fails the delivery, which says which field is wrong; it is kept as that
// of a failing hook.
func On[T Payload](h *Hooks, e Event[T], name string, fn func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e T) error, opts ...hooks.Option) {
	s, err := find(e)
	switch {
	case err != nil:
		h.reg.Problem(fmt.Errorf("auth: hook %q: %w", name, err))
	case fn == nil:
		h.reg.Problem(fmt.Errorf("auth: hook %q on %s: %w", name, e, errNil))
	default:
		h.events[string(e)] = true
		s.on(h, name, fn, opts)
	}
}

// Registered reports whether the event of that name has a hook. A server warns at start where the send_* events have none: the
// tokens of mails are then made and never delivered.
func (h *Hooks) Registered(event string) bool { return h.events[event] }

// Named is the event of that name, for programs that have names as text: its hooks are given what all events have. On
// notes a name that there isn't, with the one that is most like it.
func Named(name string) Event[Occurrence] { return Event[Occurrence](name) }

// Names lists the events, in the order of a user's life.
func Names() []string {
	var names []string
	for _, s := range sources() {
		names = append(names, s.name())
	}
	return names
}
