package api

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
)

// apart takes the secrets out of a connection's options: they are stored elsewhere, sealed, and in no event. Secrets within an object
// are named as in "gateway_authentication.secret"; nil is one that is to go.
func apart(options freeObject) (rest json.RawMessage, secrets map[string]*string, err error) {
	if len(options) == 0 {
		return nil, nil, nil
	}
	secrets = map[string]*string{}
	rest, err = withoutSecrets(json.RawMessage(options), "", secrets)
	return rest, secrets, err
}

func withoutSecrets(object json.RawMessage, path string, secrets map[string]*string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, badRequest("options: has to be an object.")
	}
	for name, value := range members {
		switch {
		case strings.HasPrefix(string(value), "{"):
			inner, err := withoutSecrets(value, path+name+".", secrets)
			if err != nil {
				return nil, err
			}
			members[name] = inner
		case isSecret(name) && (value[0] == '"' || string(value) == "null"):
			var text *string
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, err
			}
			if text != nil && *text == "" {
				text = nil
			}
			secrets[path+name] = text
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// isSecret goes by a member's name: client_secret, app_secret, api_key, twilio_token, bindPassword.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, end := range []string{"secret", "password", "private_key", "privatekey", "api_key", "apikey", "signing_key", "token"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

func (s *server) keepSecrets(ctx context.Context, tx *db.Tx, tenant, connection string, secrets map[string]*string) error {
	for name, text := range secrets {
		var err error
		if text == nil {
			err = tx.ConnectionSecrets.Remove(ctx, tenant, connection, name)
		} else {
			sealed := s.cfg.Seal.Seal([]byte(*text), db.ConnectionSecretName(tenant, connection, name))
			err = tx.ConnectionSecrets.Put(ctx, tenant, connection, name, sealed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
