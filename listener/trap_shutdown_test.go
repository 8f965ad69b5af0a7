package listener_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// A server that is shut down doesn't wait for the listener, idle or busy, and the listener goes on by itself when the
// server is back; so it does when the server was killed.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*pgtest.Server, testing.TB){"stop": (*pgtest.Server).Stop, "kill": (*pgtest.Server).Kill} {
		for _, busy := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " beside an idle listener", true: " beside a busy listener"}[busy], func(t *testing.T) {
				t.Parallel()
				server := pgtest.NewServer(t, nil)
				r := rigOn(t, server.New(t))
				n := r.start()
				r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
				n.catchUp()
				committed := make(chan int, 1)
				if busy {
					writing := make(chan struct{})
					conn := r.session()
					go func() {
						written := 0
						for ; ; written++ {
							if _, err := conn.Exec(r.ctx(), `insert into auth.users (tenant_id, user_id) select 't', 'u' || $1::int || '-' || i from generate_series(1, 20) i`, written); err != nil {
								break
							}
							if written == 20 {
								close(writing)
							}
						}
						committed <- written
					}()
					select {
					case <-writing:
					case written := <-committed:
						t.Fatalf("the writer ended after %d transactions", written)
					}
				} else {
					committed <- 0
				}
				began := time.Now()
				end(server, t)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("the server took %v to end", took)
				}
				batches := <-committed
				server.Start(t)
				r.pool.Reset()
				n.awaitOwning()
				r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`)
				n.catchUp()
				roles, users := 0, 0
				for _, e := range r.events() {
					if e.Table == "auth.roles" {
						roles++
					} else {
						users++
					}
				}
				if stored := value[int](r, `select count(*) from auth.users`); roles != 2 || users != stored || stored < batches*20 {
					t.Errorf("the log has %d roles and %d users; 2 and %d are there, and %d transactions were acknowledged", roles, users, stored, batches)
				}
				r.requireSound()
			})
		}
	}
}
