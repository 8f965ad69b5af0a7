package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/latchkey-dev/latchkey/db"
)

// Sealer seals what nobody is to read who reads the database or its log. An [Opener] opens it, under the same name only.
type Sealer interface {
	Seal(plain []byte, name string) []byte
}

// RaiseSendEmail is [Raise] for SendVerificationEmail, SendLoginCode and SendPasswordResetEmail: it seals the token for the row that it writes, and
// for no other. The token is otherwise stored nowhere but as a hash. Errors: as Raise; a payload without a token, and no Sealer.
func RaiseSendEmail(ctx context.Context, events *db.AuthEvents, seal Sealer, tenantID string, e Event[SendEmail], payload SendEmail) error {
	switch {
	case payload.Token == "":
		return fmt.Errorf("auth: raise %s: the token is missing", e)
	case seal == nil:
		return fmt.Errorf("auth: raise %s: there is nothing to seal the token with", e)
	}
	id := "aev_" + rand.Text()
	sealed := seal.Seal([]byte(payload.Token), sealedName(tenantID, id))
	payload.Token = ""
	return raise(ctx, events, tenantID, e, payload, db.CreateAuthEvent{ID: id, Sealed: sealed})
}

// sealedName is the place that a token is sealed for.
func sealedName(tenantID, id string) string { return "auth_event/" + tenantID + "/" + id }

// opened reads a mail with its token.
func opened(h *Hooks, row db.AuthEvent) (SendEmail, error) {
	e, err := read[SendEmail](row)
	if err != nil || row.Sealed == nil {
		return e, err
	}
	opener := h.served().Opener
	if opener == nil {
		return e, errors.New("its token is sealed, and this program has nothing to open it with: give Hooks.Serve a Services with an Opener")
	}
	token, err := opener.Open(row.Sealed, sealedName(row.TenantID, row.ID))
	if err != nil {
		return e, fmt.Errorf("open its token: %w", err)
	}
	e.Token = string(token)
	return e, nil
}

// Format implements fmt.Formatter, for every verb: the token isn't shown.
func (e SendEmail) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, e.masked()) }

// LogValue implements slog.LogValuer.
func (e SendEmail) LogValue() slog.Value { return slog.StringValue(e.masked()) }

func (e SendEmail) masked() string {
	return "mail to " + e.Email + " for user " + e.UserID + " (token masked)"
}
