package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// OnError is what a synchronous webhook without a usable answer decides.
type OnError uint8

// The choices; a hook has Deny unless it says otherwise.
const (
	Deny OnError = iota
	Allow
)

func (o OnError) String() string {
	if o == Allow {
		return "allow"
	}
	return "deny"
}

// ParseOnError reads deny and allow; nothing is deny.
func ParseOnError(text string) (OnError, error) {
	switch text {
	case "", "deny":
		return Deny, nil
	case "allow":
		return Allow, nil
	}
	return Deny, fmt.Errorf("webhook: on_error %q: it is deny or allow", text)
}

// The triggers whose webhooks are asked before the write.
const (
	ValidateRegistrationUsername = "validate-registration-username"
	PreUserRegistration          = "pre-user-registration"
	PreUserUpdate                = "pre-user-update"
	PreUserDeletion              = "pre-user-deletion"
)

// Decision is what a synchronous webhook decided.
type Decision struct {
	Allowed bool
	Reason  string // of a refusal, for the user: at most 512 characters in one line, never empty
	// UserMetadata is the JSON object to merge into the user's, with [MergeMetadata]; nil for none. It is only taken of
	// an answer that allows, for the triggers pre-user-registration and pre-user-update.
	UserMetadata json.RawMessage
	// Fault is why on_error decided and the receiver didn't; nil where it did. It is to be logged either way.
	Fault error
}

// What a refusal says when the receiver gave no reason, or gave no answer.
const (
	refusedWithoutReason = "refused by a webhook"
	refusedWithoutAnswer = "a webhook that has to agree did not answer"
)

// Decide reads the answer of a synchronous webhook. A 2xx with {"allowed": false, "reason": ...} refuses, one without allowed
// allows; a 204 has no body and allows. A 4xx refuses. All else is a fault, and onError decides: no answer in time, 5xx, 429, a
// redirect, and in a 2xx a body that is no JSON object, is too long, or has something else than a truth value for allowed.
func Decide(trigger string, onError OnError, a *Answer) Decision {
	d, err := read(trigger, a)
	if err == nil {
		return d
	}
	d = Decision{Allowed: onError == Allow, Fault: fmt.Errorf("webhook: %s: %w", trigger, err)}
	if !d.Allowed {
		d.Reason = refusedWithoutAnswer
	}
	return d
}

func read(trigger string, a *Answer) (Decision, error) {
	switch {
	case a.Code == 0 && a.Err != nil:
		return Decision{}, a.Err
	case a.Code >= 400 && a.Code <= 499 && a.Code != http.StatusTooManyRequests:
		return refusal(a.Body), nil // whatever became of the body
	case a.Code < 200 || a.Code > 299:
		return Decision{}, fmt.Errorf("the answer is %d", a.Code)
	case a.Err != nil:
		return Decision{}, a.Err
	case a.Cut:
		return Decision{}, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	case a.Code == http.StatusNoContent:
		return Decision{Allowed: true}, nil
	}
	fields, err := object(a.Body)
	if err != nil {
		return Decision{}, fmt.Errorf("the answer: %w", err)
	}
	if text, has := fields["allowed"]; has {
		switch string(text) {
		case "true":
		case "false":
			return refusal(a.Body), nil
		default:
			return Decision{}, errors.New("the answer's allowed is neither true nor false")
		}
	}
	d := Decision{Allowed: true}
	if trigger == PreUserRegistration || trigger == PreUserUpdate {
		if d.UserMetadata, err = metadataOf(fields); err != nil {
			return Decision{}, err
		}
	}
	return d, nil
}

// object reads the members of a JSON object by their exact names; encoding into a struct would take "Allowed" for "allowed".
func object(body []byte) (map[string]json.RawMessage, error) {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return nil, errors.New("it is no JSON object")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	return fields, nil
}

func refusal(body []byte) Decision {
	d := Decision{Reason: refusedWithoutReason}
	fields, err := object(body)
	if err != nil {
		return d
	}
	var reason string
	if json.Unmarshal(fields["reason"], &reason) != nil {
		return d
	}
	if reason = plainText(oneLine(reason)); reason != "" {
		d.Reason = reason
	}
	return d
}

// oneLine leaves neither line breaks nor what steers a terminal or turns the direction of text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.Is(unicode.C, c)
	}), " ")
}
