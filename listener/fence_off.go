//go:build latchkey_nofence

package listener

const fenceEnabled = false
