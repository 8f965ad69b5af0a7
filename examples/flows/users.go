package flows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
)

// LockEmail keeps the e-mail address of users whose app_metadata says "email_locked": true.
func LockEmail(flows *auth.Hooks) {
	flows.PreUserUpdate("lock-email", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserUpdate, api auth.PreUserUpdateAPI) error {
		locked, err := auth.Metadata[bool](ev.User.AppMetadata, "email_locked")
		if ev.Updates.Email.Present() && locked {
			api.Cancel("The e-mail address of this user can't be changed")
		}
		return err
	})
}

// Protect keeps users whose app_metadata says "protected": true from being deleted.
func Protect(flows *auth.Hooks) {
	flows.PreUserDeletion("protect", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserDeletion, api auth.PreUserDeletionAPI) error {
		protected, err := auth.Metadata[bool](ev.User.AppMetadata, "protected")
		if protected {
			api.Cancel("This user is protected")
		}
		return err
	})
}

// NotifyDeletion posts every deletion of a user to an address, with a token by which the receiver knows the tenant. The event's number
// is in the body: it is the same if a call is made again because its answer got lost.
func NotifyDeletion(flows *auth.Hooks, client *http.Client, address string) {
	type notification struct {
		Type   string `json:"type"`
		UserID string `json:"user_id"`
		Event  int64  `json:"event"`
	}
	flows.PostUserDeletion("notify", func(ctx context.Context, _ hooks.Tx, ev *auth.PostUserDeletion, api auth.PostUserDeletionAPI) error {
		token, err := api.Token.CreateServiceToken(ctx, auth.ServiceToken{Scope: "send:notifications", ExpiresIn: time.Minute})
		if err != nil {
			return err
		}
		body, err := json.Marshal(notification{"user_deleted", ev.UserID, ev.Event.Seq})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode >= http.StatusMultipleChoices {
			return fmt.Errorf("the notification was answered with %s", answer.Status)
		}
		return nil
	})
}
