package flows

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Signup is what someone signs up with. Connection is "" for the only database that the application may use.
type Signup struct {
	Connection string
	Email      string
	Username   string
	Password   string

	Name, GivenName, FamilyName, Nickname, Picture string

	UserMetadata json.RawMessage // an object; none: {}
}

const mostSignups = 100 // from one IP address, in a window of tries

// ValidateUsername asks the ValidateRegistrationUsername hooks and webhooks whether an e-mail address may sign up, when it is entered. No
// transaction is open, and nothing is written. [Flows.Signup] asks by itself. Errors: hooks.Rejection, hooks.Fault, [Refused].
func (f *Flows) ValidateUsername(ctx context.Context, c Caller, email, connection string) error {
	ctx = c.stamped(ctx)
	if f.cfg.Hooks.HasValidateRegistrationUsername() {
		client, err := f.hookClient(ctx, c)
		if err != nil {
			return err
		}
		err = f.cfg.Hooks.RunValidateRegistrationUsername(ctx, &auth.RegistrationAttempt{
			Tenant: auth.Tenant{ID: c.Tenant.ID}, Client: client, Request: c.Request, User: auth.NewUser{Email: normal(email), Connection: connection},
		})
		if err != nil {
			return err
		}
	}
	return f.cfg.Store.AskRegistration(ctx, c.Tenant.ID, email, connection)
}

// Signup makes a user of a database connection, with a password: after ValidateUsername's hooks and the webhooks, with no transaction
// open, it writes user, password, the line and the mail that verifies the address in one transaction, in which before-hooks run.
//
// An address that is taken is refused, user_exists. Where the connection's options say prevent_enumeration it is answered as any other,
// with a user that there isn't, and its owner gets a mail to reset the password by; and nobody logs in before the address is verified.
// Errors: [Refused] with user_exists, username_exists, invalid_signup, invalid_password, unauthorized, too_many_attempts,
// invalid_request; hooks.Rejection.
func (f *Flows) Signup(ctx context.Context, c Caller, in Signup) (db.User, error) {
	in.Email, in.Username = normal(in.Email), strings.TrimSpace(in.Username)
	con, err := f.connection(ctx, &c, in.Connection, strategyDatabase)
	var u db.User
	if err == nil {
		u, err = f.signup(c.stamped(ctx), &c, &con, &in)
	}
	if err != nil {
		f.logLine(ctx, c, logSignupFailed, reasonOf(err, "The signup failed."), logOf{typed: in.Email, connection: in.Connection}.inUsable(&con))
	}
	return u, err
}

func (f *Flows) signup(ctx context.Context, c *Caller, con *usable, in *Signup) (db.User, error) {
	row := in.row(con)
	if err := f.maySignUp(ctx, c, con, in, &row); err != nil {
		return db.User{}, err
	}
	if in.Email != "" {
		if err := f.ValidateUsername(ctx, *c, in.Email, con.Name); err != nil {
			return db.User{}, err
		}
	}
	hash, err := f.hash(ctx, in.Password)
	if err != nil {
		return db.User{}, err
	}
	u, err := f.create(ctx, c, con, row, func(tx *db.Tx, u *db.User) error {
		if err := tx.Users.SetPassword(ctx, u.TenantID, u.UserID, hash); err != nil {
			return err
		}
		if u.Email == nil || u.EmailVerified {
			return nil
		}
		return f.mailTicket(ctx, tx, c, u, db.VerifyEmail)
	})
	if taken := (&db.Conflict{}); errors.As(err, &taken) {
		if con.options.PreventEnumeration && taken.Field == "email" {
			return f.conceal(ctx, c, con, row)
		}
		err = errTaken(taken)
	}
	return u, err
}

