package seal_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/seal"
)

func TestMAC(t *testing.T) {
	t.Parallel()
	text, other := seal.New(), seal.New()
	keys := parse(t, text)
	mac := keys.MAC("code/acme", []byte("123456"))
	if len(mac) != sha256.Size || !bytes.Equal(mac, parse(t, text+","+other).MAC("code/acme", []byte("123456"))) {
		t.Errorf("%x isn't what the first key makes", mac)
	}
	for name, another := range map[string][]byte{
		"another message":   keys.MAC("code/acme", []byte("123457")),
		"another name":      keys.MAC("code/globex", []byte("123456")),
		"a bound moved":     keys.MAC("code/acme1", []byte("23456")),
		"another first key": parse(t, other+","+text).MAC("code/acme", []byte("123456")),
	} {
		if bytes.Equal(mac, another) {
			t.Errorf("%s has the same", name)
		}
	}
	if plain := sha256.Sum256([]byte("123456")); bytes.Equal(mac, plain[:]) {
		t.Error("it is made without a key")
	}
}
