package flows

import (
	"context"
	"errors"
	"strings"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// CheckPassword says whose password it is. identifier is an e-mail address or a username; connection is "" for the only database that
// the application may use. It begins no login: see [Flows.Authenticated]. A wrong password and a user that there isn't can't be told
// apart, neither by the answer nor by how long it takes; that a user is blocked is said only to who knows the password. Every outcome but a
// success leaves its line in the log, and a success does when the login is done.
// Errors: [Refused] with invalid_grant, too_many_attempts, access_denied or invalid_request.
func (f *Flows) CheckPassword(ctx context.Context, c Caller, connection, identifier, password string) (Authenticated, error) {
	who, err := f.checkPassword(c.stamped(ctx), &c, connection, normal(identifier), password)
	return who, f.loginFailed(ctx, c, err, logOf{typed: normal(identifier), connection: connection})
}

// loginFailed writes the line of a login that came to nothing, and returns what the caller is told.
func (f *Flows) loginFailed(ctx context.Context, c Caller, err error, of logOf) error {
	var failed *failedLogin
	switch {
	case err == nil, isTooMany(err): // which has a line already
		return err
	case errors.As(err, &failed):
		f.logLine(ctx, c, failed.kind, failed.reason, failed.of)
		return failed.refused
	}
	f.logLine(ctx, c, logLoginFailed, reasonOf(err, "The login failed."), of)
	return err
}

// failedLogin is a refusal, and the line that it leaves: which says more.
type failedLogin struct {
	refused error

	kind, reason string
	of           logOf
}

func (f *failedLogin) Error() string { return f.refused.Error() }
func (f *failedLogin) Unwrap() error { return f.refused }

func (f *Flows) checkPassword(ctx context.Context, c *Caller, connection, identifier, password string) (who Authenticated, err error) {
	con, err := f.connection(ctx, c, connection, strategyDatabase)
	if err != nil {
		return who, err
	}
	user, err := f.userIn(ctx, c, &con, identifier)
	if err != nil {
		return who, err
	}
	try, err := f.guessing(ctx, c, &con, identifier, user)
	if err != nil {
		return who, err
	}
	match, err := f.hasPassword(ctx, user, password)
	if err != nil {
		return who, err
	}
	of := logOf{user: user, typed: identifier}.in(&con.Connection)
	switch {
	case user == nil:
		return who, &failedLogin{errWrong(), logUnknownUser, "Nobody has this e-mail address or username.", of}
	case !match:
		return who, &failedLogin{errWrong(), logWrongPassword, "The password is wrong.", of}
	case con.options.PreventEnumeration && user.Email != nil && !user.EmailVerified:
		return who, &failedLogin{errWrong(), logLoginFailed, "The e-mail address isn't verified, which the connection asks for (prevent_enumeration).", of}
	}
	f.guessed(ctx, c, try)
	return f.authenticatedBy(ctx, user, &con, "pwd", false)
}

// authenticatedBy is what an identity's login gives, unless the identity or its account is blocked.
func (f *Flows) authenticatedBy(ctx context.Context, identity *db.User, con *usable, method string, isNew bool) (Authenticated, error) {
	account, err := f.account(ctx, identity)
	if err != nil {
		return Authenticated{}, err
	}
	if identity.Blocked || account.Blocked {
		return Authenticated{}, &failedLogin{errBlocked(), logLoginFailed, "The user is blocked.", logOf{user: &account}.in(&con.Connection)}
	}
	return Authenticated{
		User: account, Identity: *identity, Connection: con.Connection, New: isNew,
		Methods: []auth.AuthenticationMethod{{Name: method, Timestamp: f.cfg.Now().UTC()}},
	}, nil
}

// hasPassword compares, and makes an outdated hash again. Nobody has none, and it takes as long to say so.
func (f *Flows) hasPassword(ctx context.Context, u *db.User, password string) (bool, error) {
	tenantID, id := "", ""
	if u != nil {
		tenantID, id = u.TenantID, u.UserID
	}
	hash, err := f.cfg.Store.Users.PasswordHash(ctx, tenantID, id)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return false, err
	}
	match, outdated, err := f.compare(ctx, password, hash)
	if err != nil || !match || !outdated {
		return match, err
	}
	again, err := f.hash(ctx, password)
	if err == nil {
		err = f.cfg.Store.Users.Rehash(ctx, tenantID, id, hash, again)
	}
	if err != nil {
		f.log.WarnContext(ctx, "a password could not be hashed again: it will be at the next login", "tenant", tenantID, "user", id, "error", err)
	}
	return true, nil
}

// normal is a name as people type it, without what doesn't count.
func normal(identifier string) string { return strings.ToLower(strings.TrimSpace(identifier)) }

func errWrong() *Refused { return &Refused{"invalid_grant", "Wrong email or password."} }

func isTooMany(err error) bool {
	var refused *Refused
	return errors.As(err, &refused) && refused.Code == "too_many_attempts"
}
