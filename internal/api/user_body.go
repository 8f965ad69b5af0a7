package api

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// user is an account: the row of its own identity, and the identities that are linked to it.
type user struct {
	UserID        string        `json:"user_id"`
	Email         *string       `json:"email,omitempty"`
	EmailVerified bool          `json:"email_verified"`
	Username      *string       `json:"username,omitempty"`
	PhoneNumber   *string       `json:"phone_number,omitempty"`
	PhoneVerified *bool         `json:"phone_verified,omitempty"`
	Name          *string       `json:"name,omitempty"`
	GivenName     *string       `json:"given_name,omitempty"`
	FamilyName    *string       `json:"family_name,omitempty"`
	MiddleName    *string       `json:"middle_name,omitempty"`
	Nickname      *string       `json:"nickname,omitempty"`
	Picture       *string       `json:"picture,omitempty"`
	Profile       *string       `json:"profile,omitempty"`
	Website       *string       `json:"website,omitempty"`
	Gender        *string       `json:"gender,omitempty"`
	Birthdate     *string       `json:"birthdate,omitempty"`
	Zoneinfo      *string       `json:"zoneinfo,omitempty"`
	Locale        *string       `json:"locale,omitempty"`
	Address       anyJSONObject `json:"address,omitempty"`
	Blocked       bool          `json:"blocked"`
	Multifactor   []string      `json:"multifactor,omitempty"`
	UserMetadata  anyJSONObject `json:"user_metadata"`
	AppMetadata   anyJSONObject `json:"app_metadata"`
	Identities    []identity    `json:"identities" nullable:"false"`
	CreatedAt     time.Time     `json:"created_at"`
	UpdatedAt     time.Time     `json:"updated_at"`

	LoginsCount       int64      `json:"logins_count"`
	LastLogin         *time.Time `json:"last_login,omitempty"`
	LastIP            *string    `json:"last_ip,omitempty"`
	LastPasswordReset *time.Time `json:"last_password_reset,omitempty"`
}

// identity is one way to log in to an account.
type identity struct {
	Connection  string        `json:"connection"`
	Provider    string        `json:"provider"`
	UserID      string        `json:"user_id" doc:"Without the provider."`
	IsSocial    bool          `json:"isSocial"`
	ProfileData anyJSONObject `json:"profileData,omitempty" doc:"Of a linked identity: what its provider says."`
}

