package db

import (
	"encoding/json"
	"maps"
)

// mergeObject puts the members of an object into another, at the first level: a member that is null goes, and an object without
// members leaves nothing. What is no object is given back as it is, for normalize to refuse.
func mergeObject(into, from json.RawMessage) json.RawMessage {
	var was, news map[string]json.RawMessage
	if json.Unmarshal(from, &news) != nil || len(news) == 0 || json.Unmarshal(into, &was) != nil {
		return from
	}
	if was == nil {
		was = map[string]json.RawMessage{}
	}
	maps.Copy(was, news)
	maps.DeleteFunc(was, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	merged, err := json.Marshal(was)
	if err != nil {
		return from
	}
	return merged
}

// applyMerged is apply for metadata.
func applyMerged(o Optional[json.RawMessage], merge bool, to *json.RawMessage) {
	if value, ok := o.Get(); ok && merge {
		*to = mergeObject(*to, value)
		return
	}
	o.apply(to)
}

// merged is an update whose metadata is what it makes of a row: for one that was asked about.
func (in UpdateUser) merged(row User) UpdateUser {
	in.MergeMetadata = false
	if in.UserMetadata.Present() {
		in.UserMetadata = Set(row.UserMetadata)
	}
	if in.AppMetadata.Present() {
		in.AppMetadata = Set(row.AppMetadata)
	}
	return in
}
