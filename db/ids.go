package db

import "crypto/rand"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID makes an id as the ecosystem has them: a prefix and 16 letters and digits, 95 bits from the system's generator.
func newID(prefix string) string { return newIDOf(prefix, 16) }

// newIDOf is newID for ids that are longer.
func newIDOf(prefix string, length int) string {
	id := []byte(prefix)
	var random [24]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
		for _, b := range random {
			if b < 248 { // 4 * 62: the rest would favour some letters
				id = append(id, alphabet[b%62])
			}
			if len(id) == len(prefix)+length {
				return string(id)
			}
		}
	}
}

// idOr is the id that the caller gives, or a new one.
func idOr(id, prefix string) string {
	if id == "" {
		return newID(prefix)
	}
	return id
}