// userJSON shows an account; identities are its own first.
func userJSON(u *db.User, linked []*db.User, stats *db.UserStats) user {
	out := user{
		UserID: u.UserID, Email: u.Email, EmailVerified: u.EmailVerified, Username: u.Username, PhoneNumber: u.PhoneNumber,
		Name: u.Name, GivenName: u.GivenName, FamilyName: u.FamilyName, MiddleName: u.MiddleName, Nickname: u.Nickname, Picture: u.Picture,
		Profile: u.Profile, Website: u.Website, Gender: u.Gender, Birthdate: u.Birthdate, Zoneinfo: u.Zoneinfo, Locale: u.Locale,
		Address: anyJSONObject(u.Address), Blocked: u.Blocked, Multifactor: u.Multifactor, UserMetadata: anyJSONObject(u.UserMetadata),
		AppMetadata: anyJSONObject(u.AppMetadata), Identities: identities(u, linked), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
	if u.PhoneNumber != nil {
		out.PhoneVerified = &u.PhoneVerified
	}
	if stats != nil {
		out.LoginsCount, out.LastLogin, out.LastIP, out.LastPasswordReset = stats.LoginCount, stats.LastLogin, stats.LastIP, stats.LastPasswordReset
	}
	return out
}

func identities(own *db.User, linked []*db.User) []identity {
	list := []identity{identityJSON(own)}
	for _, u := range linked {
		id := identityJSON(u)
		id.ProfileData = profileOf(u)
		list = append(list, id)
	}
	return list
}

func identityJSON(u *db.User) identity {
	return identity{Connection: u.Connection, Provider: u.Provider, UserID: strings.TrimPrefix(u.UserID, u.Provider+"|"), IsSocial: u.IsSocial}
}

// profileOf is what a provider said, with what the row has in the place of it.
func profileOf(u *db.User) anyJSONObject {
	profile := map[string]json.RawMessage{}
	if json.Unmarshal(u.ProfileData, &profile) != nil || profile == nil {
		profile = map[string]json.RawMessage{}
	}
	for name, value := range map[string]*string{
		"email": u.Email, "username": u.Username, "phone_number": u.PhoneNumber, "name": u.Name, "given_name": u.GivenName,
		"family_name": u.FamilyName, "nickname": u.Nickname, "picture": u.Picture,
	} {
		if value != nil {
			profile[name], _ = json.Marshal(*value) // a string
		}
	}
	if u.Email != nil {
		profile["email_verified"], _ = json.Marshal(u.EmailVerified)
	}
	text, _ := json.Marshal(profile)
	return anyJSONObject(text)
}

// newUser is the body that makes a user.
type newUser struct {
	UserID        string     `json:"user_id,omitempty" maxLength:"255" pattern:"^[^\\s]*$" patternDescription:"without spaces" doc:"Made up unless given; the provider is put in front."`
	Connection    string     `json:"connection,omitempty" maxLength:"128" doc:"Username-Password-Authentication unless given."`
	Email         *string    `json:"email,omitempty" nullable:"true" maxLength:"320" pattern:"^$|^\\s*[^@\\s]+@[^@\\s]+\\s*$" patternDescription:"an e-mail address"`
	EmailVerified bool       `json:"email_verified,omitempty"`
	VerifyEmail   *bool      `json:"verify_email,omitempty" nullable:"true" doc:"Accepted; hooks send mails."`
	Username      *string    `json:"username,omitempty" nullable:"true" maxLength:"128"`
	Password      *string    `json:"password,omitempty" nullable:"true" minLength:"1" maxLength:"1024"`
	PhoneNumber   *string    `json:"phone_number,omitempty" nullable:"true" maxLength:"32"`
	PhoneVerified bool       `json:"phone_verified,omitempty"`
	Name          *string    `json:"name,omitempty" nullable:"true" maxLength:"300"`
	GivenName     *string    `json:"given_name,omitempty" nullable:"true" maxLength:"150"`
	FamilyName    *string    `json:"family_name,omitempty" nullable:"true" maxLength:"150"`
	MiddleName    *string    `json:"middle_name,omitempty" nullable:"true" maxLength:"150"`
	Nickname      *string    `json:"nickname,omitempty" nullable:"true" maxLength:"300"`
	Picture       *string    `json:"picture,omitempty" nullable:"true" maxLength:"2048"`
	Profile       *string    `json:"profile,omitempty" nullable:"true" maxLength:"2048"`
	Website       *string    `json:"website,omitempty" nullable:"true" maxLength:"2048"`
	Gender        *string    `json:"gender,omitempty" nullable:"true" maxLength:"50"`
	Birthdate     *string    `json:"birthdate,omitempty" nullable:"true" maxLength:"10"`
	Zoneinfo      *string    `json:"zoneinfo,omitempty" nullable:"true" maxLength:"100"`
	Locale        *string    `json:"locale,omitempty" nullable:"true" maxLength:"35"`
	Address       freeObject `json:"address,omitempty"`
	Blocked       bool       `json:"blocked,omitempty"`
	UserMetadata  freeObject `json:"user_metadata,omitempty"`
	AppMetadata   freeObject `json:"app_metadata,omitempty"`
}

func (b *newUser) row() db.CreateUser {
	return db.CreateUser{
		UserID: b.UserID, Connection: b.Connection, Email: b.Email, EmailVerified: b.EmailVerified, Username: b.Username, PhoneNumber: b.PhoneNumber,
		PhoneVerified: b.PhoneVerified, Name: b.Name, GivenName: b.GivenName, FamilyName: b.FamilyName, MiddleName: b.MiddleName, Nickname: b.Nickname,
		Picture: b.Picture, Profile: b.Profile, Website: b.Website, Gender: b.Gender, Birthdate: b.Birthdate, Zoneinfo: b.Zoneinfo, Locale: b.Locale,
		Address: json.RawMessage(b.Address), Blocked: b.Blocked, UserMetadata: json.RawMessage(b.UserMetadata), AppMetadata: json.RawMessage(b.AppMetadata),
	}
}

// changedUser is the body that changes one.
type changedUser struct {
	Connection    string            `json:"connection,omitempty" maxLength:"128" doc:"Accepted where it is the user's: a user stays in its connection."`
	ClientID      string            `json:"client_id,omitempty" maxLength:"128" doc:"Accepted; hooks send mails."`
	VerifyEmail   *bool             `json:"verify_email,omitempty" nullable:"true" doc:"Accepted; hooks send mails."`
	Email         maybe[string]     `json:"email,omitempty" maxLength:"320" pattern:"^$|^\\s*[^@\\s]+@[^@\\s]+\\s*$" patternDescription:"an e-mail address"`
	EmailVerified maybe[bool]       `json:"email_verified,omitempty"`
	Username      maybe[string]     `json:"username,omitempty" maxLength:"128"`
	Password      *string           `json:"password,omitempty" minLength:"1" maxLength:"1024"`
	PhoneNumber   maybe[string]     `json:"phone_number,omitempty" maxLength:"32"`
	PhoneVerified maybe[bool]       `json:"phone_verified,omitempty"`
	Name          maybe[string]     `json:"name,omitempty" maxLength:"300"`
	GivenName     maybe[string]     `json:"given_name,omitempty" maxLength:"150"`
	FamilyName    maybe[string]     `json:"family_name,omitempty" maxLength:"150"`
	MiddleName    maybe[string]     `json:"middle_name,omitempty" maxLength:"150"`
	Nickname      maybe[string]     `json:"nickname,omitempty" maxLength:"300"`
	Picture       maybe[string]     `json:"picture,omitempty" maxLength:"2048"`
	Profile       maybe[string]     `json:"profile,omitempty" maxLength:"2048"`
	Website       maybe[string]     `json:"website,omitempty" maxLength:"2048"`
	Gender        maybe[string]     `json:"gender,omitempty" maxLength:"50"`
	Birthdate     maybe[string]     `json:"birthdate,omitempty" maxLength:"10"`
	Zoneinfo      maybe[string]     `json:"zoneinfo,omitempty" maxLength:"100"`
	Locale        maybe[string]     `json:"locale,omitempty" maxLength:"35"`
	Address       maybe[freeObject] `json:"address,omitempty"`
	Blocked       maybe[bool]       `json:"blocked,omitempty"`
	Multifactor   maybe[[]string]   `json:"multifactor,omitempty" maxItems:"20"`
	UserMetadata  maybe[freeObject] `json:"user_metadata,omitempty" doc:"Merged at the first level: null removes a member, an empty object all."`
	AppMetadata   maybe[freeObject] `json:"app_metadata,omitempty" doc:"Merged as user_metadata is."`
}

func (b *changedUser) row() db.UpdateUser {
	return db.UpdateUser{
		Email: b.Email.Optional, EmailVerified: b.EmailVerified.Optional, Username: b.Username.Optional, PhoneNumber: b.PhoneNumber.Optional,
		PhoneVerified: b.PhoneVerified.Optional, Name: b.Name.Optional, GivenName: b.GivenName.Optional, FamilyName: b.FamilyName.Optional,
		MiddleName: b.MiddleName.Optional, Nickname: b.Nickname.Optional, Picture: b.Picture.Optional, Profile: b.Profile.Optional, Website: b.Website.Optional,
		Gender: b.Gender.Optional, Birthdate: b.Birthdate.Optional, Zoneinfo: b.Zoneinfo.Optional, Locale: b.Locale.Optional, Address: rawOrNull(b.Address),
		Blocked: b.Blocked.Optional, Multifactor: b.Multifactor.Optional, UserMetadata: rawObject(b.UserMetadata), AppMetadata: rawObject(b.AppMetadata),
		MergeMetadata: true,
	}
}
