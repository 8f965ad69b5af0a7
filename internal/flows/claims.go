package flows

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// claimsOf is what the scopes tell of a user (OpenID Connect Core 1.0, 5.4), without the subject. What isn't known of it is left out.
func claimsOf(u *db.User, scope []string) (auth.Members, error) {
	has := func(name string) bool { return slices.Contains(scope, name) }
	all := map[string]interface{}{}
	if has("profile") {
		for name, value := range map[string]*string{
			"name": u.Name, "given_name": u.GivenName, "family_name": u.FamilyName, "middle_name": u.MiddleName, "nickname": u.Nickname,
			"preferred_username": u.Username, "profile": u.Profile, "picture": u.Picture, "website": u.Website, "gender": u.Gender,
			"birthdate": u.Birthdate, "zoneinfo": u.Zoneinfo, "locale": u.Locale,
		} {
			if value != nil && *value != "" {
				all[name] = *value
			}
		}
		all["updated_at"] = u.UpdatedAt.Unix()
	}
	if has("email") && u.Email != nil {
		all["email"], all["email_verified"] = *u.Email, u.EmailVerified
	}
	if has("phone") && u.PhoneNumber != nil {
		all["phone_number"], all["phone_number_verified"] = *u.PhoneNumber, u.PhoneVerified
	}
	if has("address") && len(u.Address) > 0 && string(u.Address) != "null" {
		all["address"] = u.Address
	}
	claims := auth.Members{}
	for name, value := range all {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", name, err)
		}
		claims[name] = raw
	}
	return claims, nil
}
