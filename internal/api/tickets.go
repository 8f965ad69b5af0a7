package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// newTicket is what both kinds of tickets are made of.
type newTicket struct {
	ResultURL       string `json:"result_url,omitempty" maxLength:"2048" doc:"Where whoever used it goes on."`
	TTL             int64  `json:"ttl_sec,omitempty" minimum:"0" maximum:"31536000" doc:"Seconds; five days unless given."`
	ClientID        string `json:"client_id,omitempty" maxLength:"128"`
	IncludeEmail    bool   `json:"includeEmailInRedirect,omitempty"`
	UserID          string `json:"user_id,omitempty" maxLength:"600"`
	Email           string `json:"email,omitempty" maxLength:"320" doc:"Of a password change: in the place of user_id, with connection_id."`
	ConnectionID    string `json:"connection_id,omitempty" maxLength:"100"`
	MarkAsVerified  bool   `json:"mark_email_as_verified,omitempty" doc:"Of a password change: using it verifies the address, too."`
	OrganizationRef string `json:"organization_id,omitempty" maxLength:"100"`
}

type ticketLink struct {
	Ticket string `json:"ticket" doc:"The link. Its token is stored nowhere: keep it from all but the user."`
}

func (s *server) addTickets() {
	for _, t := range []struct{ id, kind, path, page, summary string }{
		{"create-email-verification-ticket", db.VerifyEmail, "/tickets/email-verification", "u/email-verification", "Make a link that verifies an e-mail address"},
		{"create-password-change-ticket", db.ChangePassword, "/tickets/password-change", "u/reset-verify", "Make a link that changes a password"},
	} {
		add(s, operation{
			id: t.id, method: http.MethodPost, path: t.path, scope: "create:user_tickets", tag: tagUsers, summary: t.summary, status: http.StatusCreated, change: true,
			about: "It is for one use. Nothing is sent.",
		}, func(ctx context.Context, c *caller, in *created[newTicket]) (*shown[ticketLink], error) {
			token, err := s.ticket(ctx, c, t.kind, &in.Body)
			if err != nil {
				return nil, err
			}
			return &shown[ticketLink]{ticketLink{s.cfg.Tokens.URL() + t.page + "?" + url.Values{"ticket": {token}, "tenant": {c.tenant}}.Encode()}}, nil
		})
	}
}

func (s *server) ticket(ctx context.Context, c *caller, kind string, b *newTicket) (string, error) {
	user, err := s.ticketUser(ctx, c, kind, b)
	if err != nil {
		return "", err
	}
	if kind == db.VerifyEmail && user.Email == nil {
		return "", badRequest("user_id: the user has no e-mail address.")
	}
	options, err := json.Marshal(map[string]interface{}{
		"includeEmailInRedirect": b.IncludeEmail, "mark_email_as_verified": b.MarkAsVerified, "organization_id": b.OrganizationRef,
	})
	if err != nil {
		return "", err
	}
	_, token, err := s.cfg.Store.Tickets.Create(ctx, c.tenant, db.CreateTicket{
		Type: kind, UserID: user.UserID, Email: user.Email, ResultURL: b.ResultURL, ClientID: given(b.ClientID), Options: options, TTL: time.Duration(b.TTL) * time.Second,
	})
	return token, err
}

// ticketUser is the user by id, or for a password change by address and connection.
func (s *server) ticketUser(ctx context.Context, c *caller, kind string, b *newTicket) (u db.User, err error) {
	switch {
	case b.UserID != "":
		return s.cfg.Store.Users.Get(ctx, c.tenant, b.UserID)
	case kind != db.ChangePassword || b.Email == "" || b.ConnectionID == "":
		return u, badRequest("user_id: is required.")
	}
	connection, err := s.cfg.Store.Connections.Get(ctx, c.tenant, b.ConnectionID)
	if errors.Is(err, db.ErrNotFound) {
		return u, badRequest("connection_id: there is no such connection.")
	}
	if err != nil {
		return u, err
	}
	found, err := s.cfg.Store.Users.ByEmail(ctx, c.tenant, b.Email)
	if err != nil {
		return u, err
	}
	for i := range found {
		if found[i].Connection == connection.Name {
			return found[i], nil
		}
	}
	return u, db.ErrNotFound
}
