package webhook

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrTimeout is in [Answer.Err] when the time for an attempt was over.
var ErrTimeout = errors.New("no answer in time")

// maxExcerpt is in characters.
const maxExcerpt = 512

// Answer is what came of an attempt.
type Answer struct {
	Code       int    // 0 when there was no answer
	RetryAfter string // the header as it came
	Body       []byte // at most 256 KiB; untrusted
	Cut        bool   // there was more
	Latency    time.Duration
	Err        error // why there was no answer, or none that could be read to its end

	secrets []string // what the receiver got from us and may have sent back
}

// Attempt is what is recorded of an answer.
type Attempt struct {
	Code    int           `json:"code,omitempty"`
	Latency time.Duration `json:"latency"` // in nanoseconds
	Error   string        `json:"error,omitempty"`
	Body    string        `json:"body,omitempty"`
}

// Attempt is fit for logs and tables: error and body have at most 512 characters of valid UTF-8 without NUL, and what was
// secret in the request is masked.
func (a *Answer) Attempt() Attempt {
	t := Attempt{Code: a.Code, Latency: a.Latency, Body: a.excerpt(string(a.Body))}
	if a.Err != nil {
		t.Error = a.excerpt(a.Err.Error())
	}
	return t
}

// Mask makes text that has to do with the answer fit for logs, as [Answer.Attempt] does.
func (a *Answer) Mask(text string) string { return a.excerpt(text) }

// excerpt masks before it cuts, so that no half of a secret is left at the end. JSON may have a slash as \/.
func (a *Answer) excerpt(text string) string {
	for _, secret := range a.secrets {
		text = strings.ReplaceAll(text, secret, "***")
		text = strings.ReplaceAll(text, strings.ReplaceAll(secret, "/", `\/`), "***")
	}
	return plainText(text)
}

// signed keeps the signatures: whoever has one can send the message once more, as long as its timestamp is fresh.
func (a *Answer) signed(h http.Header) {
	for _, signature := range strings.Fields(h.Get("webhook-signature")) {
		a.secrets = append(a.secrets, strings.TrimPrefix(signature, "v1,"))
	}
}

func (a *Answer) conceal(r *Request) {
	for _, s := range r.Secrets {
		a.secrets = append(a.secrets, s.Reveal(), strings.TrimPrefix(s.Reveal(), secretPrefix))
	}
	if r.Token != "" {
		a.secrets = append(a.secrets, r.Token)
	}
	for _, value := range r.Headers { // an API key, as like as not
		if len(value) >= 8 {
			a.secrets = append(a.secrets, value)
		}
	}
}

// plainText makes text that Postgres takes and a log shows, at most 512 characters.
func plainText(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(text) <= maxExcerpt {
		return text
	}
	n := 0
	for i := range text {
		if n == maxExcerpt {
			return text[:i]
		}
		n++
	}
	return text
}
