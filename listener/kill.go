package listener

import "errors"

// errKilled ends a Run that was killed.
var errKilled = errors.New("killed")

// Kill makes Run return at once and leaves everything as a crash of the process would: hooks that run are cut off,
// nothing more is written and nothing is given up. It is for tests of hooks; package hookstest calls it Crash. A
// listener that was killed can't run again: open another.
func (l *Listener) Kill() { l.killOnce.Do(func() { close(l.killed) }) }

func (l *Listener) wasKilled() bool {
	select {
	case <-l.killed:
		return true
	default:
		return false
	}
}
