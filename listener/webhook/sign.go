package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secretPrefix = "whsec_"

// The sizes of a secret in bytes, as Standard Webhooks has them; new ones have 32.
const (
	minSecret = 24
	newSecret = 32
	maxSecret = 64
)

// Secret is a key that signs. Printed or logged it is a mask: only Reveal has it in clear.
type Secret struct{ key []byte }

// NewSecret makes a random secret.
func NewSecret() Secret {
	key := make([]byte, newSecret)
	_, _ = rand.Read(key) // it never fails
	return Secret{key}
}

// ParseSecret reads whsec_ and 24 to 64 bytes in base64. Its errors don't repeat the text.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return Secret{}, fmt.Errorf("webhook: a secret begins with %s", secretPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Secret{}, errors.New("webhook: what follows whsec_ in a secret is base64, with padding")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("webhook: a secret has %d to %d bytes; this one has %d", minSecret, maxSecret, len(key))
	}
	return Secret{key}, nil
}

// Reveal is the secret in clear, whsec_..., to be shown once and sealed.
func (s Secret) Reveal() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// String masks the secret.
func (s Secret) String() string { return secretPrefix + "***" }

// GoString masks it for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue masks it in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks it in JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Sign sets webhook-id, webhook-timestamp and webhook-signature: a signature for each secret, so that a receiver that knows
// one of them can verify. The time is that of the attempt, or receivers would take a late one for a replay.
func Sign(h http.Header, id string, at time.Time, body []byte, secrets ...Secret) error {
	if id == "" || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' || c == '.' }) {
		return fmt.Errorf("webhook: %q is no webhook-id: it has printable ASCII, without space and full stop", id)
	}
	if len(secrets) == 0 {
		return errors.New("webhook: a request needs a secret to sign it with")
	}
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		if len(s.key) < minSecret {
			return errors.New("webhook: a secret is empty: take it from NewSecret or ParseSecret")
		}
		w, err := standardwebhooks.NewWebhookRaw(s.key)
		if err != nil {
			return fmt.Errorf("webhook: sign: %w", err)
		}
		if signatures[i], err = w.Sign(id, at, body); err != nil {
			return fmt.Errorf("webhook: sign: %w", err)
		}
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// Verify is for receivers: it reports whether one of the secrets signed the body, no more than five minutes ago or ahead.
// Signatures are compared in constant time. It says nothing of whether the webhook-id was seen before.
func Verify(h http.Header, body []byte, secrets ...Secret) error {
	err := errors.New("no secret to verify with")
	for _, s := range secrets {
		if len(s.key) < minSecret {
			return errors.New("webhook: a secret is empty: take it from NewSecret or ParseSecret")
		}
		w, bad := standardwebhooks.NewWebhookRaw(s.key)
		if bad != nil {
			return fmt.Errorf("webhook: verify: %w", bad)
		}
		if err = w.Verify(body, h); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
			break // it verified, or no other secret will help
		}
	}
	if err != nil {
		return fmt.Errorf("webhook: verify: %w", err)
	}
	return nil
}
