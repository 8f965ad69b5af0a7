// Package seal is how secrets lie at rest: encrypted with the server's key (XChaCha20-Poly1305), each bound to the name of
// the place that it belongs to, so that a sealed value which someone moves to another row does not open.
//
// Keys are text, LATCHKEY_SECRET_KEY: one or several, each an id and 32 bytes in base64.
//
//	k7f3a2b1:3q2+7wAAAA...=,k0c9d8e7:AAAA...=
//
// The first seals, all of them open; MAC makes short codes unreadable with the first. So a key is replaced by putting a new one in front, sealing everything again, and
// leaving the old one out. What was sealed with a key that is lost is lost.
package seal
