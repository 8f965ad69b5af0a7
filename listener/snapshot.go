package listener

import (
	"fmt"
	"strconv"
	"strings"
)

// snapshot is pg_current_snapshot(): which transactions are visible to everyone. A change can arrive before its row is
// visible, because the log is written before the transaction leaves the list of running ones.
type snapshot struct {
	xmax    uint64
	running []uint64
}

func parseSnapshot(text string) (snapshot, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return snapshot{}, fmt.Errorf("snapshot %q is not xmin:xmax:list", text)
	}
	var s snapshot
	var err error
	if s.xmax, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
		return s, fmt.Errorf("snapshot %q: %w", text, err)
	}
	for id := range strings.SplitSeq(fields[2], ",") {
		if id == "" {
			continue
		}
		xid, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return s, fmt.Errorf("snapshot %q: %w", text, err)
		}
		s.running = append(s.running, xid)
	}
	return s, nil
}

// visible reports whether a transaction that has committed is over for others too. The stream has the low 32 bits of its
// id; the distance to xmax, as a signed number, gives the rest. (Taking the largest id that is not above xmax would make
// one just above it look ancient.)
func (s snapshot) visible(xid uint32) bool {
	distance := int32(xid - uint32(s.xmax)) // wraps on purpose
	if distance >= 0 {
		return false
	}
	full := s.xmax + uint64(int64(distance))
	for _, running := range s.running {
		if running == full {
			return false
		}
	}
	return true
}
