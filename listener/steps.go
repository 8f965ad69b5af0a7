package listener

// The steps at which a crash is interesting. Tests make the process die at them.
const (
	stepIngest       = "ingest"       // events are about to be stored
	stepIngested     = "ingested"     // they are
	stepAcknowledged = "acknowledged" // and may be acknowledged to the server
	stepHook         = "hook"         // a hook is about to run
	stepHookRan      = "hook-ran"     // it returned; nothing is committed
	stepHookDone     = "hook-done"    // its transaction has committed, or its ack is about to be written
	stepSettle       = "settle"       // acks and cursors are about to be written
	stepSettled      = "settled"
	stepPark         = "park" // a failed delivery is about to get its row
)

func (t *term) step(name string) {
	if t.l.onStep != nil {
		t.l.onStep(name)
	}
}
