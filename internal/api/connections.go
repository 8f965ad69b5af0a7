package api

import (
	"context"
	"encoding/json"

	"github.com/latchkey-dev/latchkey/db"
)

type connection struct {
	ID                 string        `json:"id"`
	Name               string        `json:"name"`
	DisplayName        string        `json:"display_name,omitempty"`
	Strategy           string        `json:"strategy"`
	Options            anyJSONObject `json:"options" doc:"Without secrets: those are never shown."`
	EnabledClients     []string      `json:"enabled_clients" nullable:"false"`
	Realms             []string      `json:"realms" nullable:"false"`
	IsDomainConnection bool          `json:"is_domain_connection"`
	ShowAsButton       bool          `json:"show_as_button"`
	Metadata           anyJSONObject `json:"metadata"`
}

func connectionJSON(c *db.Connection) connection {
	return connection{
		ID: c.ID, Name: c.Name, DisplayName: c.DisplayName, Strategy: c.Strategy, Options: anyJSONObject(c.Options), EnabledClients: c.EnabledClients,
		Realms: c.Realms, IsDomainConnection: c.IsDomainConnection, ShowAsButton: c.ShowAsButton, Metadata: anyJSONObject(c.Metadata),
	}
}

type newConnection struct {
	Name               string     `json:"name" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9](-?[A-Za-z0-9])*$" patternDescription:"letters and digits, with single - between them"`
	Strategy           string     `json:"strategy" minLength:"1" maxLength:"50" example:"auth0"`
	DisplayName        string     `json:"display_name,omitempty" maxLength:"128"`
	Options            freeObject `json:"options,omitempty" doc:"Secrets in it are kept sealed, apart from the rest."`
	EnabledClients     []string   `json:"enabled_clients,omitempty" maxItems:"1000"`
	Realms             []string   `json:"realms,omitempty" maxItems:"100" doc:"The connection's name unless given."`
	IsDomainConnection bool       `json:"is_domain_connection,omitempty"`
	ShowAsButton       *bool      `json:"show_as_button,omitempty" nullable:"true" doc:"True unless given."`
	Metadata           freeObject `json:"metadata,omitempty"`
}

type changedConnection struct {
	DisplayName        maybe[string]     `json:"display_name,omitempty" maxLength:"128"`
	Options            maybe[freeObject] `json:"options,omitempty" doc:"Replaced as a whole; but a secret that is absent stays, and null removes it."`
	EnabledClients     maybe[[]string]   `json:"enabled_clients,omitempty" maxItems:"1000"`
	Realms             maybe[[]string]   `json:"realms,omitempty" maxItems:"100"`
	IsDomainConnection maybe[bool]       `json:"is_domain_connection,omitempty"`
	ShowAsButton       maybe[bool]       `json:"show_as_button,omitempty"`
	Metadata           maybe[freeObject] `json:"metadata,omitempty" doc:"Replaced as a whole."`
}

type connectionsInput struct {
	Listing

	Name     string   `query:"name" maxLength:"128"`
	Strategy []string `query:"strategy" maxItems:"20" doc:"Only those of one of these, with commas between them."`
}

func (in *connectionsInput) filters() []db.Filter {
	var f []db.Filter
	if in.Name != "" {
		f = append(f, db.Equal("name", in.Name))
	}
	if len(in.Strategy) > 0 {
		f = append(f, db.OneOf("strategy", in.Strategy...))
	}
	return f
}

func (s *server) addConnections() {
	connections := s.cfg.Store.Connections
	r := &resource[db.Connection, connection]{
		s: s, name: "connection", plural: "connections", path: "/connections", tag: tagConnections, key: "id",
		filter: []string{"id", "name", "strategy"}, sort: []string{"id", "name", "strategy", "created_at", "updated_at"},
		list: ofTenant(connections.List), get: ofTenant(connections.Get), show: plainly(connectionJSON), keyOf: func(c *db.Connection) string { return c.ID },
	}
	addReads[db.Connection, connection, connectionsInput](r)
	addCreate(r, "", s.createConnection)
	addUpdate(r, "Its name and strategy stay.", s.updateConnection)
	addDelete(r, "Its users stay.", func(ctx context.Context, c *caller, id string) error { return connections.Delete(ctx, c.tenant, id) })
}

func (s *server) createConnection(ctx context.Context, c *caller, b *newConnection) (row db.Connection, err error) {
	options, secrets, err := apart(b.Options)
	if err != nil {
		return row, err
	}
	in := db.CreateConnection{
		Name: b.Name, Strategy: b.Strategy, DisplayName: b.DisplayName, Options: options, EnabledClients: b.EnabledClients, Realms: b.Realms,
		IsDomainConnection: b.IsDomainConnection, Metadata: json.RawMessage(b.Metadata),
	}
	if b.ShowAsButton != nil {
		in.ShowAsButton = db.Set(*b.ShowAsButton)
	}
	if in.Realms == nil {
		in.Realms = []string{b.Name}
	}
	if len(secrets) == 0 {
		return s.cfg.Store.Connections.Create(ctx, c.tenant, in)
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.Connections.Create(ctx, c.tenant, in); err != nil {
			return err
		}
		return s.keepSecrets(ctx, tx, c.tenant, row.ID, secrets)
	})
	return row, err
}

func (s *server) updateConnection(ctx context.Context, c *caller, id string, b *changedConnection) (row db.Connection, err error) {
	in := db.UpdateConnection{
		DisplayName: b.DisplayName.Optional, Options: rawObject(b.Options), EnabledClients: b.EnabledClients.Optional, Realms: b.Realms.Optional,
		IsDomainConnection: b.IsDomainConnection.Optional, ShowAsButton: b.ShowAsButton.or(true), Metadata: rawObject(b.Metadata),
	}
	var secrets map[string]*string
	if given, ok := b.Options.Get(); ok {
		var options json.RawMessage
		if options, secrets, err = apart(given); err != nil {
			return row, err
		}
		in.Options = db.Set(options)
	}
	if len(secrets) == 0 {
		return s.cfg.Store.Connections.Update(ctx, c.tenant, id, in)
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.Connections.Update(ctx, c.tenant, id, in); err != nil {
			return err
		}
		return s.keepSecrets(ctx, tx, c.tenant, id, secrets)
	})
	return row, err
}
