package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
)

// metadataOf takes user_metadata from an answer; it is untrusted.
func metadataOf(fields map[string]json.RawMessage) (json.RawMessage, error) {
	text, has := fields["user_metadata"]
	if !has || string(text) == "null" {
		return nil, nil
	}
	if _, err := object(text); err != nil {
		return nil, fmt.Errorf("the answer's user_metadata: %w", err)
	}
	if hasNUL(text) {
		return nil, errors.New("the answer's user_metadata has a character U+0000, which Postgres doesn't store")
	}
	return text, nil
}

// MergeMetadata sets each member of patch in metadata, as setUserMetadata does one by one: a value replaces what was there as a
// whole, and null takes the member away. Both are JSON objects; no metadata is {}.
func MergeMetadata(metadata, patch json.RawMessage) (json.RawMessage, error) {
	if len(metadata) == 0 || string(metadata) == "null" {
		metadata = json.RawMessage(`{}`)
	}
	if len(patch) == 0 {
		return metadata, nil
	}
	merged, err := object(metadata)
	if err != nil {
		return nil, fmt.Errorf("webhook: the user's metadata: %w", err)
	}
	changes, err := object(patch)
	if err != nil {
		return nil, fmt.Errorf("webhook: metadata to merge: %w", err)
	}
	for name, value := range changes {
		if string(value) == "null" {
			delete(merged, name)
		} else {
			merged[name] = value
		}
	}
	return json.Marshal(merged)
}

// hasNUL looks for the escape \u0000 in valid JSON, where nothing else can make one.
func hasNUL(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i+6 <= len(text) && string(text[i:i+6]) == `\u0000` {
			return true
		}
		i++ // what is escaped may be a backslash
	}
	return false
}
