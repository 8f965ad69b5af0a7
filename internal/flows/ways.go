package flows

import (
	"context"
	"errors"
)

// Ways are the connections that a login may begin with; those that it may not are empty.
type Ways struct {
	Password string // an e-mail address or username, and a password
	Code     string // a code by e-mail
	Signup   bool   // with a password
	Username bool   // a signup needs one
}

// Ways says what the page of a login may offer: of the connection that was asked for, and otherwise of each kind the only one that the
// application may use, or the tenant's default_directory. No hook runs.
func (f *Flows) Ways(ctx context.Context, c Caller, login *Login) (w Ways, err error) {
	db, err := f.wayBy(ctx, c, login, strategyDatabase)
	if err != nil {
		return w, err
	}
	mail, err := f.wayBy(ctx, c, login, strategyEmail)
	if err != nil {
		return w, err
	}
	w.Password, w.Code = db.Name, mail.Name
	w.Signup, w.Username = db.Name != "" && !db.options.DisableSignup, db.options.RequiresUsername
	return w, nil
}

// wayBy is the connection of a strategy; one without a name where there is none, or several.
func (f *Flows) wayBy(ctx context.Context, c Caller, login *Login, strategy string) (usable, error) {
	names := []string{login.Asked.Connection}
	if names[0] == "" && c.Tenant.DefaultDirectory != "" {
		names = append(names, c.Tenant.DefaultDirectory)
	}
	for _, name := range names {
		con, err := f.connection(ctx, &c, name, strategy)
		var none *Refused
		if err == nil || !errors.As(err, &none) {
			return con, err
		}
	}
	return usable{}, nil
}
