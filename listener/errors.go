package listener

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Stop is why the listener can't go on by itself: a change could have been missed, or something only a person can put
// right. Run and Open return it; nothing was lost or passed over because of it.
type Stop struct {
	Problem string
	Fix     string // what to do, whole commands where there are some
	Err     error  // what Postgres said, if it did
}

func (s *Stop) Error() string {
	msg := s.Problem
	if s.Err != nil {
		msg += ": " + s.Err.Error()
	}
	return msg + "\n  to go on: " + s.Fix
}

func (s *Stop) Unwrap() error { return s.Err }

func stop(err error, fix, problem string, args ...any) error {
	return &Stop{Problem: fmt.Sprintf(problem, args...), Fix: fix, Err: err}
}

// errLost ends a term whose epoch is over: another process owns the group now.
var errLost = errors.New("another process has taken the group over")

// What makes a delivery dead at once: trying it again could repeat effects that are committed, or never end.
var (
	errEnded   = errors.New("the hook ended the transaction that it was given")
	errTooDeep = fmt.Errorf("more than %d hooks have caused each other's events", maxDepth)
)

// SQLSTATEs that the engine's own functions raise (sql/schema/00001_engine.sql), and Postgres' (appendix A).
const (
	stateLost      = "LK001"
	stateEnded     = "LK002"
	stateSettled   = "LK003"
	stateUnique    = "23505"
	stateExists    = "42710"
	stateDeadlock  = "40P01"
	stateInternal  = "XX000" // such as "tuple concurrently updated", of two that alter one table
	stateInUse     = "55006"
	stateNoSlots   = "53400"
	stateNoRights  = "42501"
	stateLockWait  = "55P03"
	stateNoTable   = "42P01"
	stateNoWalSend = "53300"
	stateNotReady  = "55000"
)

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// ackExists reports whether an ack was there already. A hook's own tables may have constraints of any name.
func ackExists(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == stateUnique && pg.SchemaName == "latchkey" && pg.TableName == "acks"
}

// passing reports whether an error is the network's or the server's state of the moment: the term ends and another begins.
func passing(err error) bool {
	var stopped *Stop
	if errors.As(err, &stopped) {
		return false
	}
	if errors.Is(err, errLost) || errors.Is(err, errYielded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	var netErr net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &netErr) || errors.As(err, &connect) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed") {
		return true
	}
	switch state := sqlState(err); {
	case state == "":
		return false
	case state == stateLost, state == stateInUse:
		return true
	default:
		switch state[:2] {
		case "08", "53", "57", "40": // connection, resources, operator intervention, rolled back
			return true
		}
		return false
	}
}
