package flows

// Refused says that a flow ended as its rules say it has to, and how: whoever asked may know it. What a hook refuses is a
// hooks.Rejection, and any other error is a fault that only the log tells.
type Refused struct {
	Code        string // of RFC 6749 and OpenID Connect where they have one, otherwise of Auth0's authentication API
	Description string // a sentence for people; never whether there is an account
}

func (r *Refused) Error() string { return r.Code + ": " + r.Description }
