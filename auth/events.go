package auth

import (
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// Event is the name of an event whose hooks are given a T. The constants are all there are; [Named] has them by name.
type Event[T Payload] string

// The events, in the order of a user's life.
const (
	// AfterRegister fires for every committed insert into auth.users: a linked identity is one too.
	AfterRegister Event[Registration] = "after_register"
	// SendVerificationEmail fires when a mail that verifies an address was asked for.
	SendVerificationEmail Event[SendEmail] = "send_verification_email"
	// AfterEmailVerify fires for every committed update by which email_verified turns true; not for a user who is
	// registered with a verified address.
	AfterEmailVerify Event[EmailVerification] = "after_email_verify"
	// SendLoginCode fires when a code to log in with was asked for: its Token is the code, and there need be no user yet.
	SendLoginCode Event[SendEmail] = "send_login_code"
	// AfterLogin fires for every successful login, those by OAuth included.
	AfterLogin Event[Login] = "after_login"
	// AfterLogout fires when a user logged out.
	AfterLogout Event[Logout] = "after_logout"
	// AfterOAuthLogin fires, besides AfterLogin, for a login by another provider.
	AfterOAuthLogin Event[OAuthLogin] = "after_oauth_login"
	// AfterOAuthRegister fires, besides AfterRegister, for a user who came by another provider.
	AfterOAuthRegister Event[OAuthRegistration] = "after_oauth_register"
	// AfterPasswordChange fires when a user who knew the password gave another.
	AfterPasswordChange Event[PasswordChange] = "after_password_change"
	// SendPasswordResetEmail fires when a mail that resets a password was asked for.
	SendPasswordResetEmail Event[SendEmail] = "send_password_reset_email"
	// AfterPasswordReset fires when a user who had asked for a mail gave another password.
	AfterPasswordReset Event[PasswordReset] = "after_password_reset"
)

// Payload is what a hook is given: one of this package's types. By whom and from where it happened says the event's stamp,
// [github.com/latchkey-dev/latchkey/hooks.Event.Stamp].
type Payload interface {
	// userID is the user whom the event is about; empty where there is none.
	userID() string
}

// Registration is what AfterRegister tells.
type Registration struct {
	User db.User `json:"user"`
}

// EmailVerification is what AfterEmailVerify tells: the user after the update.
type EmailVerification struct {
	User db.User `json:"user"`
}

// Login is what AfterLogin tells: the user as of the login, and the connection's name.
type Login struct {
	User       db.User `json:"user"`
	Connection string  `json:"connection"`
}

// Logout is what AfterLogout tells.
type Logout struct {
	UserID string `json:"user_id"`
}

// OAuthLogin is what AfterOAuthLogin tells.
type OAuthLogin struct {
	User      db.User `json:"user"`
	Provider  string  `json:"provider"`
	IsNewUser bool    `json:"is_new_user"`
}

// OAuthRegistration is what AfterOAuthRegister tells; UserInfo is what the provider said of the user, as it said it.
type OAuthRegistration struct {
	User     db.User         `json:"user"`
	UserInfo json.RawMessage `json:"user_info"`
}

// PasswordChange is what AfterPasswordChange tells.
type PasswordChange struct {
	User db.User `json:"user"`
}

// PasswordReset is what AfterPasswordReset tells.
type PasswordReset struct {
	User db.User `json:"user"`
}

// SendEmail is what SendVerificationEmail, SendLoginCode and SendPasswordResetEmail tell: where to send a mail to, and the token that it carries.
// The token exists in clear here alone, at the hook: in the row it is sealed ([RaiseSendEmail]), webhooks and hooks that are
// registered by name don't get it, and it shows in no log. It is given also when it is no longer valid. It is empty where the
// row has none.
type SendEmail struct {
	Email  string `json:"email"`
	UserID string `json:"user_id"`
	Token  string `json:"-"`
}

// Occurrence is what hooks that are registered by name are given ([Named]), of whichever event.
type Occurrence struct {
	Event    string
	TenantID string
	UserID   string
	At       time.Time       // when it was committed
	Payload  json.RawMessage // the event's own payload: {"user": {...}, ...}
}

func (e Registration) userID() string      { return e.User.UserID }
func (e EmailVerification) userID() string { return e.User.UserID }
func (e Login) userID() string             { return e.User.UserID }
func (e Logout) userID() string            { return e.UserID }
func (e OAuthLogin) userID() string        { return e.User.UserID }
func (e OAuthRegistration) userID() string { return e.User.UserID }
func (e PasswordChange) userID() string    { return e.User.UserID }
func (e PasswordReset) userID() string     { return e.User.UserID }
func (e SendEmail) userID() string         { return e.UserID }
func (e Occurrence) userID() string        { return e.UserID }