// maySignUp checks what needs no look at who is there already.
func (f *Flows) maySignUp(ctx context.Context, c *Caller, con *usable, in *Signup, row *db.CreateUser) error {
	if con.options.DisableSignup {
		return errNoSignup()
	}
	if in.Email != "" && !isAddress(in.Email) {
		return &Refused{"invalid_signup", "The e-mail address is none."}
	}
	switch {
	case in.Email == "" && (!con.options.RequiresUsername || in.Username == ""):
		return &Refused{"invalid_signup", "The e-mail address is missing."}
	case con.options.RequiresUsername && in.Username == "":
		return &Refused{"invalid_signup", "The username is missing."}
	case strings.ContainsAny(in.Username, "@ \t\r\n") || len(in.Username) > 128: // one is never taken for an address
		return &Refused{"invalid_signup", "A username has no @ and no spaces, and 128 characters at most."}
	}
	if err := con.checkPassword(in.Password, row.Email, row.Username); err != nil {
		return err
	}
	return f.limit(ctx, c, "signup/address", network(c.Request.IP), mostSignups)
}

// create inserts a user with what belongs to it in one transaction, after the webhooks were asked.
func (f *Flows) create(ctx context.Context, c *Caller, con *usable, row db.CreateUser, with func(*db.Tx, *db.User) error) (u db.User, err error) {
	err = again(func() error {
		permit, err := f.cfg.Store.Users.AskCreate(ctx, c.Tenant.ID, row)
		if err != nil {
			return err
		}
		return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
			if u, err = tx.Users.CreateAsked(ctx, permit); err != nil {
				return err
			}
			if err := with(tx, &u); err != nil {
				return err
			}
			return f.logIn(ctx, tx, *c, logSignup, "Signed up.", logOf{user: &u}.in(&con.Connection))
		})
	})
	if err != nil {
		return db.User{}, err
	}
	return u, nil
}

// again makes a write for which webhooks are asked once more where the row or the webhooks changed in between: three times at most.
func again(write func() error) (err error) {
	for range 3 {
		if err = write(); !errors.Is(err, db.ErrChanged) && !errors.Is(err, db.ErrNotAsked) {
			break
		}
	}
	return err
}

// conceal answers a signup with an address that is taken as any other, and tells the owner.
func (f *Flows) conceal(ctx context.Context, c *Caller, con *usable, row db.CreateUser) (db.User, error) {
	f.logLine(ctx, *c, logSignupFailed, "The user already exists, which wasn't said (prevent_enumeration).", logOf{typed: *row.Email}.in(&con.Connection))
	owner, err := f.userIn(ctx, c, con, *row.Email)
	if err != nil {
		return db.User{}, err
	}
	if err := f.mailReset(ctx, c, con, owner, *row.Email); err != nil {
		return db.User{}, err
	}
	at := f.cfg.Now().UTC().Truncate(time.Microsecond)
	return db.User{
		TenantID: c.Tenant.ID, UserID: row.UserID, Email: row.Email, Username: row.Username, Name: row.Name, GivenName: row.GivenName, FamilyName: row.FamilyName,
		Nickname: row.Nickname, Picture: row.Picture, Provider: row.Provider, Connection: row.Connection, UserMetadata: row.UserMetadata,
		AppMetadata: json.RawMessage("{}"), ProfileData: json.RawMessage("{}"), CreatedAt: at, UpdatedAt: at,
	}, nil
}

func (in *Signup) row(con *usable) db.CreateUser {
	metadata := in.UserMetadata
	if len(metadata) == 0 {
		metadata = json.RawMessage("{}")
	}
	return db.CreateUser{
		UserID: newUserID(con), Email: given(in.Email), Username: given(in.Username), Provider: con.Strategy, Connection: con.Name, Name: given(in.Name),
		GivenName: given(in.GivenName), FamilyName: given(in.FamilyName), Nickname: given(in.Nickname), Picture: given(in.Picture), UserMetadata: metadata,
	}
}

func errNoSignup() error { return &Refused{"unauthorized", "The connection takes no signups."} }

func errTaken(c *db.Conflict) error {
	switch c.Field {
	case "email":
		return &Refused{"user_exists", "The user already exists."}
	case "username":
		return &Refused{"username_exists", "The username is taken."}
	}
	return c
}

// reasonOf is what a line says of an error: what the caller is told, and nothing of a fault.
func reasonOf(err error, otherwise string) string {
	var refused *Refused
	var no *hooks.Rejection
	switch {
	case errors.As(err, &refused):
		return refused.Description
	case errors.As(err, &no):
		return no.Error()
	}
	return otherwise
}
