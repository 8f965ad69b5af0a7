package hooks

import (
	"slices"
	"time"
)

// Option adjusts one registration. Options of a name that stands for several operations are joined.
type Option func(*options)

type options struct {
	renamedFrom string
	filter      func(*Event) bool
	timeout     time.Duration
	passDead    bool
	start       Start
}

// RenamedFrom carries the cursor of the hook's former name over, so that a rename neither repeats nor skips events.
func RenamedFrom(name string) Option { return func(o *options) { o.renamedFrom = name } }

// Start is where a hook begins that was never registered before.
type Start struct {
	Given bool
	Seq   int64     // the first event
	Time  time.Time // or the first that was committed then or later
}

// StartAt lets a new after-hook begin with an event of the log, by its number; 0 is the first that the log still has.
// Without it, a hook begins with what commits after its registration. It has no effect on a hook that has a cursor.
func StartAt(seq int64) Option { return func(o *options) { o.start = Start{Given: true, Seq: seq} } }

// StartAtTime is StartAt with the first event that was committed at a time or later.
func StartAtTime(at time.Time) Option {
	return func(o *options) { o.start = Start{Given: true, Time: at} }
}

// Filter narrows an after-hook to the events for which match says true. It must depend on the event alone: after a
// restart it is asked again. It is not asked of before-hooks.
func Filter(match func(*Event) bool) Option { return func(o *options) { o.filter = match } }

// WhenChanged narrows AfterUpdate to updates that changed one of the columns, or may have: where the log doesn't have what
// it was (see [Image.Unknown]), the hook runs.
func WhenChanged(columns ...string) Option {
	return Filter(func(ev *Event) bool {
		return ev.Operation != Update || slices.ContainsFunc(columns, ev.MayHaveChanged)
	})
}

// Timeout is the hook's deadline. The default is 5 s for a before-hook, which its writer waits for, and 30 s for an after-hook.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// PassDead lets later events of an entity go on past a dead delivery. Without it they are held until the dead one is
// retried or discarded, because the hook would otherwise see a history with a hole.
func PassDead() Option { return func(o *options) { o.passDead = true } }
