package db

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Ticket is a link for one use. Its token is nowhere but in the link.
type Ticket = dbsqlc.AuthTicket

// What tickets are for.
const (
	VerifyEmail    = "verify_email"
	ChangePassword = "change_password"
)

// CreateTicket is what a new ticket is made of. Email is the address that the link goes to, by which whoever uses the ticket
// sees whether the user has another since.
type CreateTicket struct {
	Type      string
	UserID    string
	Email     *string
	ResultURL string
	ClientID  *string
	Options   json.RawMessage
	TTL       time.Duration // 0: five days
}

// Tickets is the repository of tickets. They are not published, and no hook runs for them.
type Tickets struct{ s *session }

// Create makes a ticket, and the token for its link: 43 characters that are stored nowhere, only their hash is.
// Errors: [ErrNotFound] for the user, [Invalid], hooks.ErrOutsideTx.
func (t *Tickets) Create(ctx context.Context, tenantID string, in CreateTicket) (Ticket, string, error) {
	token := newToken()
	ticket, err := inWrite(ctx, t.s, t.action(hooks.Insert, "create"), func(ctx context.Context, w *write) (Ticket, error) {
		err := every(
			oneOf("ticket", "type", &in.Type, VerifyEmail, ChangePassword), object("ticket", "options", &in.Options),
			rule("ticket", "ttl_sec", in.TTL >= 0, "must not be less than 0"),
		)
		if err != nil {
			return Ticket{}, err
		}
		at := now()
		return w.lastUnstamped().InsertTicket(ctx, dbsqlc.InsertTicketParams{
			TenantID: tenantID, ID: newID("tkt_"), Hash: hashOf(token), Type: in.Type, UserID: in.UserID, Email: in.Email,
			ResultURL: in.ResultURL, ClientID: in.ClientID, Options: in.Options, CreatedAt: at, ExpiresAt: at.Add(cmp.Or(in.TTL, 5*24*time.Hour)),
		})
	})
	return ticket, token, noUser(err)
}

// Find reads the ticket of a token, without using it. Errors: [ErrNotFound], also where it was used or has expired.
func (t *Tickets) Find(ctx context.Context, tenantID, kind, token string) (Ticket, error) {
	ticket, err := dbsqlc.New(t.s.reader()).FindTicket(ctx, tenantID, kind, hashOf(token), now())
	return ticket, failed(err, "find", "ticket")
}

// Use takes the ticket of a token, once: the user's others of the type end with it. Do what the ticket is for in the same
// transaction. Errors: [ErrNotFound], also where it was used or has expired; hooks.ErrOutsideTx.
func (t *Tickets) Use(ctx context.Context, tenantID, kind, token string) (Ticket, error) {
	return inWrite(ctx, t.s, t.action(hooks.Update, "use"), func(ctx context.Context, w *write) (Ticket, error) {
		at := now()
		ticket, err := w.step().UseTicket(ctx, tenantID, kind, hashOf(token), at)
		if err != nil {
			return ticket, err
		}
		return ticket, w.lastUnstamped().UseOtherTickets(ctx, tenantID, ticket.UserID, kind, at)
	})
}

func (t *Tickets) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.tickets", verb: verb, entity: "ticket"}
}
