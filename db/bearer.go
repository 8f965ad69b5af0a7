package db

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// newToken makes 256 bits for whoever bears them, as 43 characters of URL-safe base64: a link, a cookie, a refresh token.
func newToken() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(random)
}

// hashOf is all that is stored of one. It needs no salt, as nobody can guess 256 bits.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
