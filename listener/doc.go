// Package listener streams committed changes from Postgres' logical replication and runs the after-hooks, each once for
// each change, whoever wrote it. How and why is in DESIGN.md beside this file.
//
// It promises:
//
//  1. A before-hook that refuses or fails leaves nothing written.
//  2. Every committed change of a hooked table, whoever made it, becomes exactly one event, in commit order.
//  3. Every (event, hook) is exactly one delivery. What an after-hook writes through the transaction that it is given commits
//     together with the record that it ran: its effects in Postgres happen exactly once, whatever crashes.
//  4. A webhook is sent until a 2xx is recorded, its schedule ends (then it is a dead letter, retriable) or the hook is
//     switched off; never again after a recorded 2xx. Every attempt, restart and replay carries the same `webhook-id`. A request
//     can repeat only when its answer did not reach our record in time (timeout, broken connection, crash, a process
//     paused through a takeover): nobody can promise a remote receiver more, so we don't, and the crash test prints how many.
//  5. One entity's deliveries reach a hook in commit order; a failing delivery holds back only its own (hook, entity).
//  6. No hook, slow, failing or down, holds WAL on the server: ingest never waits for a hook.
//  7. If a change could have been missed (slot lost, cluster restored), Latchkey stops and says so, and names the way back.
//
// A replay that someone asks for is a run of its own; 3 to 5 hold within it.
//
//	l, err := listener.Open(ctx, listener.Config{DatabaseURL: url, Hooks: reg})
//	err = l.Run(ctx) // until ctx ends
//
// A change goes this way, a file a step:
//
//	stream.go       the replication connection: messages in, positions out
//	decode.go       pgoutput's messages (pure)
//	described.go    what the stream says of tables and types
//	transaction.go  a transaction's changes become events; sets.go gathers role permissions
//	inbox.go        what arrives while a batch is being stored is the next batch
//	ingest.go       events, position and fence in one transaction; then the server may forget them
//	dispatch.go     stored events go to the lanes of their entities
//	lane.go         runs the hooks of an entity one after the other
//	delivery.go     what a hook's return means: its transaction, its ack
//	settle.go       acks and cursors, many at a time
//	window.go       how much may be under way, for hooks in Go and for a webhook
//	parked.go       what waits behind a failed delivery; retry.go tries it again
//
// Beside it: catchup.go serves hooks that are far behind, and replays and backfills; retention.go lets the log go.
// operator.go, replay.go and backfill.go are what an operator may ask for, in any process, and control.go is how the owner
// takes it in. status.go and doctor.go look. feed.go reads the log for one tenant, webhook_deliveries.go what became of its webhooks.
//
// Webhooks: webhooks.go makes subscriptions of their rows, webhook_queue.go is what one of them has in place of lanes, webhook_send.go makes an
// attempt, and webhook_rows.go records what came of it.
//
// tables.go says what the hooked tables are like, publication.go makes them ready and publishes them, recheck.go looks after them.
// owner.go says who may do all this, handover.go how a newer program gets it, and term.go runs it for as long as that lasts.
package listener
