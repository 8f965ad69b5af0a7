package flows

import (
	"errors"

	"github.com/latchkey-dev/latchkey/db"
)

// Stage is where a login under way is: the step of db.LoginSession. Each names those that it may follow, and nothing else leads to
// it: a form that comes twice, or from a second tab, finds the login elsewhere.
type Stage string

// The stages of a login.
const (
	// StageIdentifier is where each begins: the pages ask who it is.
	StageIdentifier Stage = "identifier"
	// StageHooks is while PostLogin hooks are asked. A login that they refuse, or that breaks off, stays here for good.
	StageHooks Stage = "hooks"
	// StageContinue is while a PostLogin hook has the user elsewhere, or at a form.
	StageContinue Stage = "continue"
	// StageForm is while the user fills in the tenant's form.
	StageForm Stage = "form"
	// StagePage is while the user is shown the tenant's page.
	StagePage Stage = "page"
	// StageDone has the authorization code.
	StageDone Stage = "done"
)

// follows lists the stages that a stage may follow.
func (s Stage) follows() []Stage {
	switch s {
	case StageHooks:
		return []Stage{StageIdentifier, StageContinue}
	case StageContinue:
		return []Stage{StageHooks}
	case StageForm:
		return []Stage{StageIdentifier, StageHooks}
	case StagePage:
		return []Stage{StageIdentifier, StageHooks, StageForm}
	case StageDone:
		return []Stage{StageIdentifier, StageHooks, StageForm, StagePage}
	}
	return nil
}

// from is what a move takes: the one stage that the login was seen at, if the next may follow it.
func (s Stage) from(seen string) []string {
	for _, stage := range s.follows() {
		if string(stage) == seen {
			return []string{seen}
		}
	}
	return nil
}

// moved says what a move's error means to whoever made it.
func moved(err error) error {
	var wrong *db.WrongStep
	switch {
	case errors.As(err, &wrong):
		return errMovedOn()
	case errors.Is(err, db.ErrNotFound):
		return errNoLogin()
	}
	return err
}

func errMovedOn() error {
	return &Refused{"invalid_request", "This login went on already, maybe in another tab: begin again at the application."}
}

func errNoLogin() error {
	return &Refused{"invalid_request", "There is no such login, or it took too long: begin again at the application."}
}
