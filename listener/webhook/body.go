package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// body is the classic body, in this order.
type body struct {
	TenantID   *string         `json:"tenant_id"` // null for a table that has none
	User       json.RawMessage `json:"user,omitempty"`
	EntityName string          `json:"entity_name,omitempty"`
	Entity     json.RawMessage `json:"entity,omitempty"`
	TriggerID  string          `json:"trigger_id"`
	EventID    string          `json:"event_id"`
	OccurredAt time.Time       `json:"occurred_at"`
	Origin     string          `json:"origin"`
	Request    *request        `json:"request"`          // null for a write from outside
	Writer     *writer         `json:"writer,omitempty"` // of a write from outside
	Before     json.RawMessage `json:"before,omitempty"`
	Changed    []string        `json:"changed,omitempty"`
}

type request struct {
	RequestID string       `json:"request_id,omitempty"`
	Actor     string       `json:"actor,omitempty"`
	ClientID  string       `json:"client_id,omitempty"`
	IP        string       `json:"ip,omitempty"`
	UserAgent string       `json:"user_agent,omitempty"`
	GeoIP     *hooks.GeoIP `json:"geoip,omitempty"`
}

type writer struct {
	Role            string `json:"role"`
	ApplicationName string `json:"application_name"`
}

// Bodies builds the bodies of one event: each once, however many hooks and attempts there are, for they share it. It is safe
// for concurrent use. A body is the same bytes whenever and wherever it is built.
type Bodies struct {
	ev *hooks.Event

	mu    sync.Mutex
	id    string
	rows  *rows
	built map[string][]byte // by trigger
}

// NewBodies is for one event, which isn't to change any more.
func NewBodies(ev *hooks.Event) *Bodies { return &Bodies{ev: ev, built: map[string][]byte{}} }

// EventID is the event's, see [EventID].
func (b *Bodies) EventID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eventID()
}

func (b *Bodies) eventID() string {
	if b.id == "" {
		b.id = EventID(b.ev)
	}
	return b.id
}

// Of is the body of the event for a trigger. Don't change it. It fails for an event whose columns and values don't match.
func (b *Bodies) Of(trigger string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text, ok := b.built[trigger]; ok {
		return text, nil
	}
	if b.rows == nil {
		rows, err := rowsOf(b.ev)
		if err != nil {
			return nil, fmt.Errorf("webhook: body of event %d: %w", b.ev.Seq, err)
		}
		b.rows = rows
	}
	text, err := marshal(b.rows.body(b.ev, b.eventID(), trigger))
	if err != nil {
		return nil, fmt.Errorf("webhook: body of event %d: %w", b.ev.Seq, err)
	}
	b.built[trigger] = text
	return text, nil
}

// rows are the event's rows as JSON: what every body of it shares.
type rows struct {
	user           json.RawMessage // as of then, where the row tells of what a user did
	entity, before json.RawMessage
	changed        []string
}

func rowsOf(ev *hooks.Event) (*rows, error) {
	r := &rows{}
	var err error
	switch {
	case ev.Operation == hooks.Assign || ev.Operation == hooks.Remove:
		r.entity, err = members(ev)
		return r, err
	case ev.New != nil:
		r.entity, err = row(ev, ev.New)
	case ev.Old != nil:
		r.entity, err = row(ev, ev.Old)
	default: // TRUNCATE has no row
		r.entity = json.RawMessage("null")
	}
	if ev.Table == eventTable && ev.New != nil {
		r.user = userOf(ev.New)
	}
	if err != nil || ev.Operation != hooks.Update || ev.Old == nil {
		return r, err
	}
	r.before, err = row(ev, ev.Old)
	r.changed = slices.DeleteFunc(ev.Changed(), secretName)
	return r, err
}

// row leaves out columns that are secret by their name, and those whose value the log doesn't have.
func row(ev *hooks.Event, im *hooks.Image) (json.RawMessage, error) {
	return rowtext.JSON(im, func(column string, value json.RawMessage) (json.RawMessage, bool) {
		switch {
		case secretName(column):
			return nil, false
		case holdsForeign(ev.Table, column):
			return withoutSecrets(value), true
		}
		return value, true
	})
}

// userOf is the user in the details of a row of auth.auth_events; nil where there is none.
func userOf(im *hooks.Image) json.RawMessage {
	value, _ := im.Value("details")
	details, err := object(withoutSecrets(value))
	if err != nil {
		return nil // no object: the entity shows it as it is
	}
	return details["user"]
}

// members are the role and the permissions that it was given, or that were taken from it.
func members(ev *hooks.Event) (json.RawMessage, error) {
	permissions := make([]permission, len(ev.Rows))
	role := ""
	for i, im := range ev.Rows {
		role = text(im, "role_id")
		permissions[i] = permission{text(im, "resource_server_identifier"), text(im, "permission_name")}
	}
	return marshal(rolePermissions{ev.TenantID, role, permissions})
}

type rolePermissions struct {
	TenantID    string       `json:"tenant_id"`
	RoleID      string       `json:"role_id"`
	Permissions []permission `json:"permissions"`
}

type permission struct {
	ResourceServerIdentifier string `json:"resource_server_identifier"`
	PermissionName           string `json:"permission_name"`
}

func text(im *hooks.Image, column string) string {
	value, _ := im.Value(column)
	return string(value)
}

func (r *rows) body(ev *hooks.Event, eventID, trigger string) *body {
	stamp := ev.Stamp()
	b := &body{
		TriggerID: trigger, EventID: eventID, OccurredAt: ev.CommittedAt.UTC(), Origin: stamp.Origin,
		Before: r.before, Changed: r.changed,
	}
	if ev.TenantID != "" {
		b.TenantID = &ev.TenantID
	}
	if ev.Table == userTable && ev.Operation != hooks.Truncate {
		b.User = r.entity
	} else {
		b.User, b.EntityName, b.Entity = r.user, EntityName(ev.Table), r.entity
	}
	switch stamp.Origin {
	case hooks.OriginApp:
		b.Request = &request{
			RequestID: stamp.RequestID, Actor: stamp.Actor, ClientID: stamp.ClientID,
			IP: stamp.IP, UserAgent: stamp.UserAgent, GeoIP: stamp.GeoIP,
		}
	case hooks.OriginExternal:
		b.Writer = &writer{Role: stamp.Role, ApplicationName: stamp.ApplicationName}
	}
	return b
}

// marshal leaves <, > and & as they are, and has no line break at the end.
func marshal[T any](value T) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
