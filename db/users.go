package db

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// User is an identity: an account, or one that is linked to an account (LinkedTo names it).
type User = dbsqlc.AuthUser

// CreateUser is what a new user is made of. Zero values mean: an id made of the provider and 16 letters and digits, the
// provider auth0, the connection Username-Password-Authentication.
//
// E-mail, username and phone number are trimmed, the e-mail is lowercased too, and an empty one is none; before the hooks
// and again after them. E-mail and username are unique in a connection, without regard to case. UserMetadata,
// AppMetadata and ProfileData are JSON objects.
type CreateUser struct {
	UserID        string          `json:"user_id"`
	Email         *string         `json:"email"`
	EmailVerified bool            `json:"email_verified"`
	Username      *string         `json:"username"`
	PhoneNumber   *string         `json:"phone_number"`
	PhoneVerified bool            `json:"phone_verified"`
	Name          *string         `json:"name"`
	GivenName     *string         `json:"given_name"`
	FamilyName    *string         `json:"family_name"`
	MiddleName    *string         `json:"middle_name"`
	Nickname      *string         `json:"nickname"`
	Picture       *string         `json:"picture"`
	Profile       *string         `json:"profile"`
	Website       *string         `json:"website"`
	Gender        *string         `json:"gender"`
	Birthdate     *string         `json:"birthdate"`
	Zoneinfo      *string         `json:"zoneinfo"`
	Locale        *string         `json:"locale"`
	Address       json.RawMessage `json:"address"`
	Provider      string          `json:"provider"`
	Connection    string          `json:"connection"`
	IsSocial      bool            `json:"is_social"`
	ProfileData   json.RawMessage `json:"profile_data"`
	LinkedTo      *string         `json:"linked_to"`
	Blocked       bool            `json:"blocked"`
	Multifactor   []string        `json:"multifactor"`
	UserMetadata  json.RawMessage `json:"user_metadata"`
	AppMetadata   json.RawMessage `json:"app_metadata"`

	// PasswordHash is stored in the same transaction, as [Users.SetPassword] does; empty: the user has no password.
	PasswordHash string `json:"-"`
}

// UpdateUser changes the fields that are present; provider and connection stay. UserMetadata, AppMetadata, ProfileData
// and Address are replaced as a whole, and null makes the first three {}.
type UpdateUser struct {
	Email         Optional[string]          `json:"email"`
	EmailVerified Optional[bool]            `json:"email_verified"`
	Username      Optional[string]          `json:"username"`
	PhoneNumber   Optional[string]          `json:"phone_number"`
	PhoneVerified Optional[bool]            `json:"phone_verified"`
	Name          Optional[string]          `json:"name"`
	GivenName     Optional[string]          `json:"given_name"`
	FamilyName    Optional[string]          `json:"family_name"`
	MiddleName    Optional[string]          `json:"middle_name"`
	Nickname      Optional[string]          `json:"nickname"`
	Picture       Optional[string]          `json:"picture"`
	Profile       Optional[string]          `json:"profile"`
	Website       Optional[string]          `json:"website"`
	Gender        Optional[string]          `json:"gender"`
	Birthdate     Optional[string]          `json:"birthdate"`
	Zoneinfo      Optional[string]          `json:"zoneinfo"`
	Locale        Optional[string]          `json:"locale"`
	Address       Optional[json.RawMessage] `json:"address"`
	ProfileData   Optional[json.RawMessage] `json:"profile_data"`
	LinkedTo      Optional[string]          `json:"linked_to"`
	Blocked       Optional[bool]            `json:"blocked"`
	Multifactor   Optional[[]string]        `json:"multifactor"`
	UserMetadata  Optional[json.RawMessage] `json:"user_metadata"`
	AppMetadata   Optional[json.RawMessage] `json:"app_metadata"`

	// MergeMetadata merges UserMetadata and AppMetadata into what the user has, at the first level: a member replaces the one
	// of its name, a null one removes it, and an object without members leaves nothing.
	MergeMetadata bool `json:"-"`

	// PasswordHash replaces the password in the same transaction, as [Users.SetPassword] does; empty: it stays.
	PasswordHash string `json:"-"`
}

// Users is the repository of users. Creating one, and changing its e-mail or email_verified, links it to the account that has the same
// verified address, see user_linking.go. Deleting one takes its linked identities along, and with each its roles, permissions and
// memberships. Synchronous webhooks are asked before a write, see [Asker].
type Users struct {
	Repository[User, string, CreateUser, UpdateUser]
}

// Identities reads a user and the identities that are linked to it: its own first, the others from old to new.
// Errors: [ErrNotFound].
func (u *Users) Identities(ctx context.Context, tenantID, id string) ([]User, error) {
	users, err := dbsqlc.New(u.s.reader()).ListIdentities(ctx, tenantID, id)
	if err == nil && len(users) == 0 {
		err = ErrNotFound
	}
	return users, failed(err, "list", "identities")
}

// LinkedTo reads the identities that are linked to any of the users, from old to new.
func (u *Users) LinkedTo(ctx context.Context, tenantID string, ids ...string) ([]User, error) {
	users, err := dbsqlc.New(u.s.reader()).ListLinkedUsers(ctx, tenantID, ids)
	return users, failed(err, "list", "identities")
}

// linkedTo is the users that are linked to $2, and those linked to them.
const linkedTo = `(
	with recursive linked as (
		select u.user_id from auth.users u where u.tenant_id = $1 and u.linked_to = $2
		 union
		select u.user_id from auth.users u join linked l on u.linked_to = l.user_id where u.tenant_id = $1)
	select user_id from linked where user_id <> $2)`

