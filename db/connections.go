package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Connection is a source of users: a database, a social login. Its secrets stand in a table of their own.
type Connection = dbsqlc.AuthConnection

// CreateConnection is what a new connection is made of; ID may be left empty, and ShowAsButton is true unless said. The
// name is trimmed and unique in its tenant.
type CreateConnection struct {
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	Strategy           string          `json:"strategy"`
	DisplayName        string          `json:"display_name"`
	EnabledClients     []string        `json:"enabled_clients"`
	Realms             []string        `json:"realms"`
	IsDomainConnection bool            `json:"is_domain_connection"`
	ShowAsButton       Optional[bool]  `json:"show_as_button"`
	Options            json.RawMessage `json:"options"`
	Metadata           json.RawMessage `json:"metadata"`
}

// UpdateConnection changes the fields that are present; the name and the strategy stay. Options and Metadata are replaced
// as a whole.
type UpdateConnection struct {
	DisplayName        Optional[string]          `json:"display_name"`
	EnabledClients     Optional[[]string]        `json:"enabled_clients"`
	Realms             Optional[[]string]        `json:"realms"`
	IsDomainConnection Optional[bool]            `json:"is_domain_connection"`
	ShowAsButton       Optional[bool]            `json:"show_as_button"`
	Options            Optional[json.RawMessage] `json:"options"`
	Metadata           Optional[json.RawMessage] `json:"metadata"`
}

// Connections is the repository of connections. Deleting one takes it from the organizations that have it.
type Connections = Repository[Connection, string, CreateConnection, UpdateConnection]

func newConnections(s *session, h *Hooks) *Connections {
	return &Connections{s: s, e: &entity[Connection, string, CreateConnection, UpdateConnection]{
		name:  "connection",
		hooks: h.Connections,
		list: listing{
			table: "auth.connections", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "name", "strategy"}, sort: []string{"id", "name", "strategy", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateConnection) Connection {
			c := Connection{
				TenantID: tenantID, ID: idOr(in.ID, "con_"), Name: in.Name, Strategy: in.Strategy, DisplayName: in.DisplayName,
				EnabledClients: in.EnabledClients, Realms: in.Realms, IsDomainConnection: in.IsDomainConnection, ShowAsButton: true,
				Options: in.Options, Metadata: in.Metadata, CreatedAt: now, UpdatedAt: now,
			}
			in.ShowAsButton.apply(&c.ShowAsButton)
			return c
		},
		update: func(c *Connection, now time.Time, in UpdateConnection) {
			in.DisplayName.apply(&c.DisplayName)
			in.EnabledClients.apply(&c.EnabledClients)
			in.Realms.apply(&c.Realms)
			in.IsDomainConnection.apply(&c.IsDomainConnection)
			in.ShowAsButton.apply(&c.ShowAsButton)
			in.Options.apply(&c.Options)
			in.Metadata.apply(&c.Metadata)
			c.UpdatedAt = now
		},
		keep: func(c *Connection, was Connection) {
			c.TenantID, c.ID, c.CreatedAt = was.TenantID, was.ID, was.CreatedAt
		},
		normalize: func(c *Connection) error {
			c.Name = strings.TrimSpace(c.Name)
			notNull(&c.EnabledClients, &c.Realms)
			return every(
				required("connection", "name", c.Name), required("connection", "strategy", c.Strategy),
				object("connection", "options", &c.Options), object("connection", "metadata", &c.Metadata),
			)
		},
		takes: func(tenantID, id string) []taken {
			return []taken{takenRows(h.OrganizationConnections, "tenant_id = $1 and connection_id = $2", tenantID, id)}
		},
		get:  (*queries).GetConnection,
		lock: (*queries).LockConnection,
		insert: func(q *queries, ctx context.Context, c Connection) (Connection, error) {
			return q.InsertConnection(ctx, dbsqlc.InsertConnectionParams(c))
		},
		change: func(q *queries, ctx context.Context, c Connection) (Connection, error) {
			return q.UpdateConnection(ctx, dbsqlc.UpdateConnectionParams(c))
		},
		remove: (*queries).DeleteConnection,
	}}
}
