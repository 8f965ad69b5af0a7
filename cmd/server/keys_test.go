package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// withoutSecret is the environment of a program that was given no key.
func withoutSecret() []string { return append(os.Environ(), asProgram+"=1", seal.Setting+"=") }

// asProcess runs a command to its end in a process that was given no key.
func asProcess(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = withoutSecret(), &stdout, &stderr
	_ = cmd.Run() // the code says it
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

type tokenClaims struct {
	Issuer   string       `json:"iss"`
	Audience jwt.Audience `json:"aud"`
	TenantID string       `json:"tenant_id"`
	Scope    string       `json:"scope"`
	Issued   int64        `json:"iat"`
	Expires  int64        `json:"exp"`
}

// verified is what a token says, if the server's JWKS has its key.
func verified(t *testing.T, base, raw string) tokenClaims {
	t.Helper()
	status, body := get(t, base+"/.well-known/jwks.json")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(body), &set); err != nil || status != 200 {
		t.Fatalf("the JWKS is %d %s, %v", status, body, err)
	}
	if strings.Contains(body, `"d"`) {
		t.Fatalf("the JWKS has private parts: %s", body)
	}
	parsed, err := jwt.ParseSigned(strings.TrimSpace(raw), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	var c tokenClaims
	if err := parsed.Claims(set, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServeNeedsASecret(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	asProcess(t, "serve", "--addr", "127.0.0.1:0", "--database-url", d.URL).require(t, exitError, seal.Setting, "latchkey secret")
	asProcess(t, "token", "--issuer", "http://x/", "--database-url", d.URL).require(t, exitError, seal.Setting, "latchkey secret")
	if _, err := seal.Parse(asProcess(t, "secret").stdout); err != nil {
		t.Error(err)
	}
}

func TestTokenCommand(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := serve(t, d.URL)
	base := s.urlIn(`^Latchkey is running at`)
	s.stdout.await(t, 1, `^Tokens for the management API: latchkey token$`)
	with := func(args ...string) result { return latchkey(t, append(args, "--database-url", d.URL)...) }

	made := with("token", "--issuer", base)
	made.require(t, exitOK)
	if c := verified(t, base, made.stdout); c.Issuer != base+"/" || c.TenantID != "default" || c.Audience[0] != "urn:latchkey:management" ||
		!slices.Contains(strings.Fields(c.Scope), "delete:hooks") || c.Expires-c.Issued != int64((24*time.Hour).Seconds()) {
		t.Errorf("%+v", c)
	}
	made = with("token", "--issuer", base, "--tenant", "*", "--scope", "read:hooks,read:logs", "--expires", "1m", "--audience", "urn:a")
	made.require(t, exitOK)
	if c := verified(t, base, made.stdout); c.TenantID != "" || c.Scope != "read:hooks read:logs" || c.Expires-c.Issued != 60 || c.Audience[0] != "urn:a" {
		t.Errorf("%+v", c)
	}
	with("token").require(t, exitError, "--issuer", "LATCHKEY_ISSUER")
	with("token", "--issuer", base, "--tenant", "nowhere").require(t, exitError, `no tenant "nowhere"`, "--tenant")
	with("token", "--issuer", base, "--expires", "721h").require(t, exitError, "720h")
	with("serve", "--addr", "127.0.0.1:0", "--issuer", "id.example.com").require(t, exitError, "https://id.example.com/")
}

func TestKeysCommand(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	latchkey(t, "migrate", "--database-url", d.URL).require(t, exitOK)
	with := func(args ...string) result { return latchkey(t, append(args, "--database-url", d.URL)...) }
	var before, after []struct{ KID, State string }
	list := func(into *[]struct{ KID, State string }) {
		t.Helper()
		r := with("keys", "list", "--json")
		r.require(t, exitOK)
		if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
			t.Fatal(err)
		}
	}
	list(&before)
	with("keys", "list").require(t, exitOK, "KEY", "current", "next", before[0].KID)
	with("keys", "rotate").require(t, exitError, "--at-once")
	with("keys", "rotate", "--at-once").require(t, exitOK, "signs now")
	list(&after)
	if len(before) != 2 || len(after) != 3 {
		t.Fatalf("keys %v, later %v", before, after)
	}
	for _, k := range after {
		if k.State == "retired" {
			with("keys", "revoke", k.KID).require(t, exitOK, "gone")
		} else {
			with("keys", "revoke", k.KID).require(t, exitError, "rotating first")
		}
	}
}

// After reseal the former key can go.
func TestReseal(t *testing.T) {
	former := os.Getenv(seal.Setting)
	newer := seal.New()
	t.Setenv(seal.Setting, former) // restores it
	d := pgtest.New(t)
	with := func(args ...string) result { return latchkey(t, append(args, "--database-url", d.URL)...) }
	with("keys", "list").require(t, exitOK)
	keys, err := seal.Parse(former)
	if err != nil {
		t.Fatal(err)
	}
	d.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	d.Exec(t, `insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('acme', 'h', 't', 'https://example.com')`)
	d.Exec(t, `insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('acme', 'h', 'signing', $1)`, keys.Seal([]byte("whsec"), sender.SecretName("acme", "h", "signing")))
	d.Exec(t, `insert into auth.clients (tenant_id, client_id, name) values ('acme', 'c', 'c')`)
	d.Exec(t, `insert into auth.client_secrets (tenant_id, client_id, sealed) values ('acme', 'c', $1)`, keys.Seal([]byte("secret"), "client/acme/c"))

	d.Exec(t, `insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'con', 'con', 'oidc')`)
	d.Exec(t, `insert into auth.connection_secrets (tenant_id, connection_id, name, sealed) values ('acme', 'con', 'client_secret', $1)`,
		keys.Seal([]byte("secret"), db.ConnectionSecretName("acme", "con", "client_secret")))

	t.Setenv(seal.Setting, newer)
	with("keys", "list").require(t, exitError, "sealed with the key", seal.Setting)
	t.Setenv(seal.Setting, newer+","+former)
	with("secret", "reseal").require(t, exitOK, "2 of auth.signing_keys", "1 of auth.hook_secrets", "1 of auth.client_secrets", "1 of auth.connection_secrets")
	with("secret", "reseal").require(t, exitOK, "0 of auth.signing_keys", "0 of auth.hook_secrets", "0 of auth.client_secrets", "0 of auth.connection_secrets")
	t.Setenv(seal.Setting, newer)
	with("keys", "list").require(t, exitOK)
	if keys, err = seal.Parse(newer); err != nil {
		t.Fatal(err)
	}
	sealed := query[[]byte](t, d.URL, `select sealed from auth.hook_secrets`)
	if plain, err := keys.Open(sealed, "hook/acme/h/signing"); err != nil || string(plain) != "whsec" {
		t.Errorf("it opens to %q, %v", plain, err)
	}
	sealed = query[[]byte](t, d.URL, `select sealed from auth.connection_secrets`)
	if _, err := keys.Open(sealed, db.ConnectionSecretName("acme", "con", "client_secret")); err != nil {
		t.Errorf("the connection's: %v", err)
	}
	sealed = query[[]byte](t, d.URL, `select sealed from auth.client_secrets`)
	if plain, err := keys.Open(sealed, "client/acme/c"); err != nil || string(plain) != "secret" {
		t.Errorf("the client's opens to %q, %v", plain, err)
	}
}

// requireToken fails the test unless the server prints a token that is good, and `latchkey token` makes others.
func requireToken(t *testing.T, p *process, dir string) {
	t.Helper()
	base := strings.TrimPrefix(p.out.await(t, 1, `^Latchkey is running at http://`)[0], "Latchkey is running at ")
	line := p.out.await(t, 1, `^A token for the management API`)[0]
	made := asProcess(t, "token", "--dir", dir)
	made.require(t, exitOK)
	for _, raw := range []string{line[strings.LastIndexByte(line, ' ')+1:], made.stdout} {
		if c := verified(t, base, raw); c.Issuer != base+"/" || c.TenantID != "default" {
			t.Errorf("%+v", c)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "secret.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secret.key: %v, %v", info, err)
	}
}
