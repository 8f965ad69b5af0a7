package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

const (
	loginCodeLifetime = 10 * time.Minute
	mostCodeTries     = 5  // at one code
	mostCodes         = 5  // to one address, in a window of tries
	mostCodesFromIP   = 50 // from one IP address
)

// SendCode is whom a code to log in with is sent to. Connection is "" for the only one of the strategy email that the application may use.
type SendCode struct {
	Connection string
	Address    string
	Request    json.RawMessage // what the login is to be continued with, for a link; an object
}

// SendCode sends six digits to an e-mail address, by the event send_login_code, in which they are sealed; the code before them ends. They
// are good for ten minutes, five tries and one login. It answers the same whether somebody has the address. After five in 15 minutes
// nothing more is sent to an address. Errors: [Refused] with too_many_attempts (from one IP address), invalid_request.
func (f *Flows) SendCode(ctx context.Context, c Caller, in SendCode) error {
	ctx, began := c.stamped(ctx), time.Now()
	con, err := f.connection(ctx, &c, in.Connection, strategyEmail)
	if err != nil {
		return err
	}
	in.Address = normal(in.Address)
	if !isAddress(in.Address) {
		return &Refused{"invalid_request", "The e-mail address is none."}
	}
	if err := f.limit(ctx, &c, "code/address", network(c.Request.IP), mostCodesFromIP); err != nil {
		return err
	}
	if err := f.sendCode(ctx, &c, &con, &in); err != nil {
		return err
	}
	return evenly(ctx, began)
}

func (f *Flows) sendCode(ctx context.Context, c *Caller, con *usable, in *SendCode) error {
	many, err := f.limited(ctx, c, "code/mail", con.Name+"\n"+in.Address, mostCodes)
	if err != nil {
		return err
	}
	user, err := f.userIn(ctx, c, con, in.Address)
	if err != nil {
		return err
	}
	of := logOf{user: user, typed: in.Address}.in(&con.Connection)
	switch {
	case many:
		f.logLine(ctx, *c, logLoginFailed, "Too many codes were sent to this address: this one wasn't.", of)
		return nil
	case user == nil && con.options.DisableSignup:
		f.logLine(ctx, *c, logUnknownUser, "Nobody has this e-mail address, and the connection takes no signups.", of)
		return nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%06d", n)
	put := db.PutLoginCode{Connection: con.Name, Address: in.Address, Hash: f.hashOfCode(c, con, in.Address, code), Request: in.Request, Lifetime: loginCodeLifetime}
	if c.Client != nil {
		put.ClientID = &c.Client.ClientID
	}
	mail := auth.SendEmail{Email: in.Address, Token: code}
	if user != nil {
		mail.UserID = user.UserID
	}
	return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.LoginCodes.Put(ctx, c.Tenant.ID, put); err != nil {
			return err
		}
		if err := auth.RaiseSendEmail(ctx, tx.AuthEvents, f.cfg.Keys, c.Tenant.ID, auth.SendLoginCode, mail); err != nil {
			return err
		}
		return f.logIn(ctx, tx, *c, logCodeSent, "A code was sent.", of)
	})
}

// CheckCode says whose code it is. Whoever has none of the address yet is signed up, with a verified address, after all hooks of a
// registration; unless the connection's options say disable_signup. Errors: [Refused] with invalid_grant, too_many_attempts,
// access_denied, invalid_request; hooks.Rejection.
func (f *Flows) CheckCode(ctx context.Context, c Caller, connection, address, code string) (Authenticated, error) {
	address = normal(address)
	who, err := f.checkCode(c.stamped(ctx), &c, connection, address, code)
	return who, f.loginFailed(ctx, c, err, logOf{typed: address, connection: connection})
}

func (f *Flows) checkCode(ctx context.Context, c *Caller, connection, address, code string) (who Authenticated, err error) {
	con, err := f.connection(ctx, c, connection, strategyEmail)
	if err != nil {
		return who, err
	}
	from := network(c.Request.IP)
	if err := f.limit(ctx, c, tryOfAddress, from, mostOfAddress); err != nil {
		if isTooMany(err) {
			f.logLine(ctx, *c, logTooManyOfAddress, "Too many tries that failed came from this address.", logOf{typed: address}.in(&con.Connection))
		}
		return who, err
	}
	_, err = f.cfg.Store.LoginCodes.Use(ctx, c.Tenant.ID, con.Name, address, f.hashOfCode(c, &con, address, code), mostCodeTries)
	if errors.Is(err, db.ErrNotFound) {
		wrong := &Refused{"invalid_grant", "Wrong email or verification code."}
		return who, &failedLogin{wrong, logLoginFailed, "The code is wrong, or no longer good.", logOf{typed: address}.in(&con.Connection)}
	}
	if err != nil {
		return who, err
	}
	if from != "" {
		if err := f.cfg.Store.Tries.TakeBack(ctx, c.Tenant.ID, tryOfAddress, from); err != nil {
			return who, err
		}
	}
	user, isNew, err := f.byMail(ctx, c, &con, address)
	if err != nil {
		return who, err
	}
	return f.authenticatedBy(ctx, &user, &con, "email", isNew)
}

// byMail is the user of an address whose mail somebody reads, a new one where there is none.
func (f *Flows) byMail(ctx context.Context, c *Caller, con *usable, address string) (db.User, bool, error) {
	user, err := f.userIn(ctx, c, con, address)
	switch {
	case err != nil:
		return db.User{}, false, err
	case user != nil && (user.EmailVerified || user.Email == nil || *user.Email != address):
		return *user, false, nil
	case user != nil:
		u, err := f.cfg.Store.Users.Update(ctx, c.Tenant.ID, user.UserID, db.UpdateUser{EmailVerified: db.Set(true)})
		return u, false, err
	case con.options.DisableSignup:
		return db.User{}, false, errNoSignup()
	}
	if err := f.ValidateUsername(ctx, *c, address, con.Name); err != nil {
		return db.User{}, false, err
	}
	u, err := f.create(ctx, c, con, db.CreateUser{
		UserID: newUserID(con), Email: &address, EmailVerified: true, Provider: con.Strategy, Connection: con.Name,
	}, func(*db.Tx, *db.User) error { return nil })
	if taken := (&db.Conflict{}); errors.As(err, &taken) { // by another way to sign up, just now
		if user, err = f.userIn(ctx, c, con, address); err == nil && user != nil {
			return *user, false, nil
		}
	}
	return u, true, err
}

// hashOfCode tells nothing of a code without the server's key: all codes are hashed in no time.
func (f *Flows) hashOfCode(c *Caller, con *usable, address, code string) []byte {
	return f.cfg.Keys.MAC("login_code/"+c.Tenant.ID+"/"+con.ID+"/"+address, []byte(code))
}
