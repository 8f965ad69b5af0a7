package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// exchange is a request on its way through op, which hands on neither the request nor a place for what isn't in the standards.
type exchange struct {
	r      *http.Request
	w      http.ResponseWriter
	caller flows.Caller
	basic  bool                       // the client authenticated by the header
	asked  flows.AuthorizationRequest // at /authorize

	// How it ends where op can't say it: by an answer, or by an error. Neither: as op does.
	answer func()
	err    error
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// fails notes an error, which op passes on to nobody but us.
func (x *exchange) fails(err error) error {
	x.err = err
	return err
}

// through sends a request, whose form was read, through op. What op answers is held back: an error of its own is written again as all of ours are.
func (p *Provider) through(x *exchange) {
	held := &held{header: http.Header{}, status: http.StatusOK}
	p.op.ServeHTTP(held, x.r.WithContext(context.WithValue(x.r.Context(), exchangeKey{}, x)))
	switch {
	case x.answer != nil:
		x.answer()
	case x.err != nil:
		p.fail(x, x.err)
	case held.status >= http.StatusBadRequest:
		var no struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(held.body.Bytes(), &no) != nil || no.Code == "" || held.status >= http.StatusInternalServerError {
			no.Code, no.Description = codeInvalidRequest, "The request can't be read."
		}
		p.fail(x, &flows.Refused{Code: no.Code, Description: no.Description})
	default:
		held.copyTo(x.w)
	}
}

// held is an answer that isn't given yet.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) copyTo(w http.ResponseWriter) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes()) // the client may be gone
}
