package recipes

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// EnrichUsers notes in user_metadata when and from where a user signed up: what the request's stamp says, which the service
// sets with db.WithStamp.
func EnrichUsers(reg *db.Hooks) {
	reg.Users.BeforeCreate("enrich", func(ctx context.Context, _ hooks.Tx, u *db.User) error {
		stamp := db.StampOf(ctx)
		metadata := map[string]string{"signup_date": u.CreatedAt.Format(time.RFC3339)}
		if stamp.IP != "" {
			metadata["signup_ip"] = stamp.IP
		}
		if stamp.GeoIP != nil {
			metadata["signup_country"] = stamp.GeoIP.CountryCode
		}
		return merge(&u.UserMetadata, metadata)
	})
}

// LockEmail keeps the e-mail address of users whose app_metadata says "email_locked": true.
func LockEmail(reg *db.Hooks) {
	reg.Users.BeforeUpdate("lock-email", func(_ context.Context, _ hooks.Tx, old db.User, u *db.User) error {
		var metadata struct {
			Locked bool `json:"email_locked"`
		}
		if err := json.Unmarshal(old.AppMetadata, &metadata); err != nil {
			return err
		}
		if metadata.Locked && email(old) != email(*u) {
			return hooks.Reject("email_locked", "The e-mail address of this user can't be changed")
		}
		return nil
	})
}

// CompanyMail refuses updates to an e-mail address outside of the domain, and notes who made the last one.
func CompanyMail(reg *db.Hooks, domain string) {
	reg.Users.BeforeUpdate("company-mail", func(ctx context.Context, _ hooks.Tx, old db.User, u *db.User) error {
		if now := email(*u); now != "" && now != email(old) && !strings.HasSuffix(now, "@"+domain) {
			return hooks.Reject("foreign_email", "The e-mail address must be one of "+domain)
		}
		return merge(&u.UserMetadata, map[string]string{"last_updated_by": db.StampOf(ctx).Actor})
	})
}

// Welcome has several hooks hear of every new user, in the order of their registration, whoever made the user.
func Welcome(reg *db.Hooks, log *slog.Logger) {
	reg.Users.AfterCreate("log", func(_ context.Context, _ hooks.Tx, _ hooks.Event, u db.User) error {
		log.Info("new user registered", "email", email(u))
		return nil
	})
	reg.Users.AfterCreate("track", func(_ context.Context, _ hooks.Tx, ev hooks.Event, u db.User) error {
		log.Info("signup tracked", "user_id", u.UserID, "origin", ev.Stamp().Origin)
		return nil
	})
	reg.Users.AfterDelete("log", func(_ context.Context, _ hooks.Tx, _ hooks.Event, u db.User) error {
		log.Info("user was deleted", "user_id", u.UserID)
		return nil
	})
}

// NotifyDeletion posts every deletion of a user to an address. The event's number is in the body: it is the same if a call
// is made again because its answer got lost.
func NotifyDeletion(reg *db.Hooks, client *http.Client, address string) {
	type notification struct {
		Type   string `json:"type"`
		UserID string `json:"user_id"`
		Event  int64  `json:"event"`
	}
	reg.Users.AfterDelete("notify-deletion", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, u db.User) error {
		return send(ctx, client, http.MethodPost, address, notification{"user_deleted", u.UserID, ev.Seq})
	})
}

func email(u db.User) string {
	if u.Email == nil {
		return ""
	}
	return *u.Email
}

// merge sets keys of a JSON object and leaves its others.
func merge(object *json.RawMessage, set map[string]string) error {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(*object, &all); err != nil {
		return err
	}
	for key, value := range set {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		all[key] = text
	}
	merged, err := json.Marshal(all)
	*object = merged
	return err
}
