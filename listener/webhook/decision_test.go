package webhook

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	const fault = "fault"
	for _, c := range []struct {
		a    Answer
		want string // allowed, the reason of a refusal, or fault: on_error decides
	}{
		{Answer{Code: 200, Body: []byte(`{"allowed":true}`)}, "allowed"},
		{Answer{Code: 200, Body: []byte(`{}`)}, "allowed"},
		{Answer{Code: 201, Body: []byte(" {\"reason\":\"x\"}\n")}, "allowed"},
		{Answer{Code: 204}, "allowed"},
		{Answer{Code: 200, Body: []byte(`{"allowed":false,"reason":"not on the list"}`)}, "not on the list"},
		{Answer{Code: 299, Body: []byte(`{"allowed":false}`)}, refusedWithoutReason},
		{Answer{Code: 200, Body: []byte(`{"allowed":false,"reason":7}`)}, refusedWithoutReason},
		{Answer{Code: 200, Body: []byte(`{"allowed":false,"reason":" \n "}`)}, refusedWithoutReason},
		{Answer{Code: 200, Body: []byte(`{"allowed":false,"reason":"a\r\nb\u0000\u001b[2J\u202ec"}`)}, "a b [2J c"},
		{Answer{Code: 200, Body: []byte(`{"allowed":false,"Allowed":true,"ALLOWED":true}`)}, refusedWithoutReason}, // names are exact
		{Answer{Code: 403, Body: []byte(`{"reason":"blocked"}`)}, "blocked"},
		{Answer{Code: 400, Body: []byte(`{"allowed":true,"reason":"blocked"}`)}, "blocked"},
		{Answer{Code: 404, Body: []byte(`<html>`)}, refusedWithoutReason},
		{Answer{Code: 403, Err: ErrTimeout}, refusedWithoutReason},
		{Answer{Code: 410}, refusedWithoutReason},
		{Answer{Code: 429, Body: []byte(`{"allowed":true}`)}, fault},
		{Answer{Code: 500, Body: []byte(`{"allowed":true}`)}, fault},
		{Answer{Code: 503}, fault},
		{Answer{Code: 302, Body: []byte(`{"allowed":true}`)}, fault},
		{Answer{Code: 101}, fault},
		{Answer{}, fault},
		{Answer{Err: ErrTimeout}, fault},
		{Answer{Err: errors.New("connection refused")}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":true}`), Err: ErrTimeout}, fault}, // nobody knows what was to follow
		{Answer{Code: 200, Body: []byte(`{"allowed":true}`), Cut: true}, fault},
		{Answer{Code: 200}, fault},
		{Answer{Code: 200, Body: []byte(`OK`)}, fault},
		{Answer{Code: 200, Body: []byte(`true`)}, fault},
		{Answer{Code: 200, Body: []byte(`[]`)}, fault},
		{Answer{Code: 200, Body: []byte(`null`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":true`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":true}{"allowed":false}`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":"false"}`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":null}`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"allowed":0}`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"user_metadata":[]}`)}, fault},
		{Answer{Code: 200, Body: []byte(`{"user_metadata":{"a":"\u0000"}}`)}, fault},
	} {
		for _, onError := range []OnError{Deny, Allow} {
			d := Decide(PreUserRegistration, onError, &c.a)
			switch c.want {
			case fault:
				if d.Fault == nil || d.Allowed != (onError == Allow) || d.Allowed != (d.Reason == "") || d.UserMetadata != nil {
					t.Errorf("%d %s, on_error %s: %+v", c.a.Code, c.a.Body, onError, d)
				}
			case "allowed":
				if !d.Allowed || d.Fault != nil || d.Reason != "" {
					t.Errorf("%d %s, on_error %s: %+v", c.a.Code, c.a.Body, onError, d)
				}
			default:
				if d.Allowed || d.Fault != nil || d.Reason != c.want {
					t.Errorf("%d %s, on_error %s: %+v", c.a.Code, c.a.Body, onError, d)
				}
			}
		}
	}
	long, err := json.Marshal(map[string]string{"reason": strings.Repeat("ü", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	if d := Decide(PreUserDeletion, Deny, &Answer{Code: 403, Body: long}); utf8.RuneCountInString(d.Reason) != 512 {
		t.Errorf("a reason of %d characters", utf8.RuneCountInString(d.Reason))
	}
}

func TestDecideTakesMetadata(t *testing.T) {
	t.Parallel()
	a := &Answer{Code: 200, Body: []byte(`{"user_metadata":{"plan":"free","n":12345678901234567890}}`)}
	for trigger, want := range map[string]string{
		PreUserRegistration: `{"plan":"free","n":12345678901234567890}`, PreUserUpdate: `{"plan":"free","n":12345678901234567890}`, PreUserDeletion: "",
	} {
		if d := Decide(trigger, Deny, a); !d.Allowed || string(d.UserMetadata) != want {
			t.Errorf("%s: %+v", trigger, d)
		}
	}
	refused := &Answer{Code: 200, Body: []byte(`{"allowed":false,"user_metadata":{"a":1}}`)}
	if d := Decide(PreUserUpdate, Deny, refused); d.Allowed || d.UserMetadata != nil {
		t.Errorf("%+v", d)
	}
	if d := Decide(PreUserUpdate, Deny, &Answer{Code: 200, Body: []byte(`{"user_metadata":null}`)}); !d.Allowed || d.UserMetadata != nil {
		t.Errorf("%+v", d)
	}
	for _, text := range []string{`\uD800`, `\uDC00`, `\uD83D\uD83D`, `\uD83Dx`, `\uD83D\n`, `\ud83d\u0041`, `\u0000`} {
		if d := Decide(PreUserUpdate, Deny, &Answer{Code: 200, Body: []byte(`{"user_metadata":{"a":"` + text + `"}}`)}); d.Fault == nil {
			t.Errorf("%s: %+v", text, d)
		}
	}
	if d := Decide(PreUserUpdate, Deny, &Answer{Code: 200, Body: []byte(`{"user_metadata":{"a":"\uD83D\uDE00\ud83d\ude00\u00e4"}}`)}); !d.Allowed {
		t.Errorf("pairs: %+v", d)
	}
	if d := Decide(PreUserUpdate, Deny, &Answer{Code: 200, Body: []byte(`{"user_metadata":{"a":"\\u0000"}}`)}); !d.Allowed {
		t.Errorf("an escaped backslash: %+v", d)
	}
}

func TestMergeMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`{"a":1,"b":{"c":1}}`, `{"b":{"d":2}}`, `{"a":1,"b":{"d":2}}`},
		{`{"a":1}`, `{"a":null,"b":null}`, `{}`},
		{`{"n":12345678901234567890}`, `{"m":0.10}`, `{"m":0.10,"n":12345678901234567890}`},
		{``, `{"a":1}`, `{"a":1}`},
		{`null`, ``, `{}`},
	} {
		got, err := MergeMetadata(json.RawMessage(c[0]), json.RawMessage(c[1]))
		if err != nil || string(got) != c[2] {
			t.Errorf("%s and %s: %s %v", c[0], c[1], got, err)
		}
	}
	if _, err := MergeMetadata(json.RawMessage(`[]`), json.RawMessage(`{"a":1}`)); err == nil {
		t.Error("an array was merged into")
	}
	if _, err := MergeMetadata(json.RawMessage(`{}`), json.RawMessage(`7`)); err == nil {
		t.Error("a number was merged")
	}
}

func TestParseOnError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]OnError{"": Deny, "deny": Deny, "allow": Allow} {
		if got, err := ParseOnError(text); err != nil || got != want {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	if _, err := ParseOnError("ALLOW"); err == nil {
		t.Error("ALLOW passed")
	}
}

func FuzzDecide(f *testing.F) {
	f.Add(200, []byte(`{"allowed":false,"reason":"no","user_metadata":{"a":"\u0000"}}`))
	f.Add(403, []byte(`{"reason":"\ud800"}`))
	f.Add(200, []byte(`{"allowed":true,"allowed":false}`))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		a := &Answer{Code: code, Body: body}
		closed, open := Decide(PreUserRegistration, Deny, a), Decide(PreUserRegistration, Allow, a)
		if closed.Fault != nil && closed.Allowed || closed.Allowed && !open.Allowed || (closed.Fault == nil) != (open.Fault == nil) {
			t.Errorf("deny %+v, allow %+v", closed, open)
		}
		if !closed.Allowed && closed.Reason == "" || !utf8.ValidString(closed.Reason) || utf8.RuneCountInString(closed.Reason) > maxExcerpt || strings.ContainsAny(closed.Reason, "\x00\n\r") {
			t.Errorf("the reason %q", closed.Reason)
		}
		if closed.UserMetadata != nil && !json.Valid(closed.UserMetadata) {
			t.Errorf("metadata %s", closed.UserMetadata)
		}
	})
}
