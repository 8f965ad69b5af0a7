package db

// SealedColumn is a column whose values are sealed with the server's key (docs/keys.md).
type SealedColumn struct {
	Table, Column string
	// Name is in SQL, of the row's columns: the name under which its value is sealed, which binds it to the row. Empty for what
	// isn't sealed again when the key is replaced.
	Name string
}

// SealedColumns are all that there are; a test compares them with the schema.
func SealedColumns() []SealedColumn {
	return []SealedColumn{
		{Table: "auth.signing_keys", Column: "sealed", Name: `'signing-key/' || kid`},
		{Table: "auth.hook_secrets", Column: "sealed", Name: `'hook/' || tenant_id || '/' || hook_id || '/' || kind`},
		{Table: "auth.client_secrets", Column: "sealed", Name: `'client/' || tenant_id || '/' || client_id`},
		{Table: "auth.connection_secrets", Column: "sealed", Name: `'connection/' || tenant_id || '/' || connection_id || '/' || name`},
		// A token that is good for minutes. It stands in an append-only row, of which a change would be an event.
		{Table: "auth.auth_events", Column: "sealed"},
	}
}

// ClientSecretName is the name that a client's secret is sealed for, as [SealedColumns] has it in SQL.
func ClientSecretName(c *Client) string { return "client/" + c.TenantID + "/" + c.ClientID }
