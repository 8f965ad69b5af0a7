package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	if !storable(text) {
		return nil, errors.New("the answer's user_metadata has U+0000 or half of a surrogate pair, which Postgres doesn't store")
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

// storable tells JSON that Postgres takes from other valid JSON: it knows no U+0000, and no half of a surrogate pair.
func storable(text []byte) bool {
	pending := false // the first half of a pair was the last character
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			if pending {
				return false
			}
			continue
		}
		i++ // what is escaped may be a backslash
		if text[i] != 'u' {
			if pending {
				return false
			}
			continue
		}
		n, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
		second := n >= 0xDC00 && n <= 0xDFFF
		if err != nil || n == 0 || second != pending {
			return false
		}
		pending = n >= 0xD800 && n <= 0xDBFF
		i += 4
	}
	return true
}
