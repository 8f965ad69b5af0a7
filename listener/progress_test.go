package listener

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/jackc/pglogrepl"
)

func settledUpTo(p *progress) int64 { return p.settled }

// waitFor begins to wait; returned tells whether that is over.
func waitFor(ctx context.Context, p *progress, lsn pglogrepl.LSN) (returned func() bool, err *error) {
	done := make(chan struct{})
	err = new(error)
	go func() {
		*err = p.wait(ctx, lsn, settledUpTo)
		close(done)
	}()
	return func() bool {
		synctest.Wait()
		select {
		case <-done:
			return true
		default:
			return false
		}
	}, err
}

func TestWaitForCoveredAndSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		asked := 0
		p.ask = func() { asked++ }
		returned, err := waitFor(t.Context(), p, 0x100)
		if returned() {
			t.Fatal("it returns at once, and nothing is stored")
		}
		if asked == 0 {
			t.Fatal("an idle stream is not asked where it is")
		}
		p.cover(0xff, 3)
		p.settle(3, 0)
		if returned() {
			t.Fatal("it returns one byte early")
		}
		if asked < 2 {
			t.Fatal("it gave up asking")
		}
		p.cover(0x100, 5)
		if returned() {
			t.Fatal("it returns with two deliveries open")
		}
		before := asked
		p.cover(0x200, 9) // what comes later is not waited for
		p.settle(4, 0)
		if returned() {
			t.Fatal("it returns with one delivery open")
		}
		if asked > before {
			t.Error("the server is asked for what it has told")
		}
		p.settle(5, 0)
		if !returned() || *err != nil {
			t.Fatalf("covered and settled: %v", *err)
		}
	})
}

func TestWaitReturnsAtOnce(t *testing.T) {
	t.Parallel()
	p := newProgress()
	p.ask = func() { t.Error("the server is asked") }
	p.cover(0x100, 5)
	p.settle(5, 0)
	for _, lsn := range []pglogrepl.LSN{0, 0xff, 0x100} {
		if err := p.wait(t.Context(), lsn, settledUpTo); err != nil {
			t.Error(err)
		}
	}
}

func TestWaitCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		ctx, cancel := context.WithCancel(t.Context())
		returned, err := waitFor(ctx, p, 0x100)
		if returned() || p.waiting == 0 {
			t.Fatal("nobody waits")
		}
		cancel()
		if !returned() || !errors.Is(*err, context.Canceled) {
			t.Fatalf("cancelled: %v", *err)
		}
		if p.waiting > 0 {
			t.Error("someone still waits")
		}
	})
}

// On a standby nobody can be asked; when the stream begins, it is.
func TestWaitAsksOnceAStreamRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		returned, err := waitFor(t.Context(), p, 0x100)
		if returned() {
			t.Fatal("it returns at once")
		}
		asked := 0
		p.update(func(p *progress) { p.ask = func() { asked++ } })
		if returned() || asked == 0 {
			t.Fatal("the new stream is not asked")
		}
		p.cover(0x100, 0)
		if !returned() || *err != nil {
			t.Fatalf("covered, and nothing to settle: %v", *err)
		}
	})
}

// Reports may come late and in any order: nothing goes back.
func TestProgressNeverGoesBack(t *testing.T) {
	t.Parallel()
	p := newProgress()
	p.cover(0x200, 9)
	p.cover(0x100, 5)
	p.settle(7, 0)
	p.settle(6, 0)
	if p.covered != 0x200 || p.stored != 9 || p.settled != 7 {
		t.Errorf("progress is %s, %d, %d", p.covered, p.stored, p.settled)
	}
}

func TestManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		var returned [20]func() bool
		for i := range returned {
			returned[i], _ = waitFor(t.Context(), p, pglogrepl.LSN(i+1))
		}
		for n := range returned {
			p.cover(pglogrepl.LSN(n+1), int64(n+1))
			p.settle(int64(n+1), 0)
			for i, is := range returned {
				if is() != (i <= n) {
					t.Fatalf("at %d: the wait for %d has returned: %t", n+1, i+1, is())
				}
			}
		}
	})
}
