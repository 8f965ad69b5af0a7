package authapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// problem is what a caller is told of an error.
type problem struct {
	status  int
	code    string // stable, for programs
	message string // for people
}

func (p *problem) Error() string { return p.code + ": " + p.message }

const codeInvalid = "invalid_request"

func invalid(message string) *problem {
	return &problem{http.StatusBadRequest, codeInvalid, message}
}

// fault tells nothing: the log has the cause.
func fault() *problem {
	return &problem{http.StatusInternalServerError, "internal_error", "Something went wrong here. The server's log has more under the request's id."}
}

// problemOf is the table from errors to what callers are told.
func problemOf(err error) *problem {
	var (
		p       *problem
		refused *flows.Refused
		no      *hooks.Rejection
		clash   *db.Conflict
		bad     *db.Invalid
		large   *http.MaxBytesError
		pg      *pgconn.PgError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return &problem{statusOf(refused.Code), refused.Code, refused.Description}
	case errors.As(err, &no):
		return &problem{http.StatusBadRequest, no.Code, no.Reason}
	case errors.As(err, &large):
		return &problem{http.StatusRequestEntityTooLarge, "payload_too_large", "The body is too large."}
	case errors.As(err, &clash):
		return &problem{http.StatusConflict, "conflict", "The " + clash.Field + " is taken."}
	case errors.As(err, &bad):
		list := make([]string, len(bad.Fields))
		for i, f := range bad.Fields {
			list[i] = f.Name + ": " + strings.TrimSuffix(f.Reason, ".")
		}
		return invalidFields(list)
	case errors.Is(err, db.ErrChanged), errors.Is(err, db.ErrNotAsked):
		return &problem{http.StatusConflict, "conflict", "The user was changed by others meanwhile. Nothing is written: try again."}
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22"): // a data exception: text with a zero byte, for one
		return invalid("The database can't store a value: " + pg.Message + ".")
	case errors.Is(err, context.Canceled):
		return &problem{http.StatusServiceUnavailable, "unavailable", "The server stops. Try again."}
	}
	return fault()
}

// statusOf is the status of what a flow refuses.
func statusOf(code string) int {
	switch code {
	case "user_exists", "username_exists":
		return http.StatusConflict
	case "invalid_grant", "invalid_client", "invalid_token":
		return http.StatusUnauthorized
	case "access_denied", "unauthorized", "unauthorized_client", "interaction_required":
		return http.StatusForbidden
	case "too_many_attempts":
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// invalidFields lists every bad field.
func invalidFields(list []string) *problem {
	slices.Sort(list)
	return invalid(strings.Join(list, "; ") + ".")
}

// shape writes a problem.
type shape func(http.ResponseWriter, *problem)

// plainShape is that of FullAuth's endpoints, and of the management API.
func plainShape(w http.ResponseWriter, p *problem) {
	answer(w, p.status, struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
		Message    string `json:"message"`
		Code       string `json:"errorCode"`
	}{p.status, http.StatusText(p.status), p.message, p.code})
}

// oauthShape is that of RFC 6749, 5.2, which Auth0's authentication API has too.
func oauthShape(w http.ResponseWriter, p *problem) {
	answer(w, p.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{p.code, p.message})
}

// signupShape is that of Auth0's signup. Its libraries know a weak password by the name.
func signupShape(w http.ResponseWriter, p *problem) {
	name := "BadRequestError"
	switch {
	case p.code == "invalid_password":
		name = "PasswordStrengthError"
	case p.status == http.StatusConflict:
		name = "ConflictError"
	case p.status == http.StatusTooManyRequests:
		name = "TooManyRequestsError"
	case p.status == http.StatusInternalServerError:
		name = "InternalServerError"
	case p.status == http.StatusForbidden, p.status == http.StatusUnauthorized:
		name = "UnauthorizedError"
	}
	answer(w, p.status, struct {
		Name        string `json:"name"`
		Code        string `json:"code"`
		Description string `json:"description"`
		StatusCode  int    `json:"statusCode"`
	}{name, p.code, p.message, p.status})
}

// answer writes JSON.
func answer[T interface{}](w http.ResponseWriter, status int, body T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
