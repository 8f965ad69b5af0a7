package listener_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// roleWriters make roles, each in a transaction of its own, until they are stopped.
type roleWriters struct {
	r    *webhookRig
	made atomic.Int64
	stop func()
	done sync.WaitGroup
}

func (r *webhookRig) writeRoles(writers int) *roleWriters {
	r.t.Helper()
	ctx := r.ctx()
	stop := make(chan struct{})
	w := &roleWriters{r: r, stop: sync.OnceFunc(func() { close(stop) })}
	for i := range writers {
		w.done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := r.pool.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, fmt.Sprintf("w%d-%d", i, n)); err != nil {
					r.t.Errorf("write: %v", err)
					return
				}
				w.made.Add(1)
			}
		})
	}
	r.t.Cleanup(w.end)
	return w
}

func (w *roleWriters) end() {
	w.stop()
	w.done.Wait()
}

// more waits until so many more are made.
func (w *roleWriters) more(n int64) {
	w.r.t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for until := w.made.Load() + n; w.made.Load() < until; {
		select {
		case <-ticker.C:
		case <-deadline:
			w.r.t.Fatalf("waited %v for the writers", patience)
		}
	}
}

// A hook that is made while others write fires for what committed after its row was made, and for nothing before: however late
// its transaction commits, and however far the listener is by then.
func TestWebhookFromThenOn(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	writers := r.writeRoles(3)
	writers.more(50)
	sinks := map[string]*hookstest.Sink{"plain": r.hook("plain", "role.created")}
	writers.more(50)

	sinks["open"] = hookstest.NewSink(t)
	tx := must[pgx.Tx](t)(r.pool.Begin(t.Context()))
	if _, err := tx.Exec(t.Context(), `insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('t', 'open', 'role.created', $1)`, sinks["open"].URL); err != nil {
		t.Fatal(err)
	}
	writers.more(150)
	n.catchUp()
	if _, err := tx.Exec(t.Context(), `insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('t', 'open', 'signing', $1)`, []byte(sinks["open"].Secret.Reveal())); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	writers.more(50)
	n.stop()
	sinks["between"] = r.hook("between", "role.created") // while no listener runs
	writers.more(50)
	n = r.start()
	writers.more(50)
	writers.end()
	n.catchUp()
	for id, sink := range sinks {
		want := wantFrom(r, id)
		got := make([]string, 0, len(want))
		for _, w := range sink.Await(len(want)) {
			var body struct{ Entity struct{ ID string } }
			decode(t, w, &body)
			got = append(got, body.Entity.ID)
		}
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("hook %s got %d messages, want %d", id, len(got), len(want))
		}
	}
	n.stop()
}

// wantFrom are the roles that a hook is to hear of.
func wantFrom(r *webhookRig, hook string) []string {
	r.t.Helper()
	start := value[pglogrepl.LSN](r.rig, `select start_lsn from auth.hooks where hook_id = $1`, hook)
	var want []string
	for _, e := range r.events() {
		if e.LSN >= start {
			want = append(want, *e.New["id"])
		}
	}
	slices.Sort(want)
	return want
}
