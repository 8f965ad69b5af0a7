package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

const (
	codeInvalidRequest = "invalid_request"
	codeInvalidClient  = "invalid_client"
	codeInvalidToken   = "invalid_token"
	codeLoginRequired  = "login_required"
	codeServerError    = "server_error"
	codeTooMany        = "too_many_requests"
)

func invalid(description string, args ...any) *flows.Refused {
	return &flows.Refused{Code: codeInvalidRequest, Description: fmt.Sprintf(description, args...)}
}

func errFault() *flows.Refused {
	return &flows.Refused{Code: codeServerError, Description: "The server failed. Its log says why."}
}

// refused is what the caller is told of an error: of a fault, nothing but that there is one.
func (p *Provider) refused(r *http.Request, err error) *flows.Refused {
	var no *flows.Refused
	if errors.As(err, &no) {
		return no
	}
	var rejected *hooks.Rejection
	if errors.As(err, &rejected) {
		return &flows.Refused{Code: "access_denied", Description: rejected.Reason}
	}
	p.log.ErrorContext(r.Context(), "a request failed", "request_id", r.Header.Get(edge.RequestID), "path", r.URL.Path, "error", err)
	return errFault()
}

// fail answers an application.
func (p *Provider) fail(x *exchange, err error) {
	no := p.refused(x.r, err)
	switch {
	case no.Code == codeInvalidClient && x.basic:
		x.w.Header().Set("Www-Authenticate", `Basic realm="token"`)
	case no.Code == codeInvalidToken:
		x.w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
	}
	refuse(x.w, no)
}

// refuse writes an error as RFC 6749, 5.2, has it.
func refuse(w http.ResponseWriter, no *flows.Refused) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(statusOf(no.Code))
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}{no.Code, no.Description})
}

func statusOf(code string) int {
	switch code {
	case codeInvalidClient, codeInvalidToken:
		return http.StatusUnauthorized
	case codeTooMany, "too_many_attempts":
		return http.StatusTooManyRequests
	case codeServerError:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// show tells a person why it doesn't go on: the application can't be told, as it isn't known, or nothing may be sent to it.
func (p *Provider) show(w http.ResponseWriter, r *http.Request, err error) {
	no := p.refused(r, err)
	status := statusOf(no.Code)
	if no.Code == codeInvalidClient {
		status = http.StatusBadRequest // nobody is asked to authenticate
	}
	plain(w, status, no.Code+": "+no.Description)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.TrimSpace(text) + "\n")) // the browser may be gone
}
