// Package listener streams committed changes from Postgres' logical replication and runs the after-hooks, each once for
// each change, whoever wrote it. What is promised, and why it holds, is in DESIGN.md beside this file.
//
//	l, err := listener.Open(ctx, listener.Config{DatabaseURL: url, Hooks: reg})
//	err = l.Run(ctx) // until ctx ends
//
// A change goes this way, a file a step:
//
//	stream.go       the replication connection: messages in, positions out
//	decode.go       pgoutput's messages (pure)
//	transaction.go  a transaction's changes become events; sets.go gathers role permissions
//	inbox.go        what arrives while a batch is being stored is the next batch
//	ingest.go       events, position and fence in one transaction; then the server may forget them
//	dispatch.go     stored events go to the lanes of their entities
//	lane.go         runs the hooks of an entity one after the other
//	delivery.go     what a hook's return means: its transaction, its ack
//	settle.go       acks and cursors, many at a time
//	parked.go       what waits behind a failed delivery; retry.go tries it again
//
// owner.go says who may do all this, and term.go runs it for as long as that lasts.
package listener
