package db

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Link makes a user an identity of another, of the same tenant, whatever their e-mail addresses; what was linked to it is the
// other's too, so that links are one hop deep. The link is no change of the user: no before-hook runs, and no webhook is
// asked. It returns the primary's identities, as [Users.Identities].
// Errors: [ErrNotFound] for either, [Invalid] for a user with itself, for a primary that is linked itself, and for a
// secondary that is linked to another, hooks.ErrOutsideTx.
func (u *Users) Link(ctx context.Context, tenantID, primaryID, secondaryID string) ([]User, error) {
	_, err := inWrite(ctx, u.s, u.e.action(hooks.Update, "link"), func(ctx context.Context, w *write) (int64, error) {
		if primaryID == secondaryID {
			return 0, notLinkable("a user can't be linked to itself")
		}
		primary, secondary, err := u.lockPair(ctx, w, tenantID, primaryID, secondaryID)
		switch {
		case err != nil:
			return 0, err
		case primary.LinkedTo != nil:
			return 0, notLinkable("the user is linked to another itself: link to that one")
		case secondary.LinkedTo != nil && *secondary.LinkedTo == primaryID:
			return 0, nil
		case secondary.LinkedTo != nil:
			return 0, notLinkable("the user is linked to another: unlink it first")
		}
		return w.last().LinkUsers(ctx, tenantID, now(), primaryID, secondaryID)
	})
	if err != nil {
		return nil, err
	}
	return u.Identities(ctx, tenantID, primaryID)
}

// Unlink makes an identity a user by itself again, as [Users.Link] made it one of another's. It returns the identities that the
// primary still has. Errors: [ErrNotFound], also where the one isn't linked to the other, hooks.ErrOutsideTx.
func (u *Users) Unlink(ctx context.Context, tenantID, primaryID, secondaryID string) ([]User, error) {
	_, err := inWrite(ctx, u.s, u.e.action(hooks.Update, "unlink"), func(ctx context.Context, w *write) (int64, error) {
		n, err := w.last().UnlinkUser(ctx, tenantID, now(), secondaryID, primaryID)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return n, err
	})
	if err != nil {
		return nil, err
	}
	return u.Identities(ctx, tenantID, primaryID)
}

// ByEmail reads the users with an e-mail address, without regard to case, from old to new; linked identities are among them.
func (u *Users) ByEmail(ctx context.Context, tenantID, email string) ([]User, error) {
	users, err := dbsqlc.New(u.s.reader()).ListUsersByEmail(ctx, tenantID, strings.TrimSpace(email))
	return users, failed(err, "list", "users by e-mail")
}

// lockPair locks two users: first their addresses, as whoever links by these does, then the rows, in one order whichever is
// the primary.
func (u *Users) lockPair(ctx context.Context, w *write, tenantID, primaryID, secondaryID string) (primary, secondary User, err error) {
	if primary, err = w.step().GetUser(ctx, tenantID, primaryID); err != nil {
		return primary, secondary, err
	}
	if secondary, err = w.step().GetUser(ctx, tenantID, secondaryID); err != nil {
		return primary, secondary, err
	}
	var emails []string
	for _, user := range []User{primary, secondary} {
		if user.Email != nil {
			emails = append(emails, strings.ToLower(*user.Email))
		}
	}
	slices.Sort(emails)
	for _, email := range slices.Compact(emails) {
		if err := w.step().LockEmail(ctx, tenantID, email); err != nil {
			return primary, secondary, err
		}
	}
	both := []*User{&primary, &secondary}
	slices.SortFunc(both, func(a, b *User) int { return cmp.Compare(a.UserID, b.UserID) })
	for _, user := range both {
		if *user, err = w.step().LockUser(ctx, tenantID, user.UserID); err != nil {
			return primary, secondary, err
		}
	}
	return primary, secondary, nil
}

func notLinkable(reason string) error {
	return invalid("user", "linked_to", reason)
}
