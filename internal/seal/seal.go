package seal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed value is: the format (1), the length of the key's id, the id, a random nonce, and what the cipher makes of the
// plain bytes. All before the nonce, and the name, is authenticated.
const format = 1

// ErrOpen says that a value was not sealed under this name by one of the keys: it was changed, cut, or moved.
var ErrOpen = errors.New("seal: the sealed value doesn't open: it was changed, or it belongs to another place")

// UnknownKey says that a value was sealed with a key that isn't there.
type UnknownKey struct{ ID string }

func (u *UnknownKey) Error() string {
	return fmt.Sprintf("seal: sealed with the key %q, which %s doesn't have: put it behind the others there", u.ID, Setting)
}

// Seal encrypts plain for the place that name names. Two seals of the same bytes differ: the nonce is random, and long
// enough never to repeat.
func (k *Keys) Seal(plain []byte, name string) []byte {
	header := append([]byte{format, byte(len(k.first))}, k.first...)
	sealed := make([]byte, len(header)+chacha20poly1305.NonceSizeX, len(header)+chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	nonce := sealed[copy(sealed, header):]
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return k.aeads[k.first].Seal(sealed, nonce, plain, bound(header, name))
}

// Open decrypts what was sealed for name. Errors: [ErrOpen], [UnknownKey].
func (k *Keys) Open(sealed []byte, name string) ([]byte, error) {
	id, header, rest, err := split(sealed)
	if err != nil {
		return nil, err
	}
	aead, known := k.aeads[id]
	if !known {
		return nil, &UnknownKey{ID: id}
	}
	if len(rest) < aead.NonceSize() {
		return nil, ErrOpen
	}
	plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], bound(header, name))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Current reports whether a value was sealed with the first key. Where it wasn't, sealing it again lets go of an old one.
func (k *Keys) Current(sealed []byte) bool {
	id, _, _, err := split(sealed)
	return err == nil && id == k.first
}

func split(sealed []byte) (id string, header, rest []byte, err error) {
	if len(sealed) < 2 || sealed[0] != format {
		return "", nil, nil, ErrOpen
	}
	end := 2 + int(sealed[1])
	if len(sealed) < end || !isID(string(sealed[2:end])) {
		return "", nil, nil, ErrOpen
	}
	return string(sealed[2:end]), sealed[:end], sealed[end:], nil
}

// bound is what is authenticated beside the plain bytes. The header says how long it is, so no two pairs are alike.
func bound(header []byte, name string) []byte { return append(append([]byte(nil), header...), name...) }
