//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

const (
	crashUsersEnv = "LATCHKEY_CRASH_USERS" // how many users are imported: 1000 unless it says so, 10000 by `make test/crash`
	importKills   = 3
	mostRSS       = 384 << 10 // KiB of a server process at its largest, however many users there are: Argon2 takes 64 MiB for a hash
	askedAgain    = 10        // users whom a killed worker may leave to be asked about once more, as docs/api.md says
)

// TestCrashImport imports users over HTTP into a server that is killed with SIGKILL again and again, each time with another
// beside it that goes on: each user is there once, with one event and one line in the log, the webhook of pre-user-registration
// was asked about each, the job's summary is right, and what was wrong with lines is told by their numbers.
func TestCrashImport(t *testing.T) {
	t.Parallel()
	users, err := strconv.Atoi(cmp.Or(os.Getenv(crashUsersEnv), "1000"))
	if err != nil {
		t.Fatalf("%s: %v", crashUsersEnv, err)
	}
	c := newImportCrash(t, users)
	c.start()
	c.hook()
	began := time.Now()
	id := c.upload()
	for kill := range importKills {
		c.start() // before the other ends: it takes over
		c.await(id, func(j importJob) bool { return j.Summary.Total >= users*(kill+1)/(importKills+2) })
		c.kill()
	}
	j := c.await(id, func(j importJob) bool { return j.Status == "completed" || j.Status == "failed" })
	took := time.Since(began)
	c.check(id, j)
	t.Logf("%d users in %.1f s with %d kills, %.0f a second; %d questions to the webhook; a server had %d MiB at most", users, took.Seconds(), importKills,
		float64(users)/took.Seconds(), c.questions, c.rss>>10)
}

// importCrash is one run of the test.
type importCrash struct {
	*pgtest.Database
	t     *testing.T
	users int
	token string

	servers   []*importServer // the first is to be killed next
	rss       int             // KiB, of the largest
	to        *httptest.Server
	questions int

	mu    sync.Mutex
	asked map[string]int
}

// importServer is a server process.
type importServer struct {
	cmd    *exec.Cmd
	out    *output
	url    string
	exited chan struct{}
}

// importJob is what is read of a job.
type importJob struct {
	ID, Status string
	Details    string `json:"status_details"`
	Summary    struct{ Inserted, Updated, Failed, Total int }
}

const importIssuer = "https://issuer.example.com/"

func newImportCrash(t *testing.T, users int) *importCrash {
	t.Helper()
	c := &importCrash{Database: pgtest.New(t), t: t, users: users, asked: map[string]int{}}
	c.to = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct{ User struct{ Email string } }
		text, err := io.ReadAll(r.Body)
		if err = errors.Join(err, json.Unmarshal(text, &question)); err != nil {
			t.Error(err)
		}
		email := question.User.Email
		c.mu.Lock()
		c.asked[email]++
		c.mu.Unlock()
		if importRefused(email) {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, `{}`) // the one who asked may be gone
	}))
	t.Cleanup(c.to.Close)
	return c
}

// start starts a server and waits until it answers.
func (c *importCrash) start() {
	c.t.Helper()
	s := &importServer{out: newOutput(), exited: make(chan struct{})}
	s.cmd = exec.CommandContext(context.WithoutCancel(c.t.Context()), os.Args[0], "serve", "--addr", "127.0.0.1:0", "--database-url", c.URL, "--issuer", importIssuer,
		"--webhook-allow", "127.0.0.1")
	s.cmd.Env = append(os.Environ(), asProgram+"=1")
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // it is killed
		close(s.exited)
	}()
	c.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
		if c.t.Failed() {
			text := s.out.String()
			c.t.Logf("a server said:\n%s", text[:min(len(text), 3000)])
		}
	})
	_, s.url, _ = strings.Cut(s.out.await(c.t, 1, `^Latchkey is (running|standing by) at http://`)[0], " at ")
	c.servers = append(c.servers, s)
	if c.token == "" {
		made := latchkey(c.t, "token", "--database-url", c.URL, "--issuer", importIssuer)
		made.require(c.t, exitOK)
		c.token = strings.TrimSpace(made.stdout)
	}
}

// kill ends the server that works, as kill -9 does. Its lease on the job would last for a minute more: the test doesn't wait for that.
func (c *importCrash) kill() {
	c.t.Helper()
	c.measure()
	s := c.servers[0]
	if err := s.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	<-s.exited
	c.servers = c.servers[1:]
	c.Exec(c.t, `update auth.jobs set leased_until = now() where status = 'processing'`)
}

// measure reads how large the servers were at most; only Linux tells.
func (c *importCrash) measure() {
	for _, s := range c.servers {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
		if found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); found != nil {
			kib, _ := strconv.Atoi(string(found[1])) // digits
			c.rss = max(c.rss, kib)
		}
	}
}

// hook makes the webhook that is asked.
func (c *importCrash) hook() {
	c.t.Helper()
	c.Exec(c.t, `insert into auth.connections (tenant_id, id, name, strategy) values ('default', 'con_mine', 'mine', 'auth0')`)
	latchkey(c.t, "hooks", "create", "--name", "ask", "--trigger", "pre-user-registration", "--url", c.to.URL, "--webhook-allow", "127.0.0.1", "--database-url", c.URL).
		require(c.t, exitOK)
}

// Of each hundred lines one is no JSON, one is a user whom the webhook refuses, and one a user that is there already.
func importLine(i int) string {
	switch i % 100 {
	case 50:
		return "nonsense"
	case 51:
		return `{"email": "refused` + strconv.Itoa(i) + `@example.com"}`
	case 52:
		return `{"email": "u` + strconv.Itoa(i-52) + `@example.com"}`
	}
	return fmt.Sprintf(`{"email": "u%d@example.com", "name": "User %[1]d", "user_metadata": {"plan": "free"}}`, i)
}

func importRefused(email string) bool { return strings.HasPrefix(email, "refused") }

// upload sends the file and returns the job's id.
func (c *importCrash) upload() string {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("connection_id", "con_mine")
	file, fileErr := form.CreateFormFile("users", "users.json")
	if err = errors.Join(err, fileErr); err != nil {
		c.t.Fatal(err)
	}
	for i := range c.users {
		_, lineErr := fmt.Fprintln(file, importLine(i))
		err = errors.Join(err, lineErr)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		c.t.Fatal(err)
	}
	var j importJob
	c.call(http.MethodPost, "/api/v2/jobs/users-imports", form.FormDataContentType(), &body, http.StatusAccepted, &j)
	return j.ID
}

// call makes a request to the newest server: whichever works on the job, any can be asked about it.
func (c *importCrash) call(method, path, contentType string, body io.Reader, want int, into any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.servers[len(c.servers)-1].url+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", contentType)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == want {
		err = json.Unmarshal(text, into)
	}
	if err != nil || resp.StatusCode != want {
		c.t.Fatalf("%s %s: %d %.500s %v", method, path, resp.StatusCode, text, err)
	}
}

// await asks about the job until it is as wanted. It has as long as the job takes, as long as that comes further.
func (c *importCrash) await(id string, done func(importJob) bool) importJob {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	further, last := time.Now(), importJob{}
	for {
		var j importJob
		c.call(http.MethodGet, "/api/v2/jobs/"+id, "", nil, http.StatusOK, &j)
		if done(j) {
			return j
		}
		if j.Summary.Total > last.Summary.Total {
			further, last = time.Now(), j
		}
		if time.Since(further) > patience {
			c.t.Fatalf("for %v the job came no further: %+v", patience, j)
		}
		select {
		case <-tick.C:
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		}
	}
}
