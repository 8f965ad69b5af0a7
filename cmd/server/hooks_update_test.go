package main

import (
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// What a flag names changes, the rest stays; and what is wrong is told as the API tells it, all at once.
func TestHooksUpdate(t *testing.T) {
	t.Parallel()
	h := &hooked{Database: pgtest.New(t), t: t}
	h.Exec(t, `insert into auth.tenants (id) values ('default') on conflict do nothing`)
	h.Exec(t, `insert into auth.hooks (tenant_id, hook_id, name, trigger_id, url) values ('default', 'crm', 'crm', 'role.created', 'https://127.0.0.1/')`)
	update := func(args ...string) result {
		return h.run(append([]string{"hooks", "update", "crm", "--webhook-allow", "127.0.0.1"}, args...)...)
	}
	update("--name", "other", "--url", "http://127.0.0.1/in", "--timeout", "5s", "--rate-limit", "2.5", "--header", "X-Key=a=b,c", "--off").
		require(t, exitOK, "hook crm: role.created goes to http://127.0.0.1/in, off")
	row := func() string {
		return query[string](t, h.URL, `select format('%s %s %s %s %s %s', name, url, timeout_ms, rate_limit, enabled, when_changed) from auth.hooks`)
	}
	if got := row(); got != "other http://127.0.0.1/in 5000 2.5 f {}" {
		t.Errorf("the hook is %s", got)
	}
	if n := query[int](t, h.URL, `select count(*)::int from auth.hook_secrets where kind = 'headers'`); n != 1 {
		t.Errorf("there are %d sealed headers", n)
	}
	update("--on", "--when-changed", "name,email", "--clear", "timeout,rate-limit,headers", "--trigger", "user.updated", "--json").
		require(t, exitOK, `"enabled": true`, `"trigger_id": "user.updated"`)
	if got := row(); got != "other http://127.0.0.1/in   t {name,email}" {
		t.Errorf("the hook is %s", got)
	}
	if n := query[int](t, h.URL, `select count(*)::int from auth.hook_secrets where kind = 'headers'`); n != 0 {
		t.Errorf("there are %d sealed headers", n)
	}
	update("--trigger", "role.create", "--url", "ftp://x").require(t, exitError, `did you mean "role.created"?`, "http and https are taken")
	update("--url", "http://10.1.2.3/").require(t, exitError, "--webhook-allow, here and for `latchkey serve`")
	h.run("hooks", "update", "none", "--off").require(t, exitError, `has no hook "none"`)
	h.run("hooks", "update", "--help").require(t, exitOK, "--off", "--clear headers,rate-limit")
	if n := query[int](t, h.URL, `select count(*)::int from auth.logs where type = 'sapi' and description = 'Change a hook'`); n != 2 {
		t.Errorf("%d lines tell of changes", n)
	}
}
