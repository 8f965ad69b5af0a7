package api

import (
	"encoding/base64"
	"encoding/json"

	"github.com/latchkey-dev/latchkey/listener"
)

// Ids of deliveries and cursors of lists are opaque to callers: what stands in them may change.

const deliveryPrefix = "dlv_"

type point struct {
	Hook string `json:"h"`
	Run  int64  `json:"r,omitempty"`
	Seq  int64  `json:"s"`
}

func deliveryID(hook string, run, seq int64) string {
	return deliveryPrefix + pointText(hook, run, seq)
}

func pointText(hook string, run, seq int64) string {
	text, _ := json.Marshal(point{hook, run, seq}) // a string and two numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseDeliveryID is not ok for what is no id of ours: there is no such delivery then.
func parseDeliveryID(id string) (listener.WebhookPoint, bool) {
	if len(id) <= len(deliveryPrefix) || id[:len(deliveryPrefix)] != deliveryPrefix {
		return listener.WebhookPoint{}, false
	}
	return parsePoint(id[len(deliveryPrefix):])
}

func parsePoint(text string) (listener.WebhookPoint, bool) {
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
