package flows

import (
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// Bounds of refresh tokens. They always end: infinite_token_lifetime is maxRefreshLifetime.
const (
	maxRefreshLifetime     = 365 * 24 * time.Hour
	defaultRefreshLifetime = 30 * 24 * time.Hour
	defaultRefreshIdle     = 15 * 24 * time.Hour
	maxRefreshLeeway       = time.Minute
)

// refreshSettings is a client's refresh_token, as Auth0 has it. Lifetimes are seconds.
type refreshSettings struct {
	RotationType     string `json:"rotation_type"`   // rotating or non-rotating
	ExpirationType   string `json:"expiration_type"` // expiring or non-expiring
	Leeway           int64  `json:"leeway"`
	TokenLifetime    int64  `json:"token_lifetime"`
	IdleLifetime     int64  `json:"idle_token_lifetime"`
	InfiniteLifetime bool   `json:"infinite_token_lifetime"`
	InfiniteIdle     bool   `json:"infinite_idle_token_lifetime"`
}

// refreshing is how long a client's refresh tokens last, and how they follow each other. They rotate unless a client that keeps a secret
// says non-rotating: a public client's token, once stolen, would be known by nothing else.
func refreshing(client *db.Client) (lifetime time.Duration, how db.Rotation) {
	var s refreshSettings
	_ = json.Unmarshal(client.RefreshToken, &s) // settings that can't be read are the defaults, which are strict
	lifetime = within(s.TokenLifetime, maxRefreshLifetime, defaultRefreshLifetime)
	if s.InfiniteLifetime || s.ExpirationType == "non-expiring" {
		lifetime = maxRefreshLifetime
	}
	how.Idle = within(s.IdleLifetime, lifetime, min(defaultRefreshIdle, lifetime))
	if s.InfiniteIdle || s.ExpirationType == "non-expiring" {
		how.Idle = 0
	}
	how.Leeway = within(s.Leeway, maxRefreshLeeway, 0)
	how.Keep = s.RotationType == "non-rotating" && client.TokenEndpointAuthMethod != publicClient
	return lifetime, how
}

// within is a number of seconds, or what is in its place where it is none.
func within(n int64, most, instead time.Duration) time.Duration {
	if n <= 0 {
		return instead
	}
	return min(time.Duration(min(n, int64(most/time.Second)))*time.Second, most)
}

// mayRefresh reports whether a client may have refresh tokens for a resource server.
func mayRefresh(client *db.Client, t target) bool {
	return client != nil && Allows(client, GrantRefreshToken) && (t.server == nil || t.server.AllowOfflineAccess)
}
