package auth

import (
	"context"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// PreUserRegistration is what its hooks are told.
type PreUserRegistration struct {
	Tenant   Tenant
	User     db.User // as it will be, with what earlier hooks made of it; changing it here changes nothing
	Request  Request
	ClientID string // of the application that the user signs up with; empty where there is none

	client clientOf
}

// Client reads the application, through the hook's transaction; nil where there is none. A hook that doesn't ask costs no round trip.
func (e *PreUserRegistration) Client(ctx context.Context) (*Client, error) { return e.client.read(ctx) }

// PreUserRegistrationAPI is what a PreUserRegistration hook may do.
type PreUserRegistrationAPI struct {
	User  UserMetadata
	Token Tokens

	said *said
}

// Deny refuses the registration, with a reason for the user and the code registration_denied; hooks.Reject, returned, has a
// code of one's own. The hook goes on until it returns, and the first refusal counts.
func (a PreUserRegistrationAPI) Deny(reason string) {
	a.said.refuse("registration_denied", reason, noRegistration)
}

const noRegistration = "The registration was refused"

// PostUserRegistration is what its hooks are told. Request is nil for a user whom no repository inserted.
type PostUserRegistration struct {
	Event    hooks.Event
	Tenant   Tenant
	User     db.User
	Request  *Request
	ClientID string

	client clientOf
}

// Client reads the application as it is now, through the hook's transaction; nil where there is none, or no longer.
func (e *PostUserRegistration) Client(ctx context.Context) (*Client, error) {
	return e.client.read(ctx)
}

// PostUserRegistrationAPI is what a PostUserRegistration hook may do.
type PostUserRegistrationAPI struct{ Token Tokens }

// PreUserUpdate is what its hooks are told.
type PreUserUpdate struct {
	Tenant  Tenant
	UserID  string
	User    db.User       // as it is
	Updates db.UpdateUser // what was asked for, and only that
	Request Request
}

// PreUserUpdateAPI is what a PreUserUpdate hook may do.
type PreUserUpdateAPI struct {
	User  UserMetadata
	Token Tokens

	said *said
}

// Cancel refuses the update, with a reason and the code update_cancelled; otherwise as [PreUserRegistrationAPI.Deny].
func (a PreUserUpdateAPI) Cancel(reason string) {
	a.said.refuse("update_cancelled", reason, "The update was cancelled")
}

// PreUserDeletion is what its hooks are told.
type PreUserDeletion struct {
	Tenant  Tenant
	UserID  string
	User    db.User
	Request Request
}

// PreUserDeletionAPI is what a PreUserDeletion hook may do.
type PreUserDeletionAPI struct {
	Token Tokens

	said *said
}

// Cancel refuses the deletion, with a reason and the code deletion_cancelled; otherwise as [PreUserRegistrationAPI.Deny].
func (a PreUserDeletionAPI) Cancel(reason string) {
	a.said.refuse("deletion_cancelled", reason, "The deletion was cancelled")
}

// PostUserDeletion is what its hooks are told: the whole user as it was. Request is nil for a delete that no repository made.
type PostUserDeletion struct {
	Event   hooks.Event
	Tenant  Tenant
	UserID  string
	User    db.User
	Request *Request
}

// PostUserDeletionAPI is what a PostUserDeletion hook may do.
type PostUserDeletionAPI struct{ Token Tokens }
