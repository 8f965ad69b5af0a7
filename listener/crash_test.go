//go:build unix

package listener_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

const (
	crashKillsEnv = "LATCHKEY_CRASH_KILLS" // how often at a random moment: 20 unless it says so, 100 by `make test/crash`
	crashSeedEnv  = "LATCHKEY_CRASH_SEED"  // of what a failed run has printed
)

// crashEach is how often every step is hit; a shorter run, with fewer than crashFull kills at random, hits each once.
const (
	crashEach = 5
	crashFull = 50
)

// TestCrash kills a process with a listener and hooks, again and again, while others write, and then compares what the
// writers have committed with the log and with what the hooks have done: each change once, in the order of its entity,
// none missing.
func TestCrash(t *testing.T) {
	if url := os.Getenv(crashChildEnv); url != "" {
		runCrashChild(t, url)
	}
	t.Parallel()
	c := newCrash(t)
	writers := c.startWriters()
	for _, life := range c.plan() {
		life.run()
	}
	c.stopWriters(writers)
	c.check()
	c.report()
}

// crash is one run of the test.
type crash struct {
	t      *testing.T
	pool   *pgxpool.Pool
	url    string
	seed   uint64
	random *rand.Rand
	truth  *crashTruth
	sink   *crashSink
	all    []db.PermissionRef
	bulk   chan struct{}

	order    []string // of the lines in the table
	kills    map[string]int
	external string // how the other writer came in
	began    time.Time
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	c := &crash{
		t: t, truth: newCrashTruth(), sink: newCrashSink(), bulk: make(chan struct{}, 1), kills: map[string]int{}, began: time.Now(),
		seed: uint64(time.Now().UnixNano()),
	}
	if s := os.Getenv(crashSeedEnv); s != "" {
		var err error
		if c.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s: %v", crashSeedEnv, err)
		}
	}
	c.random = rand.New(rand.NewPCG(c.seed, 0))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to choose the same moments again: %s=%d", crashSeedEnv, c.seed)
		}
	})
	d := pgtest.New(t)
	d.Exec(t, crashTables)
	c.url, c.pool = d.URL, d.Pool(t)
	c.seedRows()
	return c
}

