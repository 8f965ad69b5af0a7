package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// The triggers whose webhooks are asked before a write.
const (
	askRegistration = "validate-registration-username"
	askCreate       = "pre-user-registration"
	askUpdate       = "pre-user-update"
	askDelete       = "pre-user-deletion"
)

// Asker asks synchronous webhooks before a write; the listener's sender is one. It is called with no transaction open, by
// several goroutines.
type Asker interface {
	// Ask asks all enabled webhooks of the question's tenant and trigger, read anew, one after the other. A refusal is a
	// hooks.Rejection. Any error keeps the write from happening.
	Ask(ctx context.Context, q *Question) (Answer, error)
}

// Question is what a synchronous webhook is asked.
type Question struct {
	ID       string // evt_ and 22 characters; the same when a write has to ask again
	TenantID string
	Trigger  string
	// User is as it would be: created or updated. To be deleted: as it is. Of validate-registration-username there are an
	// e-mail and a connection only.
	User    User
	Before  *User    // of an update: as it is
	Updates []string // of an update: the columns that the caller asked to change, in the table's order
	Stamp   hooks.Stamp
}

// Answer is what webhooks agreed to.
type Answer struct {
	Asked        []string        // their ids; none: there is none to be asked
	UserMetadata json.RawMessage // what they made of the user's; nil: they left it
}

var (
	// ErrNotAsked says that a write has synchronous webhooks that were not asked about it; the error around it names what to
	// call. Nothing is written.
	ErrNotAsked = errors.New("a synchronous webhook has to be asked before this write")
	// ErrChanged says that a user was changed by others between a webhook's answer and the write. Nothing is written, and no
	// before-hook has run: try again.
	ErrChanged = errors.New("it was changed after the webhooks were asked about it")
	// ErrAskInTx says that webhooks were to be asked while a transaction is open: it would stay open for as long as they take.
	ErrAskInTx = errors.New("webhooks are asked before the transaction begins: call store.Users.Ask... ahead of InTx, or of the hook's first use of its tx")
)

// mayAsk refuses where a transaction is known to be open.
func (s *session) mayAsk(ctx context.Context) error {
	if s.conn != nil {
		return ErrAskInTx
	}
	if running := hooks.Current(ctx); running != nil && running.Tx != nil {
		if tx, ok := running.Tx.(*lazytx.Tx); !ok || tx.Open() {
			return ErrAskInTx
		}
	}
	return nil
}

// ask asks, and remembers whether there was anyone to ask.
func (s *session) ask(ctx context.Context, q *Question) (Answer, error) {
	if s.asks.asker == nil {
		return Answer{}, noAsker(q.Trigger)
	}
	q.Stamp = StampOf(ctx)
	a, err := s.asks.asker.Ask(ctx, q)
	if err == nil {
		s.asks.learn(q.TenantID, q.Trigger, len(a.Asked) > 0)
	}
	return a, err
}

// AskRegistration asks the webhooks of validate-registration-username whether an e-mail address may register, before anything
// else is known of the user. It fires where a login flow calls it, with no transaction open; nothing is written.
// Errors: hooks.Rejection, [ErrNotAsked] without an Asker, [ErrAskInTx].
func (s *Store) AskRegistration(ctx context.Context, tenantID, email, connection string) error {
	session := s.Users.s
	err := session.mayAsk(ctx)
	if err == nil {
		user := User{TenantID: tenantID, Email: &email, Connection: connection}
		clean(&user.Email, strings.ToLower)
		_, err = session.ask(ctx, &Question{ID: newAsking().of(""), TenantID: tenantID, Trigger: askRegistration, User: user})
	}
	return failed(err, "validate", "registration")
}

// notAsked is what auth.require_asked raises.
const notAsked = "LK020"

// wasNotAsked looks at an error as it came from the database, so not at one that a hook had with a write of its own.
func wasNotAsked(err error) bool {
	var fault *hooks.Fault
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == notAsked && !errors.As(err, &fault)
}

func noAsker(trigger string) error {
	return fmt.Errorf("%w (trigger %s): set db.Config.Asker", ErrNotAsked, trigger)
}

func notAskedError(trigger string) error {
	verb := map[string]string{askCreate: "Create", askUpdate: "Update", askDelete: "Delete"}[trigger]
	return fmt.Errorf("%w (trigger %s): outside of transactions store.Users.%s asks by itself; for one in InTx or With call store.Users.Ask%[3]s "+
		"before the transaction and tx.Users.%[3]sAsked in it", ErrNotAsked, trigger, verb)
}
