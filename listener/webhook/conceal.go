package webhook

import (
	"bytes"
	"encoding/json"
	"strings"
)

// secretName tells names of what no receiver is to see, whether they are columns or stand in our own tables' JSON. Our
// secrets aren't published in the first place; this is for what someone put where it doesn't belong.
func secretName(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	switch name {
	case "sealed", "password", "passwd", "password_hash", "secret", "token", "private_key", "privatekey", "api_key", "apikey",
		"signing_key", "saskey", "credentials", "clientsecret", "accesstoken", "refreshtoken", "idtoken":
		return true
	}
	for _, end := range []string{"_secret", "_token", "_password", "_password_hash", "_private_key", "_api_key"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// holdsForeign tells the columns whose JSON comes from providers, with tokens and keys in it as like as not. What a tenant
// keeps in metadata is its own, and stays as it is.
func holdsForeign(table, column string) bool {
	return table == "auth.connections" && column == "options" ||
		table == "auth.clients" && column == "addons" ||
		table == userTable && column == "profile_data" ||
		table == "auth.auth_events" && column == "details"
}

// settings tells the columns that are named like a secret and hold settings: how a client's refresh tokens rotate and expire.
func settings(table, column string) bool { return table == "auth.clients" && column == "refresh_token" }

// withoutSecrets takes members with secret names out of JSON, however deep.
func withoutSecrets(text []byte) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return json.RawMessage("null") // jsonb is always valid
	}
	clean, err := marshal(strip(value))
	if err != nil {
		return json.RawMessage("null")
	}
	return clean
}

func strip(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if secretName(name) {
				delete(v, name)
			} else {
				v[name] = strip(inner)
			}
		}
	case []any:
		for i, inner := range v {
			v[i] = strip(inner)
		}
	}
	return value
}
