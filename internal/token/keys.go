package token

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
)

const rsaBits = 2048

// Key is a signing key as one may look at it.
type Key struct {
	KID       string     `json:"kid"`
	Alg       string     `json:"alg"`
	State     string     `json:"state"` // next, current or retired
	Created   time.Time  `json:"created_at"`
	Activated *time.Time `json:"activated_at"` // since when it signs
	Retired   *time.Time `json:"retired_at"`   // since when it doesn't
}

// The states of a key.
const (
	Next    = "next"
	Current = "current"
	Retired = "retired"
)

// keySet is the keys in memory. It is never changed.
type keySet struct {
	read    time.Time
	public  []jose.JSONWebKey
	list    []Key
	current jose.JSONWebKey // with its private part
	private map[string]crypto.Signer
}

func (s *keySet) find(kid string) (jose.JSONWebKey, bool) {
	for _, k := range s.public {
		if k.KeyID == kid {
			return k, true
		}
	}
	return jose.JSONWebKey{}, false
}

// notOlderThan gives the keys as they were at most so long ago. Who comes while another reads waits for that.
func (i *Issuer) notOlderThan(ctx context.Context, age time.Duration) (*keySet, error) {
	asked := i.now()
	recent := func() *keySet {
		if s := i.keys.Load(); s != nil && asked.Sub(s.read) < age {
			return s
		}
		return nil
	}
	if s := recent(); s != nil {
		return s, nil
	}
	select {
	case i.reading <- struct{}{}:
		defer func() { <-i.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s := recent(); s != nil {
		return s, nil
	}
	s, err := i.readKeys(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	i.keys.Store(s)
	return s, nil
}

func (i *Issuer) readKeys(ctx context.Context, at time.Time) (*keySet, error) {
	s := &keySet{read: at, private: map[string]crypto.Signer{}}
	var known map[string]crypto.Signer
	if before := i.keys.Load(); before != nil {
		known = before.private
	}
	rows, err := i.cfg.Database.Query(ctx, `select kid, alg, state, created_at, activated_at, retired_at, public_jwk, sealed from auth.signing_keys
		where state <> $1 or retired_at > $2 order by created_at desc, kid`, Retired, at.Add(-retiredFor))
	if err != nil {
		return nil, err
	}
	var k Key
	var public json.RawMessage
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&k.KID, &k.Alg, &k.State, &k.Created, &k.Activated, &k.Retired, &public, &sealed}, func() error {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal(public, &jwk); err != nil || !jwk.Valid() || !jwk.IsPublic() {
			return fmt.Errorf("key %s has no usable public part", k.KID)
		}
		s.public, s.list = append(s.public, jwk), append(s.list, k)
		if k.State == Retired {
			return nil
		}
		private := known[k.KID]
		if private == nil {
			if private, err = i.unseal(k.KID, sealed); err != nil {
				return fmt.Errorf("key %s: %w", k.KID, err)
			}
		}
		s.private[k.KID] = private
		if k.State == Current {
			s.current = jose.JSONWebKey{Key: private, KeyID: k.KID, Algorithm: k.Alg, Use: "sig"}
		}
		return nil
	})
	if err == nil && s.current.Key == nil {
		err = errors.New("auth.signing_keys has no current key: restart, which makes one")
	}
	return s, err
}

// sealedName binds a private part to its row.
func sealedName(kid string) string { return "signing-key/" + kid }

func (i *Issuer) unseal(kid string, sealed []byte) (crypto.Signer, error) {
	der, err := i.cfg.Keys.Open(sealed, sealedName(kid))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("its private part is no PKCS #8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("its private part can't sign")
	}
	return signer, nil
}

// newKey is a row of auth.signing_keys that isn't there yet. Its kid is key_ and the thumbprint of its public part (RFC 7638).
type newKey struct {
	kid    string
	public json.RawMessage
	sealed []byte
}

func (i *Issuer) newKey() (newKey, error) {
	var private crypto.Signer
	var err error
	if i.cfg.Alg == EdDSA {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return newKey{}, err
	}
	jwk := jose.JSONWebKey{Key: private.Public(), Algorithm: i.cfg.Alg, Use: "sig"}
	print, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return newKey{}, err
	}
	jwk.KeyID = "key_" + base64.RawURLEncoding.EncodeToString(print) // by itself it may begin with -, and be taken for a flag
	public, err := jwk.MarshalJSON()
	if err != nil {
		return newKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return newKey{}, err
	}
	return newKey{kid: jwk.KeyID, public: public, sealed: i.cfg.Keys.Seal(der, sealedName(jwk.KeyID))}, nil
}

// makeMissing makes the current and the next key where they aren't there. Keys are made before the lock is taken: that
// takes a while, and whoever loses the race throws them away.
func (i *Issuer) makeMissing(ctx context.Context) error {
	var have int
	if err := i.cfg.Database.QueryRow(ctx, `select count(*) from auth.signing_keys where state <> $1`, Retired).Scan(&have); err != nil || have == 2 {
		return err
	}
	made := map[string]newKey{}
	for _, state := range []string{Current, Next} {
		k, err := i.newKey()
		if err != nil {
			return err
		}
		made[state] = k
	}
	return i.alone(ctx, func(tx pgx.Tx) error {
		for _, state := range []string{Current, Next} {
			var there bool
			if err := tx.QueryRow(ctx, `select exists (select from auth.signing_keys where state = $1)`, state).Scan(&there); err != nil {
				return err
			}
			if there {
				continue
			}
			if err := i.insert(ctx, tx, made[state], state); err != nil {
				return err
			}
		}
		return nil
	})
}

func (i *Issuer) insert(ctx context.Context, tx pgx.Tx, k newKey, state string) error {
	now := i.now()
	var activated *time.Time
	if state == Current {
		activated = &now
	}
	_, err := tx.Exec(ctx, `insert into auth.signing_keys (kid, alg, public_jwk, sealed, state, created_at, activated_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		k.kid, i.cfg.Alg, k.public, k.sealed, state, now, activated)
	return err
}

// alone runs fn in a transaction in which nobody else changes the keys.
func (i *Issuer) alone(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, i.cfg.Database, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('latchkey.signing_keys'))`); err != nil {
			return err
		}
		return fn(tx)
	})
}
