package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
)

// Problem is what every answer of 400 and above has for a body.
type Problem struct {
	StatusCode int    `json:"statusCode" doc:"The HTTP status." example:"404"`
	Name       string `json:"error" doc:"The status in words." example:"Not Found"`
	Message    string `json:"message" doc:"What is wrong and what to do about it, for people." example:"There is no hook hook_1."`
	Code       string `json:"errorCode" doc:"What is wrong, for programs: stable, snake_case." example:"not_found"`

	header http.Header
	cause  error // for the log
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Unwrap is what the caller isn't told.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is what the framework asks an error for.
func (p *Problem) GetStatus() int { return p.StatusCode }

// GetHeaders are those that go with the answer.
func (p *Problem) GetHeaders() http.Header { return p.header }

// The codes of problems that have no more of a name than their status.
const (
	codeInvalid   = "invalid_request"
	codeNotFound  = "not_found"
	codeConflict  = "conflict"
	codeGone      = "gone"
	codeTooLarge  = "payload_too_large"
	codeMethod    = "method_not_allowed"
	codeMediaType = "unsupported_media_type"
	codeTimeout   = "request_timeout"
	codeInternal  = "internal_error"
)

func newProblem(status int, code, message string) *Problem {
	return &Problem{StatusCode: status, Name: http.StatusText(status), Code: code, Message: message}
}

func badRequest(message string) *Problem {
	return newProblem(http.StatusBadRequest, codeInvalid, message)
}

func notFound(message string) *Problem { return newProblem(http.StatusNotFound, codeNotFound, message) }

func conflict(message string) *Problem { return newProblem(http.StatusConflict, codeConflict, message) }

// internalError tells nothing: the log has the cause.
func internalError(cause error) *Problem {
	p := newProblem(http.StatusInternalServerError, codeInternal, "Something went wrong here. The server's log has more under the request's id.")
	p.cause = cause
	return p
}

// problemOf is the table from errors to what a caller is told.
func problemOf(err error) *Problem {
	var (
		p          *Problem
		no         *hooks.Rejection
		fault      *hooks.Fault
		clash      *db.Conflict
		invalid    *db.Invalid
		gone       *listener.ForgottenError
		impossible *listener.RefusedError
		gap        *listener.GapError
		wrong      *tenanthook.Invalid
		later      *tenanthook.Conflict
		pg         *pgconn.PgError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &no):
		return newProblem(http.StatusBadRequest, no.Code, no.Reason)
	case errors.As(err, &fault):
		return internalError(err)
	case errors.Is(err, db.ErrNotFound), errors.Is(err, listener.ErrNoDelivery):
		return notFound("There is nothing of that id.")
	case errors.Is(err, db.ErrChanged):
		return conflict("The user was changed by others while its webhooks were asked. Nothing is written: read it again, and try again.")
	case errors.As(err, &clash):
		return conflict(sentence(clash.Error()))
	case errors.As(err, &invalid):
		return badRequest(everyField(invalid))
	case errors.As(err, &wrong):
		return badRequest(wrong.Error() + ".")
	case errors.As(err, &later):
		return conflict(later.Reason)
	case errors.As(err, &gone):
		return newProblem(http.StatusGone, codeGone, sentence(gone.Error()))
	case errors.As(err, &gap):
		return newProblem(http.StatusConflict, "gap", fmt.Sprintf("The log begins at event %d, and the hook has had those up to %d: what is between is never delivered to it. Send accept_gap=true to go on nevertheless.", gap.First, gap.Cursor))
	case errors.As(err, &impossible):
		return badRequest(sentence(impossible.Error()))
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22"): // a data exception: text with a zero byte, for one
		return badRequest(sentence(pg.Message))
	case errors.Is(err, context.Canceled): // the caller has gone, or the server ends
		return newProblem(http.StatusServiceUnavailable, "unavailable", "The server stops. Try again.")
	}
	return internalError(err)
}

// everyField lists what is wrong, as complaints does where the schema finds it.
func everyField(invalid *db.Invalid) string {
	list := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		name := f.Name
		if name == "" {
			name = invalid.Entity
		}
		list[i] = name + ": " + strings.TrimSuffix(f.Reason, ".")
	}
	slices.Sort(list)
	return strings.Join(list, "; ") + "."
}

// sentence makes an error's text one.
func sentence(text string) string {
	if text == "" {
		return text
	}
	b := []byte(text)
	if b[0] >= 'a' && b[0] <= 'z' {
		b[0] -= 'a' - 'A'
	}
	if last := b[len(b)-1]; last != '.' && last != '?' && last != '!' {
		b = append(b, '.')
	}
	return string(b)
}
