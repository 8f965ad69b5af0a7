package db

import "encoding/json"

// Optional is a field of a partial update, which is one of three things: absent (leave it), null, or a value. The zero
// Optional is absent, and JSON means what it says: a missing member leaves the field, null clears it.
type Optional[T any] struct {
	value T
	state uint8
}

const (
	isNull  uint8 = 1
	isValue uint8 = 2
)

// Set gives a field a value.
func Set[T any](value T) Optional[T] { return Optional[T]{value: value, state: isValue} }

// Null clears a field. A field that can't be NULL becomes its type's zero value.
func Null[T any]() Optional[T] { return Optional[T]{state: isNull} }

// Present reports whether the field is to be changed at all.
func (o Optional[T]) Present() bool { return o.state != 0 }

// Get returns the value, and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.value, o.state == isValue }

// UnmarshalJSON implements json.Unmarshaler; it isn't called for a missing member.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*o = Null[T]()
		return nil
	}
	o.state = isValue
	return json.Unmarshal(b, &o.value)
}

// apply changes a field that can't be NULL.
func (o Optional[T]) apply(to *T) {
	if o.Present() {
		*to = o.value
	}
}

// applyNull changes a field that can.
func (o Optional[T]) applyNull(to **T) {
	switch o.state {
	case isNull:
		*to = nil
	case isValue:
		value := o.value
		*to = &value
	}
}
