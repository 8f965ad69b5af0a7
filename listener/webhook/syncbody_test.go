package webhook

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// A question's user is marshalled as it is, so a column that is secret by its name would be in it.
func TestUserHasNoSecretColumn(t *testing.T) {
	t.Parallel()
	for _, column := range rowtext.Columns(reflect.TypeFor[db.User]()) {
		if secretName(column) {
			t.Errorf("leave %s out of userRow", column)
		}
	}
}

func TestSyncBody(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	was := db.User{UserID: "ann", UserMetadata: json.RawMessage(`{"b": 1, "a": [1, 2]}`), CreatedAt: at}
	is := was
	is.UserMetadata, is.Blocked = json.RawMessage(`{"a":[1,2],"b":1}`), true
	text, err := SyncBody(&db.Question{ID: "evt_1", TenantID: "acme", Trigger: PreUserUpdate, User: is, Before: &was, Updates: []string{"blocked", "user_metadata"}}, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"occurred_at":"2026-01-02T02:04:05Z"`, `"created_at":"2026-01-02T02:04:05Z"`, `"changed":["blocked"]`, `"origin":"app"`,
		`"updates":{"blocked":true,"user_metadata":{"a":[1,2],"b":1}}`, `"request":{}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if text, err = SyncBody(&db.Question{TenantID: "acme", Trigger: PreUserDeletion, User: was}, at); err != nil || strings.Contains(string(text), `"updates"`) {
		t.Errorf("%s %v", text, err)
	}
}
