//go:build !latchkey_noack

package listener

// ackEnabled is false only in a binary that is broken on purpose, to see that the crash test notices.
const ackEnabled = true
