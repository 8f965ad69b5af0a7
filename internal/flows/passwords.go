package flows

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
)

const (
	minPassword = 8    // characters, unless the connection says otherwise
	maxPassword = 256  // bytes, of a new one
	maxTyped    = 4096 // bytes, of one to be compared: the management API takes longer ones than a signup does
	// maxHashMemory bounds what an imported hash may ask for: KiB.
	maxHashMemory = 1 << 20
)

// checkPassword holds a new password against the connection's policy.
func (con *usable) checkPassword(password string, email, username *string) error {
	least := minPassword
	switch con.options.PasswordPolicy {
	case "low":
		least = 6
	case "none":
		least = 1
	}
	if con.options.PasswordComplexity.MinLength > 0 {
		least = con.options.PasswordComplexity.MinLength
	}
	kinds := 0
	for _, is := range []func(rune) bool{unicode.IsLower, unicode.IsUpper, unicode.IsDigit, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }} {
		if strings.ContainsFunc(password, is) {
			kinds++
		}
	}
	problem := ""
	switch {
	case utf8.RuneCountInString(password) < least:
		problem = fmt.Sprintf("The password must have %d characters at least.", least)
	case len(password) > maxPassword:
		problem = fmt.Sprintf("The password must not be longer than %d bytes.", maxPassword)
	case isOwn(password, email), isOwn(password, username):
		problem = "The password must not be the e-mail address or the username."
	case kinds < map[string]int{"fair": 3, "good": 3, "excellent": 3}[con.options.PasswordPolicy]:
		problem = "The password must have three of: lower-case letters, upper-case letters, digits, other characters."
	default:
		return nil
	}
	return &Refused{Code: "invalid_password", Description: problem}
}

func isOwn(password string, name *string) bool {
	return name != nil && strings.EqualFold(password, *name)
}

// hash makes the hash of a new password. It takes a while: no transaction may be open.
func (f *Flows) hash(ctx context.Context, password string) (string, error) {
	if err := f.takeTurn(ctx); err != nil {
		return "", err
	}
	defer f.endTurn()
	return argon2id.CreateHash(password, f.params)
}

// hashOfNothing is what is compared where there is no user: of those parameters, and of no password. Making a real one would take the
// start of every program as long as a login, and its memory.
func hashOfNothing(p *argon2id.Params) string {
	salt, key := make([]byte, p.SaltLength), make([]byte, p.KeyLength)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(key)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Iterations, p.Parallelism,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// compare says whether a password is the one that a hash was made of, and whether the hash is to be made again, because it was made
// with other parameters. Without a hash it takes as long, and says no.
func (f *Flows) compare(ctx context.Context, password, hash string) (match, outdated bool, err error) {
	known := hash != ""
	if !known {
		hash = f.noHash
	}
	if len(password) > maxTyped {
		password = "" // matches nothing, and takes as long
		known = false
	}
	params, _, _, err := argon2id.DecodeHash(hash)
	if err == nil && (params.Iterations == 0 || params.Parallelism == 0 || params.Memory > maxHashMemory) {
		err = errors.New("parameters that no hash has")
	}
	if err != nil {
		return false, false, fmt.Errorf("flows: a stored password hash can't be used, so the user has to reset the password: %w", err)
	}
	if err := f.takeTurn(ctx); err != nil {
		return false, false, err
	}
	defer f.endTurn()
	match, err = argon2id.ComparePasswordAndHash(password, hash)
	// Lanes are no cost: machines with other processors make them otherwise.
	outdated = params.Memory != f.params.Memory || params.Iterations != f.params.Iterations || params.KeyLength != f.params.KeyLength
	return match && known, outdated, err
}

// takeTurn bounds how many hashes are made at once: each takes memory of its own.
func (f *Flows) takeTurn(ctx context.Context) error {
	select {
	case f.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Flows) endTurn() { <-f.turns }
