//go:build !latchkey_nofence

package listener

// fenceEnabled is false only in a binary that is broken on purpose, to see that the crash test notices.
const fenceEnabled = true