// seedRows are there before the first listener, so they are no events.
func (c *crash) seedRows() {
	c.t.Helper()
	c.exec(`insert into auth.tenants (id) values ($1)`, crashTenant)
	c.exec(`insert into auth.resource_servers (tenant_id, identifier) values ($1, 'api')`, crashTenant)
	c.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name)
		select $1, 'api', 'p' || lpad(i::text, 4, '0') from generate_series(1, $2::int) i`, crashTenant, crashPermissions)
	c.exec(`insert into auth.roles (tenant_id, id, name, description) select $1, 'shared-' || i, 'shared-' || i, 'm0' from generate_series(0, $2::int - 1) i`, crashTenant, crashShared)
	for i := range crashPermissions {
		c.all = append(c.all, db.PermissionRef{ResourceServerIdentifier: "api", PermissionName: fmt.Sprintf("p%04d", i+1)})
	}
}

func (c *crash) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := c.pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatalf("%v\nin: %s", err, sql)
	}
}

// lsn is a position behind all that is committed.
func (c *crash) lsn(ctx context.Context) string {
	c.t.Helper()
	var lsn pglogrepl.LSN
	if err := c.pool.QueryRow(ctx, `select pg_current_wal_flush_lsn()`).Scan(&lsn); err != nil {
		c.t.Fatal(err)
	}
	return lsn.String()
}

func (c *crash) start(env ...string) *crashProcess {
	c.t.Helper()
	return startCrashChild(c.t, c.url, c.sink, env...)
}

// makeSlot runs a first listener: what was written before it would be no event.
func (c *crash) makeSlot() {
	c.t.Helper()
	starting.Lock()
	defer starting.Unlock()
	p := c.start()
	p.await("owning", "")
	p.stop()
}

// crashWriters run until they are stopped.
type crashWriters struct {
	stop context.CancelFunc
	errs chan error
	n    int
}

func (c *crash) startWriters() *crashWriters {
	c.t.Helper()
	c.makeSlot()
	store, err := db.Open(c.t.Context(), db.Config{DatabaseURL: c.url})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(store.Close)
	shell, name, err := openCrashTerminal(c.t.Context(), c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	c.external = name
	ctx, cancel := context.WithCancel(c.t.Context())
	w := &crashWriters{stop: cancel, errs: make(chan error, 2)}
	begin := func(run func(context.Context, *crashPace) error) {
		w.n++
		ticker := time.NewTicker(6 * time.Millisecond)
		go func() {
			defer ticker.Stop()
			w.errs <- run(ctx, &crashPace{ticker: ticker, backlog: func() int { return c.truth.roleChanges() - c.sink.events() }})
		}()
	}
	begin((&crashStore{store: store, truth: c.truth, roles: newCrashRoles("store", rand.New(rand.NewPCG(c.seed, 1))), perms: map[string][]db.PermissionRef{}, all: c.all}).run)
	begin((&crashShell{terminal: shell, truth: c.truth, roles: newCrashRoles("shell", rand.New(rand.NewPCG(c.seed, 2))), all: c.all, bulk: c.bulk}).run)
	return w
}

func (c *crash) stopWriters(w *crashWriters) {
	c.t.Helper()
	w.stop()
	for range w.n {
		if err := <-w.errs; err != nil {
			c.t.Fatal(err)
		}
	}
}

// crashKills is how often to kill at a random moment.
func crashKills(t *testing.T) int {
	t.Helper()
	s := os.Getenv(crashKillsEnv)
	if s == "" {
		return 20
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", crashKillsEnv, err)
	}
	return n
}

// crashLife is how one child is to live and die.
type crashLife struct {
	name string // in the table
	run  func()
}

// plan is a random order of kills at random moments and at every step, of lost connections and of clean stops.
func (c *crash) plan() []crashLife {
	c.t.Helper()
	random, each := crashKills(c.t), crashEach
	if random < crashFull {
		each = 1
	}
	var lives []crashLife
	add := func(n int, name string, run func(name string)) {
		c.order = append(c.order, name)
		for range n {
			lives = append(lives, crashLife{name, func() { run(name) }})
		}
	}
	add(random, "at a random moment", c.killSometime)
	for _, step := range append(listener.Steps(), stepHookWrote) {
		add(each, step, func(string) { c.killAt(step) })
		if step == "ingest" {
			add(each, crashMidIngest, func(string) { c.killInIngest() })
		}
	}
	add(1+random/20, "connections only", c.cutConnections)
	add(1+random/20, "stopped cleanly", c.stopCleanly)
	c.random.Shuffle(len(lives), func(i, j int) { lives[i], lives[j] = lives[j], lives[i] })
	return lives
}

const crashMidIngest = "ingest, under way"

// killSometime kills a child at a random moment: while it starts, or after it has reported so and so much.
func (c *crash) killSometime(name string) {
	c.t.Helper()
	p := c.start()
	c.someTime(p)
	p.signal(syscall.SIGKILL)
	p.requireKilled()
	c.kills[name]++
}

func (c *crash) someTime(p *crashProcess) {
	c.t.Helper()
	most := 300 * time.Millisecond // in which it starts
	if c.random.IntN(4) > 0 {
		most = 20 * time.Millisecond
		n := 1 + c.random.IntN(100)
		p.heard(fmt.Sprintf("%d lines", n), func(lines int, _ map[string]string) bool { return lines >= n })
	}
	select {
	case <-time.After(c.upTo(most)):
	case <-p.done: // which requireKilled will not take for a kill
	}
}

// killAt has a child kill itself at a step.
func (c *crash) killAt(step string) {
	c.t.Helper()
	at := crashPoint{step: step, pass: 1 + c.random.IntN(20)}
	switch step {
	case "taken":
		at.pass = 1
	case "chunk":
		at.pass = 1
	case "park", "parked", "ingest", "ingested", "acknowledged", "settle", "settled":
		at.pass = 1 + c.random.IntN(3)
	case "attempt": // there are such only where the child before has left something behind
		c.killAt("ingested")
		at.pass = 1
	}
	c.killAtPoint(step, at)
}

// killInIngest kills a child while its events are on their way to the server, or being stored.
func (c *crash) killInIngest() {
	c.t.Helper()
	c.killAtPoint(crashMidIngest, crashPoint{step: "ingest", pass: 1 + c.random.IntN(3), after: 50*time.Microsecond + c.upTo(2*time.Millisecond)})
}

func (c *crash) killAtPoint(name string, at crashPoint) {
	c.t.Helper()
	p := c.start(crashAtEnv + "=" + at.String())
	if at.step == "chunk" {
		p.repeat("at", c.askBulk) // one that came in a single piece after all doesn't count
	}
	p.await("at", at.step)
	p.requireKilled()
	c.kills[name]++
}

func (c *crash) askBulk() {
	select {
	case c.bulk <- struct{}{}:
	default:
	}
}

// cutConnections ends some or all of a child's connections and lets it go on, before it is killed too.
func (c *crash) cutConnections(name string) {
	c.t.Helper()
	p := c.start()
	p.await("owning", "")
	c.someTime(p)
	share := 0.3 + c.random.Float64()
	if _, err := c.pool.Exec(c.t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name like 'latchkey/%' and random() < $1`, share); err != nil {
		c.t.Fatal(err)
	}
	c.kills[name]++
	n := c.random.IntN(100)
	p.mu.Lock()
	n += p.lines
	p.mu.Unlock()
	p.heard("go on", func(lines int, _ map[string]string) bool { return lines >= n })
	p.signal(syscall.SIGKILL)
	p.requireKilled()
}

// stopCleanly ends a child as a deployment would: what follows it is not careful.
func (c *crash) stopCleanly(name string) {
	c.t.Helper()
	p := c.start()
	p.await("owning", "")
	c.someTime(p)
	p.stop()
	c.kills[name]++
}

// report prints how often what was hit, and fails the test where it was too seldom.
func (c *crash) report() {
	c.t.Helper()
	least := crashEach
	if crashKills(c.t) < crashFull {
		least = 1
	}
	var table strings.Builder
	total := 0
	for _, name := range c.order {
		fmt.Fprintf(&table, "\n  %-20s %4d", name, c.kills[name])
		if name != "stopped cleanly" && name != "connections only" {
			total += c.kills[name]
			if c.kills[name] < least {
				c.t.Errorf("crash test: %s was hit %d times, want at least %d", name, c.kills[name], least)
			}
		}
	}
	c.t.Logf("crash test: %d kills in %v, %d changes committed by the repositories and %s; the hook without a transaction repeated %d of %d runs%s",
		total, time.Since(c.began).Round(100*time.Millisecond), c.truth.roleChanges(), c.external, c.sink.repeats(), c.sink.events(), &table)
}

// await asks the database until the answer is what it should become. It is for what no child reports.
func (c *crash) await(what string, reached func() (bool, error)) {
	c.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(patience)
	for {
		ok, err := reached()
		if err != nil {
			c.t.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-timeout:
			c.t.Fatalf("crash test: %s: not within %v", what, patience)
		}
	}
}

func (c *crash) upTo(d time.Duration) time.Duration { return time.Duration(c.random.Int64N(int64(d))) }
