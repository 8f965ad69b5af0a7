package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodeLibrary is the implementation of Standard Webhooks that receivers in Node use.
const nodeLibrary = "standardwebhooks@1.0.0"

// A request of ours is verified by npm's standardwebhooks: by each of two secrets while one is being replaced, and not if anything
// of it was changed.
func TestNodeVerifies(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skipf("npm isn't installed, so %s can't verify a request of ours", nodeLibrary)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "npm", "install", nodeLibrary, "--prefix", dir, "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		t.Fatalf("install %s: %v\n%s", nodeLibrary, err, out)
	}

	got := make(chan *http.Request, 1)
	var body []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body) // what is missing doesn't verify
		got <- r
	}))
	defer receiver.Close()
	guard, err := NewGuard("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(guard)
	defer client.Close()
	now, before, other := NewSecret(), NewSecret(), NewSecret()
	sent := `{"tenant_id":"acme","name":"Zoë <&> \u2028 ` + "\u2028" + `"}`
	a := client.Send(t.Context(), &Request{URL: receiver.URL, ID: MessageID("evt_1", "hook_1"), Secrets: []Secret{now, before}, Body: []byte(sent)})
	if a.Code != http.StatusOK {
		t.Fatalf("the receiver: %d, %v", a.Code, a.Err)
	}
	request := <-got
	headers := map[string]string{}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		headers[name] = request.Header.Get(name)
	}
	renamed := map[string]string{"webhook-id": "msg_other", "webhook-timestamp": headers["webhook-timestamp"], "webhook-signature": headers["webhook-signature"]}

	const yes, no = "verified", "No matching signature found"
	var in bytes.Buffer
	var want []string
	for _, c := range []struct {
		secret  Secret
		headers map[string]string
		body    string
		want    string
	}{
		{now, headers, string(body), yes},
		{before, headers, string(body), yes},
		{other, headers, string(body), no},
		{now, headers, strings.Replace(string(body), "acme", "evil", 1), no},
		{now, renamed, string(body), no},
	} {
		line, err := json.Marshal(map[string]any{"secret": c.secret.Reveal(), "headers": c.headers, "body": c.body})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
		want = append(want, c.want)
	}
	script, err := filepath.Abs("testdata/verify.js")
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", script)
	node.Env = append(node.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"))
	node.Stdin, node.Stderr = &in, t.Output()
	out, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); strings.Join(lines, "|") != strings.Join(want, "|") {
		t.Errorf("Node says %q, want %q", lines, want)
	}
}
