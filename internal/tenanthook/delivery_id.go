package tenanthook

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/latchkey-dev/latchkey/listener"
)

const deliveryPrefix = "dlv_"

type point struct {
	Hook string `json:"h"`
	Run  int64  `json:"r,omitempty"`
	Seq  int64  `json:"s"`
}

// DeliveryID is a delivery's id, dlv_.... It is opaque to callers: what stands in it may change.
func DeliveryID(d *listener.WebhookDelivery) string { return deliveryPrefix + Cursor(d) }

// Cursor is a delivery's place in a list, for the page that comes after it.
func Cursor(d *listener.WebhookDelivery) string {
	text, _ := json.Marshal(point{d.HookID, d.Run, d.Seq}) // a string and two numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseDeliveryID is not ok for what is no id of ours: there is no such delivery then.
func ParseDeliveryID(id string) (listener.WebhookPoint, bool) {
	text, ok := strings.CutPrefix(id, deliveryPrefix)
	if !ok {
		return listener.WebhookPoint{}, false
	}
	return ParseCursor(text)
}

// ParseCursor is not ok for what is none of ours.
func ParseCursor(text string) (listener.WebhookPoint, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return listener.WebhookPoint{}, false
	}
	var p point
	if json.Unmarshal(raw, &p) != nil || p.Hook == "" || p.Seq < 1 || p.Run < 0 {
		return listener.WebhookPoint{}, false
	}
	return listener.WebhookPoint{HookID: p.Hook, Run: p.Run, Seq: p.Seq}, true
}
