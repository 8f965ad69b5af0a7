package listener_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/listener"
)

// A message that can't be read stops the listener with the way to go on. Nothing is passed over: not by the start that
// follows, and not by one whose decoder can read it.
func TestStopAtAMessageThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(body []byte) []byte{
		"unknown kind":       func(body []byte) []byte { body[walHeader] = '?'; return body },
		"unknown value kind": func(body []byte) []byte { body[walHeader+8] = 'b'; return body },
		"cut short":          func(body []byte) []byte { return body[:len(body)-1] },
		"with a tail":        func(body []byte) []byte { return append(body, 0) },
		"unknown relation":   func(body []byte) []byte { body[walHeader+1] ^= 1; return body },
		"another column count": func(body []byte) []byte {
			return append(append(bytes.Clone(body[:walHeader+6]), 0, 1, 't', 0, 0, 0, 1), 'x')
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			p, url := newProxy(t, r.url)
			p.onServer(func(kind byte, body []byte) []byte {
				if kind == copyData && body[0] == walData && body[walHeader] == 'I' && bytes.Contains(body, []byte("poison")) {
					return damage(bytes.Clone(body))
				}
				return body
			})
			damaged := with(func(c *listener.Config) { c.ReplicationURL = url })

			n := r.start(damaged)
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'before', 'before')`)
			n.catchUp()
			r.exec(`with a as (insert into auth.users (tenant_id, user_id) values ('t', 'beside'))
				insert into auth.roles (tenant_id, id, name) values ('t', 'poison', 'poison')`)
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'after', 'after')`)
			err := n.stopped()
			requireStop(t, err, "could not be read", "latchkey skip --lsn ")
			_, rest, _ := strings.Cut(err.Error(), "latchkey skip --lsn ")
			text, _, _ := strings.Cut(rest, "`")
			commit, parseErr := pglogrepl.ParseLSN(text)
			if parseErr != nil {
				t.Fatal(parseErr)
			}
			r.requireEvents("roles insert before")
			if done := value[pglogrepl.LSN](r, `select done_lsn from latchkey.position`); done > commit {
				t.Fatalf("the stored position %s is past the transaction that commits at %s", done, commit)
			}

			n = r.standBy(damaged)
			requireStop(t, n.stopped(), "latchkey skip --lsn "+text)
			r.requireEvents("roles insert before")

			if name == "cut short" { // once is enough for the better way: a program that can read it
				n = r.start()
				n.catchUp()
				r.requireEvents("roles insert before", "roles insert poison", "users insert beside", "roles insert after")
				r.requireSound()
				return
			}
			if err := listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, commit+8); err == nil || !strings.Contains(err.Error(), "commits at "+text) {
				t.Fatalf("skipping another LSN than the stop's: %v", err)
			}
			if err := listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, commit); err != nil {
				t.Fatal(err)
			}
			n = r.start(damaged)
			n.catchUp()
			r.requireEvents("roles insert before", "roles insert after")
			r.requireSound()
			n.stop()
			if err := listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, commit); err == nil || !strings.Contains(err.Error(), "past already") {
				t.Fatalf("skipping it again: %v", err)
			}
		})
	}
}

// An LSN that stopped nothing is a slip of the pen: skipping to it would pass over what lies between.
func TestSkipWhatStoppedNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start().stop()
	was := r.standing()
	err := listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, 1<<50)
	if err == nil || !strings.Contains(err.Error(), "no transaction has stopped this group") {
		t.Errorf("skipping far ahead: %v", err)
	}
	if is := r.standing(); is != was {
		t.Fatalf("it changed something:\n%s\nwas\n%s", is, was)
	}
}

// A transaction that can't be read after some of its chunks were stored leaves nothing behind when it is skipped.
func TestSkipATransactionThatIsHalfStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) select 't', 'api', 'p' || i from generate_series(1, 2500) i`)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'one', 'one')`)
	p, url := newProxy(t, r.url)
	p.onServer(func(kind byte, body []byte) []byte {
		if kind == copyData && body[0] == walData && body[walHeader] == 'I' && bytes.Contains(body, []byte("poison")) {
			r.await(`select partial_commit_lsn <> '0/0' from latchkey.position`)
			return body[:len(body)-1]
		}
		return body
	})
	n := r.start(with(func(c *listener.Config) { c.ReplicationURL = url }))
	r.exec(`with given as (insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name)
			select 't', 'one', 'api', 'p' || i from generate_series(1, 2500) i returning 1)
		select count(*) from given`)
	n.catchUp()
	r.run(r.session(), `begin`, `delete from auth.role_permissions`, `insert into auth.roles (tenant_id, id, name) values ('t', 'poison', 'poison')`, `commit`)
	err := n.stopped()
	requireStop(t, err, "latchkey skip --lsn ")
	partial := value[pglogrepl.LSN](r, `select partial_commit_lsn from latchkey.position`)
	requireStop(t, err, "latchkey skip --lsn "+partial.String())
	if err := listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, partial); err != nil {
		t.Fatal(err)
	}
	n = r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'after', 'after')`)
	n.catchUp()
	r.requireEvents("role_permissions assign one", "roles insert after")
	if left := value[int](r, `select count(*) from latchkey.spool`); left > 0 {
		t.Errorf("%d rows are left in the spool", left)
	}
	r.requireSound()
}
