package inbound

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// publicClient is the token_endpoint_auth_method of clients that can't keep a secret.
const publicClient = "none"

// Authenticate checks a client's secret, in constant time. A client that has none gives none: what it may do without is the flows'
// business. Errors: [flows.Refused], invalid_client, the same for all that can be wrong.
func (f *Finder) Authenticate(ctx context.Context, c flows.Caller, secret string) error {
	if c.Client == nil {
		return errNoClient()
	}
	if c.Client.TokenEndpointAuthMethod == publicClient {
		if secret != "" {
			return errNoClient()
		}
		return nil
	}
	sealed, err := f.Store.ClientSecrets.Get(ctx, c.Client.TenantID, c.Client.ClientID)
	if errors.Is(err, db.ErrNotFound) {
		return errNoClient()
	}
	if err != nil {
		return fmt.Errorf("inbound: authenticate: %w", err)
	}
	plain, err := f.Keys.Open(sealed.Sealed, db.ClientSecretName(c.Client))
	if err != nil {
		return fmt.Errorf("inbound: authenticate: the secret of client %s: %w", c.Client.ClientID, err)
	}
	ours, theirs := sha256.Sum256(plain), sha256.Sum256([]byte(secret))
	if len(plain) == 0 || subtle.ConstantTimeCompare(ours[:], theirs[:]) != 1 {
		return errNoClient()
	}
	return nil
}
