package hooks_test

import (
	"context"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

func TestAudits(t *testing.T) {
	t.Parallel()
	r := &hooks.Registry{}
	hooked := hooks.NewEntity(r, "own.hooked", decode)
	declared := hooks.NewEntity(r, "own.declared", decode)
	hooks.NewEntity(r, "own.neither", decode)
	members := hooks.NewSet(r, "own.members", decode, decode)
	if r.ReportUnhooked(func(context.Context, hooks.Tx, hooks.Unhooked) error { return nil }); len(r.Audits()) > 0 {
		t.Error("audits of nothing")
	}
	hooked.BeforeDelete("x", func(context.Context, hooks.Tx, thing) error { return nil })
	members.BeforeAssign("x", func(_ context.Context, _ hooks.Tx, _ thing, m []thing) ([]thing, error) { return m, nil })
	declared.Policy(hooks.PolicyAudit)
	var tables []string
	for _, a := range r.Audits() {
		tables = append(tables, a.Table)
		for stamp, want := range map[string]bool{
			"": false, `{"origin":"app"}`: false, `{"origin":"external","audit":["own.other"]}`: false, `"audit"`: false,
			`{"origin":"external","audit":["own.other","` + a.Table + `"]}`: true,
		} {
			if got := a.Wants(&hooks.Event{Table: a.Table, Operation: hooks.Truncate, RawStamp: []byte(stamp)}); got != want {
				t.Errorf("%s with %s: %v", a.Table, stamp, got)
			}
		}
	}
	if got := strings.Join(tables, " "); got != "own.hooked own.declared own.members" {
		t.Errorf("audits of %s", got)
	}
	if r.Policy("own.declared") != hooks.PolicyAudit || r.Policy("own.hooked") != "" {
		t.Error("the declared policies")
	}
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	r, e := things()
	e.AfterTruncate(hooks.AuditHook, func(context.Context, hooks.Tx, hooks.Event) error { return nil })
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "Latchkey's own") {
		t.Errorf("error %v", err)
	}
}
