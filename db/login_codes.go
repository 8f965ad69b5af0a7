package db

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// LoginCode is a code that was sent to an address. It is short, so its hash has to be made with a key: see [PutLoginCode].
type LoginCode = dbsqlc.AuthLoginCode

// PutLoginCode is what a new code is made of. Hash is 32 bytes of it that tell nothing without the server's key, as anyone can
// hash all codes that there are.
type PutLoginCode struct {
	Connection string
	Address    string
	Hash       []byte
	ClientID   *string
	Request    json.RawMessage // what the login is to be continued with
	Lifetime   time.Duration
}

// LoginCodes is the repository of codes that were sent, one at a time for each address. They are not published, and no hook runs
// for them.
type LoginCodes struct{ s *session }

// Put stores a code; the one before it, and the tries at it, end. Errors: [Invalid], hooks.ErrOutsideTx.
func (r *LoginCodes) Put(ctx context.Context, tenantID string, in PutLoginCode) (LoginCode, error) {
	return inWrite(ctx, r.s, r.action(hooks.Insert, "put"), func(ctx context.Context, w *write) (LoginCode, error) {
		at := now()
		return w.lastUnstamped().PutLoginCode(ctx, dbsqlc.PutLoginCodeParams{
			TenantID: tenantID, Connection: in.Connection, Address: strings.ToLower(in.Address), ID: newID("code_"), Hash: in.Hash, ClientID: in.ClientID,
			Request: orEmptyObject(in.Request), CreatedAt: at, ExpiresAt: at.Add(in.Lifetime),
		})
	})
}

// Use takes the code that was sent to an address, once. A wrong one counts, also where many come at once; after most of them there
// is none any more. A try is committed although it is an error, so call it on the store, and not inside a transaction that the error
// rolls back. Errors: [ErrNotFound], whatever is wrong; hooks.ErrOutsideTx.
func (r *LoginCodes) Use(ctx context.Context, tenantID, connection, address string, hash []byte, most int) (LoginCode, error) {
	wrong := false
	code, err := inWrite(ctx, r.s, r.action(hooks.Update, "use"), func(ctx context.Context, w *write) (LoginCode, error) {
		code, err := w.step().TryLoginCode(ctx, dbsqlc.TryLoginCodeParams{
			TenantID: tenantID, Connection: connection, Address: strings.ToLower(address), Most: int32(min(most, 1<<30)), At: now(), //nolint:gosec // bounded
		})
		if err != nil {
			return code, err
		}
		if wrong = subtle.ConstantTimeCompare(code.Hash, hash) != 1; wrong {
			return code, nil
		}
		n, err := w.step().UseLoginCode(ctx, tenantID, connection, code.Address, code.ID)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return code, err
	})
	if err == nil && wrong {
		return LoginCode{}, failed(ErrNotFound, "use", "login code")
	}
	return code, err
}

func (r *LoginCodes) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.login_codes", verb: verb, entity: "login code"}
}
