package listener

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A server that hasn't the log any more is a stop with the way back; other ends are waited out, or not, by their state.
func TestStreamEnded(t *testing.T) {
	t.Parallel()
	gone := ended(&pgconn.PgError{Code: "XX000", Message: "requested WAL segment 000000010000000000000002 has already been removed"})
	var stopped *Stop
	if !errors.As(gone, &stopped) || stopped.Fix == "" || passing(gone) {
		t.Errorf("%v is no stop that names the way back", gone)
	}
	if other := ended(&pgconn.PgError{Code: "57P01", Message: "terminating connection"}); errors.As(other, &stopped) || !passing(other) {
		t.Errorf("%v isn't waited out", other)
	}
}
