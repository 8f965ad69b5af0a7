// Package token signs and verifies tokens (JWT), and keeps the keys for it in auth.signing_keys.
//
// There are always two keys with a private part: the current one signs, the next one is in the JWKS already, so that
// verifiers know it by the time that it signs. [Issuer.Rotate] moves on by one; a retired key stays in the JWKS until all
// that it signed has expired. Keys are the server's, not a tenant's: tokens say whose they are by the claim tenant_id.
//
// Private parts are sealed at rest by package seal. Each process has the keys in memory and reads them again once a minute.
package token
