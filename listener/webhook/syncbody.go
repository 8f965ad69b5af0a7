package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// syncBody is the classic body of a question, which has no event yet. Before and changed say what an update would do, updates
// what the caller asked for.
type syncBody struct {
	TenantID   string          `json:"tenant_id"`
	User       json.RawMessage `json:"user"`
	TriggerID  string          `json:"trigger_id"`
	EventID    string          `json:"event_id"`
	OccurredAt time.Time       `json:"occurred_at"`
	Origin     string          `json:"origin"`
	Request    *request        `json:"request"`
	Before     json.RawMessage `json:"before,omitempty"`
	Changed    []string        `json:"changed,omitempty"`
	Updates    json.RawMessage `json:"updates,omitempty"`
}

// SyncBody builds the body of a synchronous webhook. The user is as it would be; before a deletion as it is; of
// validate-registration-username there are email and connection only. Secrets are left out as in [Bodies].
func SyncBody(q *db.Question, at time.Time) ([]byte, error) {
	b := syncBody{
		TenantID: q.TenantID, TriggerID: q.Trigger, EventID: q.ID, OccurredAt: at.UTC(), Origin: hooks.OriginApp, Request: requestOf(q.Stamp),
	}
	err := b.rows(q)
	var text []byte
	if err == nil {
		text, err = marshal(b)
	}
	if err != nil {
		return nil, fmt.Errorf("webhook: body of %s: %w", q.Trigger, err)
	}
	return text, nil
}

func (b *syncBody) rows(q *db.Question) (err error) {
	if q.Trigger == ValidateRegistrationUsername {
		b.User, err = marshal(candidate{q.User.Email, q.User.Connection})
		return err
	}
	if b.User, err = userRow(q.User); err != nil || q.Before == nil {
		return err
	}
	if b.Before, err = userRow(*q.Before); err != nil {
		return err
	}
	before, err := object(b.Before)
	if err != nil {
		return err
	}
	user, err := object(b.User)
	if err != nil {
		return err
	}
	for _, column := range rowtext.Columns(reflect.TypeFor[db.User]()) {
		if !sameJSON(before[column], user[column]) {
			b.Changed = append(b.Changed, column)
		}
	}
	b.Updates = pick(user, q.Updates)
	return nil
}

// candidate is a user of whom no more is known.
type candidate struct {
	Email      *string `json:"email"`
	Connection string  `json:"connection"`
}

// userRow is a user as bodies have it. None of its columns has a secret's name.
func userRow(u db.User) (json.RawMessage, error) {
	u.CreatedAt, u.UpdatedAt = u.CreatedAt.UTC(), u.UpdatedAt.UTC()
	u.ProfileData = withoutSecrets(u.ProfileData)
	return marshal(u)
}

// pick takes some of an object's, in the order given.
func pick(of map[string]json.RawMessage, names []string) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, name := range names {
		value, has := of[name]
		if !has {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name + `":`)
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// sameJSON compares what is meant: jsonb has an order and spaces of its own.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var values [2]any
	for i, text := range []json.RawMessage{a, b} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&values[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}
