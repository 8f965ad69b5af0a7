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

type request struct {
	RequestID string       `json:"request_id,omitempty"`
	Actor     string       `json:"actor,omitempty"`
	ClientID  string       `json:"client_id,omitempty"`
	IP        string       `json:"ip,omitempty"`
	UserAgent string       `json:"user_agent,omitempty"`
	GeoIP     *hooks.GeoIP `json:"geoip,omitempty"`
}

// Bodies builds the bodies of one event: each once, however many hooks and attempts there are, for they share it. It is safe
// for concurrent use. A body is the same bytes whenever and wherever it is built.
type Bodies struct {
	ev *hooks.Event

	mu    sync.Mutex
	stamp *hooks.Stamp
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
		b.id = eventID(b.ev, b.stampOnce().Origin)
	}
	return b.id
}

// Stamp is the event's, read once.
func (b *Bodies) Stamp() hooks.Stamp {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.stampOnce()
}

func (b *Bodies) stampOnce() *hooks.Stamp {
	if b.stamp == nil {
		stamp := b.ev.Stamp()
		b.stamp = &stamp
	}
	return b.stamp
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
	text, err := b.build(trigger)
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
	if err != nil || ev.Operation != hooks.Update || ev.Old == nil || movedTenant(ev) {
		return r, err
	}
	r.before, err = row(ev, ev.Old)
	r.changed = slices.DeleteFunc(ev.Changed(), func(column string) bool { return secretName(column) && !settings(ev.Table, column) })
	return r, err
}

// movedTenant reports whether the row was another tenant's before: what it was is none of the new one's business.
func movedTenant(ev *hooks.Event) bool {
	return (ev.OldKey != "" || ev.OldTenantID != "") && ev.OldTenantID != ev.TenantID
}

// row leaves out columns that are secret by their name, and those whose value the log doesn't have.
func row(ev *hooks.Event, im *hooks.Image) (json.RawMessage, error) {
	return rowtext.AppendJSON(make([]byte, 0, 512), im, func(column string) (bool, func(json.RawMessage) json.RawMessage) {
		if holdsForeign(ev.Table, column) {
			return true, func(value json.RawMessage) json.RawMessage { return withoutSecrets(value) }
		}
		return !secretName(column) || settings(ev.Table, column), nil
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

// build writes the classic body, with more beside it, in this order: tenant_id (null for a table that has none), user, or
// entity_name and entity, trigger_id, event_id, occurred_at, origin, request (null for a write from outside) or writer, before and
// changed. By hand, because every delivery pays for it.
func (b *Bodies) build(trigger string) ([]byte, error) {
	ev, stamp := b.ev, b.stampOnce()
	out := make([]byte, 0, 512+len(b.rows.entity)+len(b.rows.before)+len(b.rows.user))
	member := func(name string, value []byte) {
		if value != nil {
			out = append(append(append(out, name...), value...), ',')
		}
	}
	text := func(name, value string) { out = append(rowtext.AppendString(append(out, name...), value), ',') }
	out = append(out, '{')
	if ev.TenantID == "" {
		member(`"tenant_id":`, []byte("null"))
	} else {
		text(`"tenant_id":`, ev.TenantID)
	}
	if ev.Table == userTable && ev.Operation != hooks.Truncate {
		member(`"user":`, b.rows.entity)
	} else {
		member(`"user":`, b.rows.user)
		text(`"entity_name":`, EntityName(ev.Table))
		member(`"entity":`, b.rows.entity)
	}
	text(`"trigger_id":`, trigger)
	text(`"event_id":`, b.eventID())
	out = append(ev.CommittedAt.UTC().AppendFormat(append(out, `"occurred_at":"`...), time.RFC3339Nano), '"', ',')
	text(`"origin":`, stamp.Origin)
	var err error
	switch stamp.Origin {
	case hooks.OriginApp:
		var made []byte
		made, err = marshal(requestOf(*stamp))
		member(`"request":`, made)
	case hooks.OriginExternal:
		member(`"request":`, []byte("null"))
		out = append(out, `"writer":{`...)
		text(`"role":`, stamp.Role)
		text(`"application_name":`, stamp.ApplicationName)
		out[len(out)-1] = '}'
		out = append(out, ',')
	default:
		member(`"request":`, []byte("null"))
	}
	member(`"before":`, b.rows.before)
	if len(b.rows.changed) > 0 {
		out = append(out, `"changed":[`...)
		for _, column := range b.rows.changed {
			text("", column)
		}
		out[len(out)-1] = ']'
		out = append(out, ',')
	}
	out[len(out)-1] = '}'
	return out, err
}

func requestOf(s hooks.Stamp) *request {
	return &request{RequestID: s.RequestID, Actor: s.Actor, ClientID: s.ClientID, IP: s.IP, UserAgent: s.UserAgent, GeoIP: s.GeoIP}
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