func newUsers(s *session, h *Hooks) *Users {
	e := &entity[User, string, CreateUser, UpdateUser]{
		name:   "user",
		hooks:  h.Users,
		list:   usersListing(),
		create: createUser,
		update: updateUser,
		keep:   func(u *User, was User) { u.TenantID, u.UserID, u.CreatedAt = was.TenantID, was.UserID, was.CreatedAt },
		normalize: func(u *User) error {
			clean(&u.Email, strings.ToLower)
			clean(&u.Username, nil)
			clean(&u.PhoneNumber, nil)
			notNull(&u.Multifactor)
			return every(
				required("user", "provider", u.Provider), required("user", "connection", u.Connection),
				object("user", "profile_data", &u.ProfileData),
				object("user", "user_metadata", &u.UserMetadata), object("user", "app_metadata", &u.AppMetadata),
			)
		},
		asks: triggers{create: askCreate, update: askUpdate, remove: askDelete, along: "tenant_id = $1 and user_id in " + linkedTo},
		takes: func(tenantID, id string) []taken {
			const theirs = "tenant_id = $1 and (user_id = $2 or user_id in " + linkedTo + ")"
			return []taken{
				takenRows(h.Users, "tenant_id = $1 and user_id in "+linkedTo, tenantID, id).holding(),
				takenRows(h.UserRoles, theirs, tenantID, id),
				takenRows(h.UserPermissions, theirs, tenantID, id),
				takenRows(h.OrganizationMembers, theirs, tenantID, id).holding(),
				takenRows(h.OrganizationMemberRoles, theirs, tenantID, id),
			}
		},
		get:  (*queries).GetUser,
		lock: (*queries).LockUser,
		insert: func(q *queries, ctx context.Context, u User) (User, error) {
			return q.InsertUser(ctx, dbsqlc.InsertUserParams(u))
		},
		change: func(q *queries, ctx context.Context, u User) (User, error) {
			return q.UpdateUser(ctx, dbsqlc.UpdateUserParams(u))
		},
		remove: (*queries).DeleteUser,
	}
	if !s.unlinked {
		e.joinNew, e.joinChanged = linkNew, linkChanged
	}
	return &Users{Repository[User, string, CreateUser, UpdateUser]{s: s, e: e}}
}

func createUser(tenantID string, now time.Time, in CreateUser) User {
	return User{
		TenantID: tenantID, UserID: userID(in),
		Email: in.Email, EmailVerified: in.EmailVerified, Username: in.Username,
		PhoneNumber: in.PhoneNumber, PhoneVerified: in.PhoneVerified,
		Name: in.Name, GivenName: in.GivenName, FamilyName: in.FamilyName, MiddleName: in.MiddleName, Nickname: in.Nickname,
		Picture: in.Picture, Profile: in.Profile, Website: in.Website, Gender: in.Gender, Birthdate: in.Birthdate,
		Zoneinfo: in.Zoneinfo, Locale: in.Locale, Address: in.Address,
		Provider: cmp.Or(in.Provider, "auth0"), Connection: cmp.Or(in.Connection, "Username-Password-Authentication"), IsSocial: in.IsSocial,
		ProfileData: in.ProfileData, LinkedTo: in.LinkedTo, Blocked: in.Blocked, Multifactor: in.Multifactor,
		UserMetadata: in.UserMetadata, AppMetadata: in.AppMetadata, CreatedAt: now, UpdatedAt: now,
	}
}

func userID(in CreateUser) string { return idOr(in.UserID, cmp.Or(in.Provider, "auth0")+"|") }

func updateUser(u *User, now time.Time, in UpdateUser) {
	in.Email.applyNull(&u.Email)
	in.EmailVerified.apply(&u.EmailVerified)
	in.Username.applyNull(&u.Username)
	in.PhoneNumber.applyNull(&u.PhoneNumber)
	in.PhoneVerified.apply(&u.PhoneVerified)
	in.Name.applyNull(&u.Name)
	in.GivenName.applyNull(&u.GivenName)
	in.FamilyName.applyNull(&u.FamilyName)
	in.MiddleName.applyNull(&u.MiddleName)
	in.Nickname.applyNull(&u.Nickname)
	in.Picture.applyNull(&u.Picture)
	in.Profile.applyNull(&u.Profile)
	in.Website.applyNull(&u.Website)
	in.Gender.applyNull(&u.Gender)
	in.Birthdate.applyNull(&u.Birthdate)
	in.Zoneinfo.applyNull(&u.Zoneinfo)
	in.Locale.applyNull(&u.Locale)
	in.Address.apply(&u.Address)
	in.ProfileData.apply(&u.ProfileData)
	in.LinkedTo.applyNull(&u.LinkedTo)
	in.Blocked.apply(&u.Blocked)
	in.Multifactor.apply(&u.Multifactor)
	applyMerged(in.UserMetadata, in.MergeMetadata, &u.UserMetadata)
	applyMerged(in.AppMetadata, in.MergeMetadata, &u.AppMetadata)
	u.UpdatedAt = now
}

// clean trims a text that is none when it is empty. The row may share it with the caller's, so it is replaced.
func clean(text **string, also func(string) string) {
	if *text == nil {
		return
	}
	s := strings.TrimSpace(**text)
	if also != nil {
		s = also(s)
	}
	if *text = &s; s == "" {
		*text = nil
	}
}

func usersListing() listing {
	return listing{
		table: "auth.users", tenant: "tenant_id", fallback: "user_id",
		filter: []string{
			"user_id", "email", "email_verified", "username", "phone_number", "name", "given_name", "family_name", "nickname",
			"provider", "connection", "blocked", "linked_to", "created_at", "updated_at",
		},
		sort: []string{"user_id", "email", "username", "name", "given_name", "family_name", "nickname", "created_at", "updated_at"},
	}
}
