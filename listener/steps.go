package listener

// The steps at which a crash is interesting. Tests make the process die at them.
const (
	stepTaken        = "taken"        // the group is taken; its state is not read yet
	stepIngest       = "ingest"       // events are about to be stored
	stepChunk        = "chunk"        // a part of a transaction is stored, the rest is not
	stepIngested     = "ingested"     // they are
	stepAcknowledged = "acknowledged" // and may be acknowledged to the server
	stepAttempt      = "attempt"      // an attempt has been recorded, and its hook is about to run
	stepHook         = "hook"         // a hook is about to run
	stepHookRan      = "hook-ran"     // it returned; nothing is committed
	stepHookDone     = "hook-done"    // its transaction has committed, or its ack is about to be written
	stepSettle       = "settle"       // acks and cursors are about to be written
	stepSettled      = "settled"
	stepPark         = "park"   // a failed delivery is about to get its row
	stepParked       = "parked" // it has
	stepSend         = "send"   // a webhook's request is about to be sent
	stepSent         = "sent"   // it was answered; nothing is recorded
)

func (t *term) step(name string) { t.l.step(name) }

func (l *Listener) step(name string) {
	if l.onStep != nil {
		l.onStep(name)
	}
}
