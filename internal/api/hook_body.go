package api

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// hook is a hook as it is answered.
type hook struct {
	HookID      string        `json:"hook_id"`
	Name        string        `json:"name"`
	TriggerID   string        `json:"trigger_id"`
	Enabled     bool          `json:"enabled"`
	Priority    int32         `json:"priority" doc:"Higher ones are asked first."`
	Synchronous bool          `json:"synchronous" doc:"It is asked before the write: so the trigger says."`
	Metadata    anyJSONObject `json:"metadata"`
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`

	FormID             *string `json:"form_id,omitempty" doc:"Of a form."`
	PageID             *string `json:"page_id,omitempty" doc:"Of a page."`
	PermissionRequired *string `json:"permission_required,omitempty" doc:"Of a page: who lacks it isn't shown the page."`

	URL          *string           `json:"url,omitempty" doc:"Of a webhook, as all that follows."`
	Secret       *string           `json:"secret,omitempty" doc:"What signs its requests. It is shown once: at creation, and when it is replaced."`
	Headers      map[string]string `json:"headers,omitempty" doc:"What its requests have besides; the values are masked."`
	WhenChanged  []string          `json:"when_changed,omitempty" doc:"Of updates, only those that changed one of these columns."`
	OnError      *string           `json:"on_error,omitempty" enum:"deny,allow" doc:"What a synchronous one decides that gives no usable answer."`
	TimeoutMS    *int32            `json:"timeout_ms,omitempty"`
	RateLimit    *float64          `json:"rate_limit,omitempty" doc:"Requests a second."`
	Status       *string           `json:"status,omitempty" enum:"active,paused,disabled"`
	StatusReason *string           `json:"status_reason,omitempty" doc:"Why it is disabled."`
}

// hookAnswer shows a hook; headers are those that it has, in clear.
func (s *server) hookAnswer(h *db.TenantHook, headers map[string]string) hook {
	trigger, _ := webhook.ParseTrigger(h.TriggerID, s.cfg.Tables) // of a table that is no longer hooked: one that wants nothing
	out := hook{
		HookID: h.HookID, Name: h.Name, TriggerID: h.TriggerID, Enabled: h.Enabled, Priority: h.Priority, Synchronous: trigger.Sync(),
		Metadata: anyJSONObject(h.Metadata), CreatedAt: h.CreatedAt.UTC(), UpdatedAt: h.UpdatedAt.UTC(),
		FormID: h.FormID, PageID: h.PageID, PermissionRequired: h.PermissionRequired, URL: h.URL,
	}
	if h.URL == nil {
		return out
	}
	out.WhenChanged, out.OnError, out.TimeoutMS, out.RateLimit, out.Status = h.WhenChanged, &h.OnError, h.TimeoutMS, h.RateLimit, &h.Status
	out.StatusReason = given(h.StatusReason)
	if len(headers) > 0 {
		out.Headers = map[string]string{}
		for name := range headers {
			out.Headers[name] = tenanthook.Mask
		}
	}
	return out
}

// newHook is the body that makes a hook.
type newHook struct {
	HookID             string            `json:"hook_id,omitempty" pattern:"^[A-Za-z0-9_-]{1,64}$" patternDescription:"1 to 64 letters, digits, - or _" doc:"Made up unless given."`
	Name               string            `json:"name,omitempty" maxLength:"200"`
	TriggerID          string            `json:"trigger_id" minLength:"1" maxLength:"200"`
	URL                *string           `json:"url,omitempty" nullable:"true" maxLength:"2048" doc:"Makes it a webhook."`
	FormID             *string           `json:"form_id,omitempty" nullable:"true" minLength:"1" maxLength:"100" doc:"Makes it a form."`
	PageID             *string           `json:"page_id,omitempty" nullable:"true" minLength:"1" maxLength:"100" doc:"Makes it a page."`
	PermissionRequired *string           `json:"permission_required,omitempty" nullable:"true" minLength:"1" maxLength:"280"`
	Enabled            *bool             `json:"enabled,omitempty" nullable:"true" doc:"True unless given."`
	Priority           int32             `json:"priority,omitempty"`
	Metadata           freeObject        `json:"metadata,omitempty"`
	WhenChanged        []string          `json:"when_changed,omitempty" maxItems:"100"`
	OnError            *string           `json:"on_error,omitempty" nullable:"true" enum:"deny,allow" doc:"deny unless given."`
	TimeoutMS          *int32            `json:"timeout_ms,omitempty" nullable:"true"`
	RateLimit          *float64          `json:"rate_limit,omitempty" nullable:"true"`
	Headers            map[string]string `json:"headers,omitempty"`
	Secret             *string           `json:"secret,omitempty" nullable:"true" doc:"whsec_ and 24 to 64 bytes in base64. Made up unless given."`
}

// changedHook is the body that changes one: absent keeps, null clears.
type changedHook struct {
	Name               maybe[string]            `json:"name,omitempty" maxLength:"200"`
	TriggerID          maybe[string]            `json:"trigger_id,omitempty" minLength:"1" maxLength:"200"`
	URL                maybe[string]            `json:"url,omitempty" maxLength:"2048"`
	FormID             maybe[string]            `json:"form_id,omitempty" minLength:"1" maxLength:"100"`
	PageID             maybe[string]            `json:"page_id,omitempty" minLength:"1" maxLength:"100"`
	PermissionRequired maybe[string]            `json:"permission_required,omitempty" minLength:"1" maxLength:"280"`
	Enabled            maybe[bool]              `json:"enabled,omitempty"`
	Priority           maybe[int32]             `json:"priority,omitempty"`
	Metadata           maybe[freeObject]        `json:"metadata,omitempty"`
	WhenChanged        maybe[[]string]          `json:"when_changed,omitempty" maxItems:"100"`
	OnError            maybe[string]            `json:"on_error,omitempty" pattern:"^(deny|allow)$" patternDescription:"deny or allow"`
	TimeoutMS          maybe[int32]             `json:"timeout_ms,omitempty"`
	RateLimit          maybe[float64]           `json:"rate_limit,omitempty"`
	Headers            maybe[map[string]string] `json:"headers,omitempty" doc:"Replaced as a whole."`
}

// freeObject is an object whose members are the caller's.
type freeObject json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (o *freeObject) UnmarshalJSON(text []byte) error {
	return (*json.RawMessage)(o).UnmarshalJSON(text)
}

// Schema implements huma.SchemaProvider.
func (freeObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// maybe is a member that may be absent, null or a value.
type maybe[T any] struct{ db.Optional[T] }

// Schema implements huma.SchemaProvider.
func (maybe[T]) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, typeOf[T]())
	s.Nullable = true
	return &s
}

// or is the optional with a default in the place of null.
func (m maybe[T]) or(fallback T) db.Optional[T] {
	if _, ok := m.Get(); m.Present() && !ok {
		return db.Set(fallback)
	}
	return m.Optional
}

// rawObject is an object for the store; null makes it an empty one.
func rawObject(m maybe[freeObject]) db.Optional[json.RawMessage] {
	if value, ok := m.or(freeObject("{}")).Get(); ok {
		return db.Set(json.RawMessage(value))
	}
	return db.Optional[json.RawMessage]{}
}

// rawOrNull is rawObject for what may be null.
func rawOrNull(m maybe[freeObject]) db.Optional[json.RawMessage] {
	value, ok := m.Get()
	switch {
	case ok:
		return db.Set(json.RawMessage(value))
	case m.Present():
		return db.Null[json.RawMessage]()
	}
	return db.Optional[json.RawMessage]{}
}
