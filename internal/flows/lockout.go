package flows

import (
	"context"
	"net/netip"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

const (
	tryWindow     = 15 * time.Minute
	mostOfAccount = 10  // wrong passwords for one name, in a window
	mostOfAddress = 100 // and from one IP address
)

// The kinds of tries that are counted.
const (
	tryOfAccount = "login/account"
	tryOfOwner   = "login/owner" // from the address that the account's last login came from
	tryOfAddress = "login/address"
)

// guess is one try at a password or a code.
type guess struct{ kind, name, address string }

// guessing counts a try before anyone knows whether it is in vain: of those that come at once, none gets around the limit. It counts
// for the name that was typed, alike whether somebody has it, and for the IP address. Tries from where the account's last login came from
// are counted apart, so a stranger who has the account blocked doesn't keep its owner out.
func (f *Flows) guessing(ctx context.Context, c *Caller, con *usable, name string, user *db.User) (guess, error) {
	g := guess{kind: tryOfAccount, name: con.Name + "\n" + name, address: network(c.Request.IP)}
	ctx = context.WithoutCancel(ctx) // who hangs up has tried nevertheless
	if g.address != "" {
		try, err := f.cfg.Store.Tries.Count(ctx, c.Tenant.ID, tryOfAddress, g.address, tryWindow)
		if err != nil {
			return g, err
		}
		if try.Count > mostOfAddress {
			f.logLine(ctx, *c, logTooManyOfAddress, "Too many tries that failed came from this address.", logOf{typed: name}.in(&con.Connection))
			return g, errTooMany()
		}
		known, err := f.lastSeen(ctx, c.Tenant.ID, user)
		if err != nil {
			return g, err
		}
		if known == g.address {
			g.kind, g.name = tryOfOwner, ofOwner(g.name, g.address)
		}
	}
	try, err := f.cfg.Store.Tries.Count(ctx, c.Tenant.ID, g.kind, g.name, tryWindow)
	if err == nil && try.Count > mostOfAccount {
		f.logLine(ctx, *c, logTooManyOfAccount, "Too many tries failed: the account is blocked for a while.", logOf{user: user, typed: name}.in(&con.Connection))
		err = errTooMany()
	}
	return g, err
}

// lastSeen is the network that the last login came from. It takes as long where there is no user.
func (f *Flows) lastSeen(ctx context.Context, tenantID string, user *db.User) (string, error) {
	id := ""
	switch {
	case user != nil && user.LinkedTo != nil:
		id = *user.LinkedTo
	case user != nil:
		id = user.UserID
	}
	stats, err := f.cfg.Store.Users.StatsOf(ctx, tenantID, id)
	if err != nil || len(stats) == 0 || stats[0].LastIP == nil {
		return "", err
	}
	return network(*stats[0].LastIP), nil
}

// guessed forgets the tries at the name, and that this one was in vain. That it can't fails nothing: it is forgotten soon.
func (f *Flows) guessed(ctx context.Context, c *Caller, g guess) {
	ctx = context.WithoutCancel(ctx)
	err := f.cfg.Store.Tries.Clear(ctx, c.Tenant.ID, g.kind, g.name)
	if err == nil && g.address != "" {
		err = f.cfg.Store.Tries.TakeBack(ctx, c.Tenant.ID, tryOfAddress, g.address)
	}
	if err != nil {
		f.log.WarnContext(ctx, "tries could not be forgotten", "tenant", c.Tenant.ID, "error", err)
	}
}

// unblock forgets the tries at all names of a user, in the transaction of a reset: who can read the mail is no stranger.
func unblock(ctx context.Context, tx *db.Tx, c *Caller, u *db.User) error {
	for _, name := range []*string{u.Email, u.Username} {
		if name == nil {
			continue
		}
		of := u.Connection + "\n" + normal(*name)
		if err := tx.Tries.Clear(ctx, c.Tenant.ID, tryOfAccount, of); err != nil {
			return err
		}
		if err := tx.Tries.Clear(ctx, c.Tenant.ID, tryOfOwner, ofOwner(of, network(c.Request.IP))); err != nil {
			return err
		}
	}
	return nil
}

func ofOwner(name, address string) string { return name + "\n" + address }

// limited counts what one may do so often in a window, whatever comes of it.
func (f *Flows) limited(ctx context.Context, c *Caller, kind, name string, most int32) (bool, error) {
	if name == "" {
		return false, nil
	}
	try, err := f.cfg.Store.Tries.Count(context.WithoutCancel(ctx), c.Tenant.ID, kind, name, tryWindow)
	return try.Count > most, err
}

// limit is limited for what is then refused.
func (f *Flows) limit(ctx context.Context, c *Caller, kind, name string, most int32) error {
	many, err := f.limited(ctx, c, kind, name, most)
	if err == nil && many {
		err = errTooMany()
	}
	return err
}

// network is an address as tries are counted for it: of IPv6, whoever has one has the /64 that it is in.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}

func errTooMany() error {
	return &Refused{"too_many_attempts", "There were too many attempts. Try again later, or reset the password."}
}
