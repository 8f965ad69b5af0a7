package flows

import (
	"context"

	"github.com/latchkey-dev/latchkey/db"
)

// postUserLogin is the trigger of the tenant's forms and pages.
const postUserLogin = "post-user-login"

// interrupt shows the tenant's form if there is one, or its page; and where there is neither, it finishes the login. from is what comes
// first: the form, or only the page, when the form was filled in.
func (f *Flows) interrupt(ctx context.Context, a *attempt, from Stage) (Step, error) {
	stage, p, err := f.interruption(ctx, a, from)
	if err != nil {
		return Step{}, err
	}
	if stage == StageDone {
		return f.finish(ctx, a)
	}
	if a.silent() {
		return Step{}, &Refused{"interaction_required", "The login needs the user, and prompt is none."}
	}
	err = f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if !a.counted {
			if _, err := a.count(ctx, tx.Users); err != nil {
				return err
			}
		}
		return a.move(ctx, tx.LoginSessions, stage, p)
	})
	if err != nil {
		return Step{}, err
	}
	return Step{FormID: p.FormID, PageID: p.PageID, Login: a.login}, nil
}

// interruption finds the first enabled form and the first enabled page, in the order in which hooks are asked. A page with a
// permission_required is for the users who have it. One query, and another for such a page.
func (f *Flows) interruption(ctx context.Context, a *attempt, from Stage) (Stage, progress, error) {
	o := db.ListOptions{PerPage: 100, Filter: []db.Filter{db.Equal("trigger_id", postUserLogin), db.Equal("enabled", "true"), db.Unset("url")}}
	hooks, err := f.cfg.Store.TenantHooks.List(ctx, a.Tenant.ID, o)
	if err != nil {
		return "", progress{}, err
	}
	var form, page *db.TenantHook
	for i := range hooks.Rows {
		switch h := &hooks.Rows[i]; {
		case h.FormID != nil && form == nil:
			form = h
		case h.PageID != nil && page == nil:
			page = h
		}
	}
	if form != nil && from == StageForm {
		return StageForm, progress{FormID: *form.FormID}, nil
	}
	if page == nil {
		return StageDone, progress{}, nil
	}
	if page.PermissionRequired != nil && *page.PermissionRequired != "" {
		o := db.ListOptions{PerPage: 1, Filter: []db.Filter{db.Equal("permission_name", *page.PermissionRequired)}}
		has, err := f.cfg.Store.UserPermissions.Effective(ctx, a.Tenant.ID, a.who.User.UserID, o)
		if err != nil || len(has.Rows) == 0 {
			return StageDone, progress{}, err
		}
	}
	return StagePage, progress{PageID: *page.PageID}, nil
}
