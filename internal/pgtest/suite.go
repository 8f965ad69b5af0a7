package pgtest

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Suite runs the tests of a package and then ends the server. No package needs it, as the server ends with the process
// anyway, except one that looks for leaked goroutines: the server has a goroutine that waits for it.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }
//
// Docker without both testcontainers' reaper (TESTCONTAINERS_RYUK_DISABLED) and a docker command wants it too:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Suite{M: m}.Run()) }
type Suite struct {
	M interface{ Run() int } // a *testing.M
}

// Run gives the exit code.
func (s Suite) Run() int {
	code := s.M.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := process.end(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
