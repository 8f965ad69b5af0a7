package auth

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Metadata reads one member of a user's metadata, or of another JSON object: the zero T where there is none, or where it is null.
// What is there and is no T is an error, so that a hook on "email_locked" doesn't take "yes" for no.
//
//	locked, err := auth.Metadata[bool](ev.User.AppMetadata, "email_locked")
func Metadata[T any](object json.RawMessage, key string) (T, error) {
	var value T
	members := map[string]json.RawMessage{}
	if len(object) > 0 {
		if err := json.Unmarshal(object, &members); err != nil {
			return value, fmt.Errorf("auth: metadata: %w", err)
		}
	}
	if member, has := members[key]; has {
		if err := json.Unmarshal(member, &value); err != nil {
			var zero T
			return zero, fmt.Errorf("auth: metadata: %s: %w", key, err)
		}
	}
	return value, nil
}

// Members are those of a JSON object.
type Members map[string]json.RawMessage

// into gives an object these members; one that is null goes.
func (m Members) into(object json.RawMessage) (json.RawMessage, error) {
	if len(m) == 0 {
		return object, nil
	}
	all := Members{}
	if len(object) > 0 {
		if err := json.Unmarshal(object, &all); err != nil {
			return nil, fmt.Errorf("auth: metadata: %w", err)
		}
	}
	maps.Copy(all, m)
	maps.DeleteFunc(all, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return json.Marshal(all)
}

// with is these members and others, whose values count where the names are equal.
func (m Members) with(others Members) Members {
	if len(others) == 0 {
		return m
	}
	all := Members{}
	maps.Copy(all, m)
	maps.Copy(all, others)
	return all
}

// said is what one run of a hook said by its API. A hook may have left a goroutine behind, hence the lock.
type said struct {
	mu       sync.Mutex
	no       *hooks.Rejection
	problem  error // the first thing that it said wrongly: the hook fails
	user     Members
	app      Members
	id       Members
	access   Members
	redirect string
	form     string
}

// refuse keeps the first refusal.
func (s *said) refuse(code, reason, instead string) {
	if s == nil {
		return
	}
	if reason == "" {
		reason = instead
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.no == nil {
		s.no = &hooks.Rejection{Code: code, Reason: reason}
	}
}

func (s *said) wrong(err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == nil {
		s.problem = err
	}
}

// set notes a member of one of said's objects.
func (s *said) set(which func(*said) *Members, what, name string, value any) {
	if s == nil {
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		s.wrong(fmt.Errorf("auth: %s %q: %w", what, name, err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	members := which(s)
	if *members == nil {
		*members = Members{}
	}
	(*members)[name] = text
}

// verdict is what the hook returned, or else what it said.
func (s *said) verdict(returned error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case returned != nil:
		return returned
	case s.problem != nil:
		return s.problem
	case s.no != nil:
		return s.no
	}
	return nil
}

// take is what was said, for whoever goes on with it: later words are lost.
func (s *said) take() *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := &said{user: s.user, app: s.app, id: s.id, access: s.access, redirect: s.redirect, form: s.form}
	s.user, s.app, s.id, s.access = nil, nil, nil, nil
	return taken
}

// UserMetadata is the part of an API that changes the user's metadata.
type UserMetadata struct{ said *said }

// SetUserMetadata sets a member of the user's user_metadata; null removes it. It takes effect when the hook has returned, if
// nothing refuses. The value is whatever encoding/json makes JSON of, hence any; if that fails, so does the hook.
func (u UserMetadata) SetUserMetadata(key string, value any) {
	u.said.set(func(s *said) *Members { return &s.user }, "user metadata", key, value)
}
