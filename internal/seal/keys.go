package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Setting is the environment variable that holds the keys; errors name it.
const Setting = "LATCHKEY_SECRET_KEY"

// Keys seals with its first key and opens with all. It is safe for concurrent use, and shows no key however it is printed.
type Keys struct {
	first string
	ids   []string // in the order that they were given in
	aeads map[string]cipher.AEAD
	root  []byte // what MAC's keys are made of, of the first key
}

// New makes a key, as text for [Parse].
func New() string {
	var id [4]byte
	var key [chacha20poly1305.KeySize]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(key[:])
	return "k" + hex.EncodeToString(id[:]) + ":" + base64.StdEncoding.EncodeToString(key[:])
}

// Parse reads one or several keys, with commas between them. Its errors say which of them is wrong by number, and show
// nothing of the text: it may be a key in the wrong place.
func Parse(text string) (*Keys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New(Setting + " is empty: set it to a key that `latchkey secret` makes")
	}
	k := &Keys{aeads: map[string]cipher.AEAD{}}
	for i, one := range strings.Split(text, ",") {
		wrong := func(what string) error {
			return fmt.Errorf("%s: key %d %s: keys look like id:base64, with commas between them; `latchkey secret` makes one", Setting, i+1, what)
		}
		id, encoded, found := strings.Cut(strings.TrimSpace(one), ":")
		if !found {
			return nil, wrong("has no id")
		}
		if !isID(id) {
			return nil, wrong("has an id that is not 1 to 32 letters, digits, - or _")
		}
		if _, twice := k.aeads[id]; twice {
			return nil, wrong("has the id of an earlier one")
		}
		key, err := decode(encoded)
		if err != nil {
			return nil, wrong("is no base64")
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, wrong(fmt.Sprintf("has %d bytes, and not %d", len(key), chacha20poly1305.KeySize))
		}
		if k.root == nil {
			if k.root, err = hkdf.Extract(sha256.New, key, []byte("latchkey/mac")); err != nil {
				return nil, wrong(err.Error())
			}
		}
		k.aeads[id], k.ids = aead, append(k.ids, id)
	}
	k.first = k.ids[0]
	return k, nil
}

// decode takes both alphabets of base64, padded or not: people make keys with what they have.
func decode(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}

func isID(id string) bool { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`).MatchString(id) }

// IDs are the keys' ids, the one that seals first.
func (k *Keys) IDs() []string { return append([]string(nil), k.ids...) }

// Format implements fmt.Formatter, for every verb: what is shown is the ids.
func (k Keys) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, k.masked()) }

// LogValue implements slog.LogValuer.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.masked()) }

func (k Keys) masked() string { return "keys " + strings.Join(k.ids, ", ") + " (masked)" }
