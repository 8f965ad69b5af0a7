package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// answering is a request's context whose answers are ours where the framework makes them: its errors would have another
// shape, content type and, for what isn't valid, status.
type answering struct{ humaContext }

// humaContext is embedded by a name that isn't Context, which is one of its methods.
type humaContext huma.Context

// Unwrap is asked for by the adapter.
func (a answering) Unwrap() huma.Context { return a.humaContext }

// SetStatus answers 400 where the framework answers 422.
func (a answering) SetStatus(status int) { a.humaContext.SetStatus(plainStatus(status)) }

// SetHeader keeps to one content type for errors.
func (a answering) SetHeader(name, value string) {
	if value == "application/problem+json" {
		value = "application/json"
	}
	a.humaContext.SetHeader(name, value)
}

func plainStatus(status int) int {
	if status == http.StatusUnprocessableEntity {
		return http.StatusBadRequest
	}
	return status
}

// ourShape turns the framework's errors into problems, as the last thing before they are written.
func ourShape(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	status := plainStatus(model.Status)
	switch status {
	case http.StatusRequestEntityTooLarge:
		return newProblem(status, codeTooLarge, fmt.Sprintf("The body is larger than %d bytes.", maxBody)), nil
	case http.StatusUnsupportedMediaType:
		return newProblem(status, codeMediaType, "The body has to be JSON: send Content-Type: application/json."), nil
	case http.StatusRequestTimeout:
		return newProblem(status, codeTimeout, "The body did not arrive in time."), nil
	case http.StatusBadRequest:
		return badRequest(complaints(model)), nil
	case http.StatusInternalServerError:
		return internalError(model), nil
	}
	return newProblem(status, codeInvalid, sentence(model.Detail)), nil
}

// complaints lists every bad field.
func complaints(model *huma.ErrorModel) string {
	if len(model.Errors) == 0 {
		return sentence(model.Detail)
	}
	var list []string
	for _, detail := range model.Errors {
		kind, name, nested := strings.Cut(detail.Location, ".")
		message := strings.TrimPrefix(detail.Message, "expected ")
		if message != detail.Message {
			message = "has to be " + strings.TrimPrefix(strings.TrimPrefix(message, "value to be "), "string to be ")
		}
		switch {
		case detail.Message == "unexpected property":
			list = append(list, fmt.Sprintf("%s: there is no such field", name))
		case strings.HasPrefix(detail.Message, "expected required property"):
			field := strings.Fields(detail.Message)[3]
			if nested {
				field = name + "." + field
			}
			list = append(list, field+": is required")
		case kind == "body" && !nested:
			list = append(list, "the body "+strings.TrimPrefix(message, "the body "))
		case kind == "body":
			list = append(list, name+": "+message)
		case detail.Message == "unknown query parameter":
			list = append(list, fmt.Sprintf("%s: there is no such query parameter", name))
		default:
			list = append(list, fmt.Sprintf("%s (%s): %s", name, kind, message))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), "; ") + "."
}
