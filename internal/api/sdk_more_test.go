package api_test

import (
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
)

func TestSDKUserPermissions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	r.exec(`delete from auth.user_permissions`)
	m, ctx := r.sdk(), t.Context()
	list := func() string {
		var names []string
		for _, p := range paged(r, func(o ...management.RequestOption) ([]*management.Permission, bool, error) {
			l, err := m.User.Permissions(ctx, "auth0|mine", o...)
			return l.Permissions, l.HasNext(), err
		}) {
			names = append(names, p.GetName())
		}
		return strings.Join(names, " ")
	}
	r.equal("those of its roles", list(), "read:a")
	own := []*management.Permission{{Name: auth0.String("read:b"), ResourceServerIdentifier: auth0.String("urn:api")}}
	r.ok(m.User.AssignPermissions(ctx, "auth0|mine", own))
	r.equal("all of them", list(), "read:a read:b")
	r.ok(m.User.RemovePermissions(ctx, "auth0|mine", own))
	r.equal("those left", list(), "read:a")
}

func TestSDKTicketsAndLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	m, ctx := r.sdk(), t.Context()
	verify := &management.Ticket{UserID: auth0.String("auth0|mine"), TTLSec: auth0.Int(60)}
	r.ok(m.Ticket.VerifyEmail(ctx, verify))
	if !strings.Contains(verify.GetTicket(), "/u/email-verification?") {
		t.Errorf("the link is %s", verify.GetTicket())
	}
	change := &management.Ticket{UserID: auth0.String("auth0|mine"), MarkEmailAsVerified: auth0.Bool(true)}
	r.ok(m.Ticket.ChangePassword(ctx, change))
	if !strings.Contains(change.GetTicket(), "/u/reset-verify?") {
		t.Errorf("the link is %s", change.GetTicket())
	}
	logs, err := m.Log.List(ctx, management.Query("type:sapi"))
	r.ok(err)
	r.equal("the lines that tell of it", len(logs), 2)
	line, err := m.Log.Read(ctx, logs[0].GetLogID())
	r.ok(err)
	r.equal("a line", line.GetType(), "sapi")
	_, err = m.Log.Read(ctx, "log_none")
	r.gone(err)
}

func TestSDKImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'con_mine', 'mine', 'auth0')`)
	r.working()
	m, ctx := r.sdk(), t.Context()
	j := &management.Job{ConnectionID: auth0.String("con_mine"), Users: []map[string]any{{"email": "a@example.com"}, {"email": "b@example.com"}}}
	r.ok(m.Job.ImportUsers(ctx, j))
	r.over(j.GetID())
	done, err := m.Job.Read(ctx, j.GetID())
	r.ok(err)
	r.equal("the job", done.GetType()+" "+done.GetStatus(), "users_import completed")
	found, err := m.User.ListByEmail(ctx, "b@example.com")
	r.ok(err)
	r.equal("users of the address", len(found), 1)
}
