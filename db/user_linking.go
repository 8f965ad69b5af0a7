package db

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// Accounts are linked by e-mail when a user is created, and when email or email_verified changes, in the same transaction, whoever
// asked for it: [Users.Create], [Users.Update] and what is built on them. Two identities are of one account if they are of one tenant,
// their lowercased addresses are equal, and both addresses are verified: who could verify neither can take over neither. The older
// account stays, the other and what is linked to it become its identities, so that links are one hop deep. The link is no update of
// a user: no before-hook runs for it.
//
// [Config.NoLinking] turns it off; so do disable_account_linking in a tenant's flags, and in the client_metadata of the client that
// the write's stamp names (db.WithStamp). Whoever unlinked two keeps them apart until an address of theirs changes.

const (
	lockEmail = `select pg_advisory_xact_lock(hashtextextended('latchkey.email/' || $1::text || '/' || lower($2::text), 0))`
	// Either the address that is to be, or the user's own.
	lockEmailOf = `select pg_advisory_xact_lock(hashtextextended('latchkey.email/' || u.tenant_id || '/' || lower(coalesce($3, u.email)), 0))
		  from auth.users u where u.tenant_id = $1 and u.user_id = $2 and coalesce($3, u.email) is not null`

	// The oldest account with an identity that has the address. It is locked, so that it is linked to no other meanwhile.
	sameEmail = `select a.* from auth.users a
		 where a.tenant_id = $1 and a.user_id <> $3 and a.linked_to is null
		   and exists (select from auth.users i where i.tenant_id = $1 and lower(i.email) = lower($2) and i.email_verified
		                  and a.user_id = coalesce(i.linked_to, i.user_id))
		   and not exists (select from auth.tenants t where t.id = $1 and t.flags ->> 'disable_account_linking' = 'true')
		   and not exists (select from auth.clients c where c.tenant_id = $1 and c.client_id = $4 and c.client_metadata ->> 'disable_account_linking' = 'true')
		 order by a.created_at, a.user_id limit 1 for no key update of a`

	linkAll = `update auth.users set linked_to = $2, updated_at = $4 where tenant_id = $1 and (user_id = $3 or linked_to = $3)`
)

// linkNew makes a user who is about to be inserted an identity of the account that has the address already.
func linkNew(ctx context.Context, w *write, u *User) error {
	if !linkable(u) {
		return nil
	}
	account, err := accountOf(ctx, w, u)
	if err == nil && account != nil {
		u.LinkedTo = &account.UserID
	}
	return err
}

// linkChanged does the same for a user who is about to be updated, and may be the older one. It returns what has to be
// written beside the user.
func linkChanged(ctx context.Context, w *write, was User, u *User) ([]lazytx.Statement, error) {
	if !linkable(u) || was.LinkedTo != nil || linkable(&was) && strings.EqualFold(*was.Email, *u.Email) {
		return nil, nil
	}
	account, err := accountOf(ctx, w, u)
	if err != nil || account == nil {
		return nil, err
	}
	primary, other := account, u
	if u.CreatedAt.Before(account.CreatedAt) || u.CreatedAt.Equal(account.CreatedAt) && u.UserID < account.UserID {
		primary, other = u, account
	} else {
		u.LinkedTo = &account.UserID
	}
	return []lazytx.Statement{w.stamp, {SQL: linkAll, Args: []any{u.TenantID, primary.UserID, other.UserID, now()}}}, nil
}

func linkable(u *User) bool { return u.Email != nil && u.EmailVerified && u.LinkedTo == nil }

// accountOf finds under the address's lock, which two who come at once take in turn: the second sees what the first committed.
func accountOf(ctx context.Context, w *write, u *User) (*User, error) {
	b := &pgx.Batch{}
	b.Queue(lockEmail, u.TenantID, *u.Email)
	b.Queue(sameEmail, u.TenantID, *u.Email, u.UserID, StampOf(ctx).ClientID)
	results := w.tx.SendBatch(ctx, b)
	_, err := results.Exec()
	var found *User
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			var user User
			user, err = pgx.CollectOneRow(rows, pgx.RowToStructByName[User])
			found = &user
		}
	}
	err = errors.Join(err, results.Close())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody else has the address: an answer, and no failure
	}
	return found, err
}

// lockAddress takes the lock of the address that an update is about before the user is locked: in the order in which all take them,
// so that none waits for another forever.
func lockAddress(ctx context.Context, w *write, tenantID, id string, in *UpdateUser) error {
	if !in.Email.Present() && !in.EmailVerified.Present() {
		return nil
	}
	var to *string
	in.Email.applyNull(&to)
	clean(&to, strings.ToLower)
	_, err := w.tx.Exec(ctx, lockEmailOf, tenantID, id, to)
	return err
}
