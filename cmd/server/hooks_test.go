package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// receiver is where webhooks of tests go. It answers with its code, and has each webhook-id that came.
type receiver struct {
	*httptest.Server
	came chan string

	mu     sync.Mutex
	code   int
	secret string // if there is one, what comes has to be signed with it
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{came: make(chan string, 100), code: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(req.Body)
		if err == nil && r.secret != "" {
			var secret webhook.Secret
			if secret, err = webhook.ParseSecret(r.secret); err == nil {
				err = webhook.Verify(req.Header, body, secret)
			}
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(r.code)
		_, _ = io.WriteString(w, `{"reason":"because"}`)
		r.came <- req.Header.Get("webhook-id")
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(code int, secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code, r.secret = code, secret
}

func (r *receiver) await(t *testing.T) string {
	t.Helper()
	select {
	case id := <-r.came:
		return id
	case <-time.After(patience):
		t.Fatal("the receiver got nothing")
		return ""
	}
}

// hooked is a server with a webhook that goes to a receiver.
type hooked struct {
	*pgtest.Database
	t      *testing.T
	server *background
	to     *receiver
	id     string
}

func newHooked(t *testing.T, trigger string) *hooked {
	t.Helper()
	h := &hooked{Database: pgtest.New(t), t: t, to: newReceiver(t)}
	h.server = serve(t, h.URL, "--webhook-allow", "127.0.0.1")
	made := h.run("hooks", "create", "--name", "crm", "--trigger", trigger, "--url", h.to.URL+"/in", "--webhook-allow", "127.0.0.1", "--json")
	made.require(t, exitOK)
	var hook struct {
		HookID string `json:"hook_id"`
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal([]byte(made.stdout), &hook); err != nil || !strings.HasPrefix(hook.Secret, "whsec_") {
		t.Fatalf("%v in %s", err, made.stdout)
	}
	h.id = hook.HookID
	h.to.set(http.StatusOK, hook.Secret)
	return h
}

func (h *hooked) run(args ...string) result {
	h.t.Helper()
	return latchkey(h.t, append(args, "--database-url", h.URL)...)
}

func (h *hooked) role(id string) {
	h.t.Helper()
	h.Exec(h.t, `insert into auth.roles (tenant_id, id, name) values ('default', $1, $1)`, id)
}

// await runs a command until it says the words: the engine writes what came of attempts many at a time.
func (h *hooked) await(words string, args ...string) result {
	h.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		r := h.run(args...)
		if strings.Contains(r.stdout, words) {
			return r
		}
		select {
		case <-tick.C:
		case <-late:
			h.t.Fatalf("latchkey %s doesn't say %q:\n%s%s", strings.Join(args, " "), words, r.stdout, r.stderr)
		}
	}
}

func TestHooksCommand(t *testing.T) {
	t.Parallel()
	h := newHooked(t, "role.created")
	h.run("hooks", "list").require(t, exitOK, h.id, "crm", "role.created", h.to.URL, "active")
	h.run("hooks", "list", "--json").require(t, exitOK, `"hook_id": "`+h.id+`"`)
	if out := h.run("hooks", "list").stdout + h.run("hooks", "show", h.id, "--json").stdout; strings.Contains(out, "whsec_") {
		t.Errorf("the secret is shown again:\n%s", out)
	}
	h.await("past event", "hooks", "show", h.id).require(t, exitOK, "0 events behind", "0 dead")
	h.role("a")
	first := h.to.await(t)
	h.await("past event 1,", "hooks", "show", h.id)
	h.run("hooks", "show", h.id, "--json").require(t, exitOK, `"subscription": {`, `"cursor": 1`)

	h.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	for _, c := range []struct{ args, says string }{
		{"hooks list --tenant nowhere", `no tenant "nowhere"`},
		{"hooks show " + h.id + " --tenant acme", "latchkey hooks list --tenant acme"},
		{"hooks delete " + h.id + " --tenant acme", "tenant acme has no hook"},
		{"hooks pause nothing", `tenant default has no hook "nothing"`},
		{"hooks create --trigger role.create --url https://example.com", `did you mean "role.created"?`},
		{"hooks create --trigger role.created --url ftp://example.com", "http and https are taken"},
		{"hooks create --trigger role.created --url http://10.1.2.3/", "--webhook-allow, here and for `latchkey serve`"},
		{"hooks create --trigger role.created --url http://10.1.2.3/ --webhook-allow x/y", `"x/y" is no CIDR`},
	} {
		h.run(strings.Fields(c.args)...).require(t, exitError, c.says)
	}
	if n := query[int](t, h.URL, `select count(*)::int from auth.hooks`); n != 1 {
		t.Errorf("there are %d hooks", n)
	}

	h.run("hooks", "replay", h.id, "--from", "1", "--to", "1").require(t, exitOK, "run 1 of hook "+h.id+" replays events 1 to 1", "100%")
	if again := h.to.await(t); again != first {
		t.Errorf("replayed as %s, first sent as %s", again, first)
	}
	h.run("hooks", "replay", h.id, "--from", "yesterday").require(t, exitError, `--from "yesterday" is neither`)
	h.run("hooks", "delete", h.id).require(t, exitOK, "is deleted")
	h.run("hooks", "show", h.id).require(t, exitError, "has no hook")
	if n := query[int](t, h.URL, `select count(*)::int from auth.logs where type = 'sapi' and details ->> 'actor' = 'latchkey-cli' and details ->> 'hook_id' <> ''`); n != 3 {
		t.Errorf("%d lines tell of the hook's making, replay and end", n)
	}
}

// A webhook waits while it is paused, by either name of it.
func TestHooksPauseEnable(t *testing.T) {
	t.Parallel()
	h := newHooked(t, "role.created")
	h.run("hooks", "pause", h.id).require(t, exitOK, "is paused", "latchkey hooks enable "+h.id) // the listener may not know it yet
	h.run("hooks", "enable", h.id).require(t, exitOK, "goes on where it was")
	h.await("past event", "hooks", "show", h.id)
	ref := "webhook/default/" + h.id
	for i, c := range [][2][]string{
		{{"hooks", "pause", h.id}, {"hooks", "enable", h.id}},
		{{"pause", ref}, {"resume", ref}},
		{{"pause", ref}, {"hooks", "enable", h.id}},
	} {
		h.run(c[0]...).require(t, exitOK, "is paused")
		h.await("paused", "hooks", "show", h.id)
		h.await(h.id+"  paused", "status", "--sample", "0")
		h.role(string(rune('a' + i)))
		h.server.stdout.await(t, 1, `^hook audit auth\.roles insert `+string(rune('a'+i))+`$`) // so it is stored
		select {
		case id := <-h.to.came:
			t.Fatalf("paused, it got %s", id)
		default:
		}
		h.run(c[1]...).require(t, exitOK, "goes on where it was")
		h.to.await(t)
	}
	h.Exec(t, `update auth.hooks set enabled = false`)
	h.run("hooks", "list").require(t, exitOK, "off")
	h.run("hooks", "enable", h.id).require(t, exitOK, "switched off", "hooks update "+h.id+" --on")
	h.Exec(t, `insert into auth.hooks (tenant_id, hook_id, trigger_id, form_id) values ('default', 'f', 'post-user-login', 'form')`)
	h.run("hooks", "pause", "f").require(t, exitError, "is a form")
}

func TestHooksTry(t *testing.T) {
	t.Parallel()
	h := newHooked(t, "pre-user-deletion")
	try := func(args ...string) result {
		return h.run(append([]string{"hooks", "try", h.id, "--issuer", "http://127.0.0.1/"}, args...)...)
	}
	try("--webhook-allow", "127.0.0.1").require(t, exitOK, "200 in", "the write would be allowed")
	if id := h.to.await(t); !strings.HasPrefix(id, "msg_test_") {
		t.Errorf("it was sent as %s", id)
	}
	h.to.set(http.StatusForbidden, "")
	try("--webhook-allow", "127.0.0.1", "--json").require(t, exitOK, `"allowed": false`, `"reason": "because"`, `"code": 403`)
	try().require(t, exitError, "no answer", "127.0.0.1 isn't public", "the test delivery failed")
	h.run("hooks", "try", h.id).require(t, exitError, "--issuer")
	asProcess(t, "hooks", "try", h.id, "--database-url", h.URL).require(t, exitError, "LATCHKEY_SECRET_KEY")
	h.Exec(t, `update auth.hooks set trigger_id = 'role.created', enabled = false`)
	h.to.set(http.StatusInternalServerError, "")
	try("--webhook-allow", "127.0.0.1").require(t, exitError, "500 in", "the test delivery failed")
}
