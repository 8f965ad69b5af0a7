//go:build latchkey_noack

package listener

const ackEnabled = false
