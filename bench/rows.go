package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// rows reads inserted rows from a slot, for a delivery that isn't Latchkey's.
type rows struct {
	conn         *pgconn.PgConn
	arrived      chan inserted
	ended        chan struct{}
	err          error // of read, once ended is closed
	cancel       context.CancelFunc
	acknowledged atomic.Uint64
}

// inserted is a row with the end of its transaction, of which it is the only one.
type inserted struct {
	row map[string]string
	lsn pglogrepl.LSN
}

// openRows starts a stream from where the slot stands.
func (b *bench) openRows(ctx context.Context, slot string) (*rows, error) {
	config, err := pgconn.ParseConfig(b.url)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	if err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + publication + "'"},
	}); err != nil {
		_ = conn.Close(ctx) // err says more
		return nil, fmt.Errorf("stream: %w", err)
	}
	r := &rows{conn: conn, arrived: make(chan inserted, 2*riverBatch), ended: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.ended)
		r.err = r.read(ctx)
	}()
	return r, nil
}

// take waits for a row and takes all that are there, up to a limit, with the end of the last one's transaction.
func (r *rows) take(ctx context.Context, limit int) (taken []map[string]string, lsn pglogrepl.LSN, err error) {
	select {
	case in := <-r.arrived:
		taken, lsn = append(taken, in.row), in.lsn
	case <-r.ended:
		return nil, 0, fmt.Errorf("stream: it ended: %w", r.err)
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	for len(taken) < limit {
		select {
		case in := <-r.arrived:
			taken, lsn = append(taken, in.row), in.lsn
		default:
			return taken, lsn, nil
		}
	}
	return taken, lsn, nil
}

// acknowledge lets the server forget; it is told when it asks, and about every second.
func (r *rows) acknowledge(lsn pglogrepl.LSN) { r.acknowledged.Store(uint64(lsn)) }

// close ends the stream and waits for its reader.
func (r *rows) close(ctx context.Context) {
	r.cancel()
	<-r.ended
	_ = r.conn.Close(ctx) // nothing is open
}

// read turns messages into rows until ctx ends.
func (r *rows) read(ctx context.Context) error {
	t := &transactions{relations: map[uint32]*pglogrepl.RelationMessage{}}
	told := time.Now()
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		data, ok := message.(*pgproto3.CopyData)
		if !ok {
			return fmt.Errorf("unexpected %T", message)
		}
		done, asked, err := t.message(data.Data)
		if err != nil {
			return err
		}
		for _, in := range done {
			select {
			case r.arrived <- in:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if asked || time.Since(told) > time.Second {
			told = time.Now()
			status := pglogrepl.StandbyStatusUpdate{WALWritePosition: pglogrepl.LSN(r.acknowledged.Load())}
			if err := pglogrepl.SendStandbyStatusUpdate(ctx, r.conn, status); err != nil {
				return err
			}
		}
	}
}

// transactions gathers rows until their commit.
type transactions struct {
	relations map[uint32]*pglogrepl.RelationMessage
	open      []map[string]string
}

// message returns the rows that a message commits, and whether the server asks for the position.
func (t *transactions) message(data []byte) (done []inserted, asked bool, err error) {
	if data[0] == pglogrepl.PrimaryKeepaliveMessageByteID {
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		return nil, alive.ReplyRequested, err
	}
	log, err := pglogrepl.ParseXLogData(data[1:])
	if err != nil {
		return nil, false, err
	}
	m, err := pglogrepl.Parse(log.WALData)
	if err != nil {
		return nil, false, err
	}
	switch m := m.(type) {
	case *pglogrepl.RelationMessage:
		t.relations[m.RelationID] = m
	case *pglogrepl.InsertMessage:
		t.open = append(t.open, rowOf(t.relations[m.RelationID], m.Tuple))
	case *pglogrepl.CommitMessage:
		for _, row := range t.open {
			done = append(done, inserted{row, m.TransactionEndLSN})
		}
		t.open = t.open[:0]
	}
	return done, false, nil
}

func rowOf(relation *pglogrepl.RelationMessage, tuple *pglogrepl.TupleData) map[string]string {
	row := make(map[string]string, len(tuple.Columns))
	for i, c := range tuple.Columns {
		if c.DataType == pglogrepl.TupleDataTypeText {
			row[relation.Columns[i].Name] = string(c.Data)
		}
	}
	return row
}
