package listener

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stream is the replication connection once it streams: one goroutine reads it, another says how far we are. The context
// of a read can't be cancelled (it would cost a timer a message): closing the connection ends it.
type stream struct {
	conn     *pgconn.PgConn
	received atomic.Uint64 // the furthest position the server has told of
	stored   atomic.Uint64 // what is acknowledged: durable here
	heard    atomic.Int64  // when the server last said something, unix nanoseconds
	ask      chan struct{} // ask the server to answer
	reply    chan struct{} // the server asked us
}

func newStream(conn *pgconn.PgConn, start pglogrepl.LSN) *stream {
	s := &stream{conn: conn, ask: make(chan struct{}, 1), reply: make(chan struct{}, 1)}
	s.received.Store(uint64(start))
	s.stored.Store(uint64(start))
	s.heard.Store(time.Now().UnixNano())
	return s
}

// acknowledge lets the server drop the log up to lsn, with the next status.
func (s *stream) acknowledge(lsn pglogrepl.LSN) { s.stored.Store(uint64(lsn)) }

// read passes messages on until the connection ends. keepalive is called between messages.
func (s *stream) read(message func(data []byte) error, keepalive func(serverEnd pglogrepl.LSN)) error {
	for {
		received, err := s.conn.ReceiveMessage(context.Background())
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		s.heard.Store(time.Now().UnixNano())
		switch m := received.(type) {
		case *pgproto3.CopyData:
			if err := s.data(m.Data, message, keepalive); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return ended(pgconn.ErrorResponseToPgError(m))
		case *pgproto3.CopyDone:
			return errors.New("the server ended the stream")
		}
	}
}

// ended is why the server ended the stream. Where it hasn't the log any more that the slot was to keep, a person has to know.
func ended(err *pgconn.PgError) error {
	if strings.HasPrefix(err.Message, "requested WAL segment") && strings.HasSuffix(err.Message, "already been removed") {
		return stop(err, resetFix, "the server no longer has the log that the slot needs")
	}
	return fmt.Errorf("the server ended the stream: %w", err)
}

func (s *stream) data(data []byte, message func([]byte) error, keepalive func(pglogrepl.LSN)) error {
	if len(data) == 0 {
		return stop(errShort, "report it with the server's version", "an empty message arrived in the stream")
	}
	switch data[0] {
	case pglogrepl.XLogDataByteID:
		const header = 1 + 8 + 8 + 8 // kind, start, server's end, time
		if len(data) < header {
			return stop(errShort, "report it with the server's version", "a message in the stream could not be read")
		}
		return message(data[header:])
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("keepalive: %w", err)
		}
		s.received.Store(max(s.received.Load(), uint64(k.ServerWALEnd)))
		keepalive(k.ServerWALEnd)
		if k.ReplyRequested {
			signal(s.reply)
		}
		return nil
	default:
		return stop(nil, "report it with the server's version", "a message of unknown kind %q arrived in the stream", data[0])
	}
}

// report tells the server where we are: at once when it asks, and often enough that it doesn't give us up, whatever the
// hooks do. It closes a connection over which the server has been silent for too long.
func (s *stream) report(ctx context.Context, timeout time.Duration) error {
	every := 10 * time.Second
	if timeout > 0 {
		every = min(every, timeout/3)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		wantAnswer := false
		select {
		case <-ctx.Done():
			return nil
		case <-s.reply:
		case <-s.ask:
			wantAnswer = true
		case <-ticker.C:
			silent := time.Since(time.Unix(0, s.heard.Load()))
			if timeout > 0 && silent > 2*timeout {
				return fmt.Errorf("the server has been silent for %v: %w", silent.Round(time.Second), context.DeadlineExceeded)
			}
			wantAnswer = silent > every
		}
		stored := s.stored.Load()
		// All three positions are set: the library would fill a zero one with the written position, and acknowledge
		// what is not stored. Received ones count as written, or the server repeats its keepalives.
		err := pglogrepl.SendStandbyStatusUpdate(ctx, s.conn, pglogrepl.StandbyStatusUpdate{
			WALWritePosition: pglogrepl.LSN(max(s.received.Load(), stored)), WALFlushPosition: pglogrepl.LSN(stored), WALApplyPosition: pglogrepl.LSN(stored),
			ReplyRequested: wantAnswer,
		})
		if err != nil {
			return fmt.Errorf("report to the server: %w", err)
		}
	}
}

// close ends both goroutines. The connection is cut, not said goodbye to: a stopping server would wait for us.
func (s *stream) close() {
	_ = s.conn.Conn().Close() // it ends either way
}
