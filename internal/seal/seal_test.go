package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/seal"
)

func parse(tb testing.TB, text string) *seal.Keys {
	tb.Helper()
	keys, err := seal.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	keys := parse(t, seal.New())
	for _, plain := range []string{"", "whsec_abc", strings.Repeat("x", 70_000)} {
		sealed := keys.Seal([]byte(plain), "hook/acme/hook_1/signing")
		if plain != "" && bytes.Contains(sealed, []byte(plain)) {
			t.Error("the sealed value shows the plain one")
		}
		if bytes.Equal(sealed, keys.Seal([]byte(plain), "hook/acme/hook_1/signing")) {
			t.Error("two seals are alike")
		}
		if got, err := keys.Open(sealed, "hook/acme/hook_1/signing"); err != nil || string(got) != plain {
			t.Errorf("it opens to %d bytes, %v", len(got), err)
		}
	}
}

// A value that someone copies to another row, or changes, doesn't open.
func TestMovedOrChanged(t *testing.T) {
	t.Parallel()
	keys := parse(t, seal.New())
	sealed := keys.Seal([]byte("secret"), "hook/acme/hook_1/signing")
	for _, name := range []string{"", "hook/globex/hook_1/signing", "hook/acme/hook_1/signing ", "hook/acme/hook_1/headers"} {
		if _, err := keys.Open(sealed, name); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("as %q: %v", name, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := keys.Open(changed, "hook/acme/hook_1/signing"); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := keys.Open(sealed[:i], "hook/acme/hook_1/signing"); err == nil {
			t.Errorf("its first %d bytes open", i)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	older, newer := seal.New(), seal.New()
	before, both, after := parse(t, older), parse(t, newer+", "+older), parse(t, newer)
	sealed := before.Seal([]byte("secret"), "n")
	if got, err := both.Open(sealed, "n"); err != nil || string(got) != "secret" {
		t.Fatalf("with both keys: %s, %v", got, err)
	}
	if both.Current(sealed) || !both.Current(both.Seal(nil, "n")) {
		t.Error("Current doesn't tell the first key from the other")
	}
	if got, err := after.Open(both.Seal([]byte("again"), "n"), "n"); err != nil || string(got) != "again" {
		t.Errorf("the first key doesn't seal: %s, %v", got, err)
	}
	_, err := after.Open(sealed, "n")
	var unknown *seal.UnknownKey
	if id, _, _ := strings.Cut(older, ":"); !errors.As(err, &unknown) || unknown.ID != id || !strings.Contains(err.Error(), id) {
		t.Errorf("without the old key: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	good := seal.New()
	_, secret, _ := strings.Cut(good, ":")
	for text, says := range map[string]string{
		"":                             "is empty",
		secret:                         "key 1 has no id",
		good + "," + secret:            "key 2 has no id",
		secret + ":k1":                 "key 1 has an id",
		"k1:" + secret[:20]:            "key 1 has 15 bytes",
		"k1:" + secret + "!":           "key 1 is no base64",
		"k 1:" + secret:                "key 1 has an id",
		good + "," + good:              "key 2 has the id of an earlier one",
		good + ",":                     "key 2 has no id",
		"k1:" + secret + secret + "aa": "key 1 ",
	} {
		_, err := seal.Parse(text)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "latchkey secret") {
			t.Errorf("%q: %v; want %q and the way to make a key", text, err, says)
			continue
		}
		if strings.Contains(err.Error(), secret[:12]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	parse(t, "a:"+strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(secret)) // the other alphabet, unpadded
}

func TestMasked(t *testing.T) {
	t.Parallel()
	text := seal.New()
	id, secret, _ := strings.Cut(text, ":")
	keys := parse(t, text)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "keys", keys, "value", *keys)
	shown := fmt.Sprintf("%v %+v %#v %s %x %q %d %v", keys, keys, keys, keys, keys, keys, keys, struct{ K *seal.Keys }{keys}) + log.String()
	if !strings.Contains(shown, id) || strings.Contains(shown, secret[:8]) || strings.Contains(shown, "cipher") {
		t.Errorf("printed: %s", shown)
	}
}

// FuzzOpen: what isn't sealed never opens and never panics.
func FuzzOpen(f *testing.F) {
	keys := parse(f, "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	sealed := keys.Seal([]byte("secret"), "n")
	f.Add(sealed, "n")
	f.Add(sealed[:10], "n")
	f.Add([]byte{1, 255, 'k'}, "")
	f.Add([]byte{1, 2, 'k', '2'}, "x")
	f.Fuzz(func(t *testing.T, value []byte, name string) {
		plain, err := keys.Open(value, name)
		if err == nil && (name != "n" || string(plain) != "secret") {
			t.Errorf("%x opens as %q", value, name)
		}
		_ = keys.Current(value)
	})
}
