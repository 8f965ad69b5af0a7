package flows

import (
	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// Authenticated is a user who has shown who it is, and how.
type Authenticated struct {
	User       db.User // the primary, where linked
	Identity   db.User
	Connection db.Connection
	Methods    []auth.AuthenticationMethod
	New        bool
}
