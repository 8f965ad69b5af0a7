package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func mustSecret(tb testing.TB, text string) Secret {
	tb.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// The example of the Standard Webhooks specification: what others compute too.
func TestSignIsStandardWebhooks(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	secret := mustSecret(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err := Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), secret); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
		"webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestVerifyWhileSecretsRotate(t *testing.T) {
	t.Parallel()
	old, now, other := NewSecret(), NewSecret(), NewSecret()
	h, body := http.Header{}, []byte(`{"a":1}`)
	if err := Sign(h, "msg_1", time.Now(), body, now, old); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Split(h.Get("webhook-signature"), " ")); n != 2 {
		t.Fatalf("%d signatures for two secrets", n)
	}
	for name, secrets := range map[string][]Secret{"the old": {old}, "the new": {now}, "one of several": {other, old}} {
		if err := Verify(h, body, secrets...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Verify(h, body, other); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
		t.Errorf("a secret that never signed: %v", err)
	}
	if err := Verify(h, append(body, ' '), now); err == nil {
		t.Error("another body passed")
	}
	if err := Verify(h, body); err == nil {
		t.Error("it passed without a secret")
	}
	if err := Verify(h, body, Secret{}); err == nil {
		t.Error("it passed with an empty secret")
	}
	h.Set("webhook-id", "msg_2")
	if err := Verify(h, body, now); err == nil {
		t.Error("another id passed")
	}
}

func TestVerifyTakesFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, body := NewSecret(), []byte("{}")
		for _, c := range []struct {
			off  time.Duration
			want error
		}{
			{-5 * time.Minute, nil},
			{5 * time.Minute, nil},
			{-5*time.Minute - time.Second, standardwebhooks.ErrMessageTooOld},
			{5*time.Minute + time.Second, standardwebhooks.ErrMessageTooNew},
		} {
			h := http.Header{}
			if err := Sign(h, "msg_1", time.Now().Add(c.off), body, s); err != nil {
				t.Fatal(err)
			}
			if err := Verify(h, body, s); !errors.Is(err, c.want) {
				t.Errorf("%s off: %v, want %v", c.off, err, c.want)
			}
		}
	})
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "a.b", "a b", "a\nb", "ä"} {
		if Sign(http.Header{}, id, time.Now(), nil, NewSecret()) == nil {
			t.Errorf("the id %q passed", id)
		}
	}
	if Sign(http.Header{}, "msg_1", time.Now(), nil) == nil || Sign(http.Header{}, "msg_1", time.Now(), nil, Secret{}) == nil {
		t.Error("it signed without a secret")
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	s := NewSecret()
	if again := mustSecret(t, s.Reveal()); again.Reveal() != s.Reveal() || NewSecret().Reveal() == s.Reveal() {
		t.Error("a secret isn't what it was, or two are the same")
	}
	for _, text := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64 at all, and long enough to be", "whsec_" + strings.Repeat("QUJD", 22)} {
		if _, err := ParseSecret(text); err == nil {
			t.Errorf("%q passed", text)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[6:]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestSecretIsMasked(t *testing.T) {
	t.Parallel()
	s := NewSecret()
	asJSON, err := json.Marshal(map[string]Secret{"secret": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%+v %#v %s %q", s, s, s, s), fmt.Sprintf("%v", &s), fmt.Sprintf("%v", []Secret{s}), s.LogValue().String(), string(asJSON),
	} {
		if !strings.Contains(text, "***") || strings.Contains(text, s.Reveal()[6:16]) {
			t.Errorf("it shows: %s", text)
		}
	}
}

func FuzzVerify(f *testing.F) {
	secret := mustSecret(f, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	f.Add("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte(`{"test": 2432232314}`))
	f.Add("", "-1", "v1, v2,a v1,,", []byte{})
	f.Add("a", "99999999999999999999", "v1,=", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, at, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
		if Verify(h, body, secret) == nil && !strings.Contains(signature, "v1,") {
			t.Errorf("it passed with the signature %q", signature)
		}
		signed := http.Header{}
		if Sign(signed, id, time.Now(), body, secret) != nil {
			return
		}
		if err := Verify(signed, body, secret); err != nil {
			t.Errorf("what was signed doesn't verify: %v", err)
		}
	})
}
