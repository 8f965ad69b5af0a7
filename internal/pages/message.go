package pages

import (
	"errors"
	"net/http"

	"github.com/latchkey-dev/latchkey/internal/edge"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// Error writes the page of an error in the place of an answer: what a [flows.Refused] says, and of any other that something went wrong, which
// the log tells. It is for requests that can't be sent back to an application.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, err error) {
	setHeaders(w.Header())
	p.failed(w, r, err)
}

func (p *Pages) failed(w http.ResponseWriter, r *http.Request, err error) {
	var no *flows.Refused
	if errors.As(err, &no) {
		p.problem(w, r, http.StatusBadRequest, no.Description)
		return
	}
	if r.Context().Err() == nil { // or whoever asked is gone
		p.log.ErrorContext(r.Context(), "a page failed", "path", r.URL.Path, "request_id", r.Header.Get(edge.RequestID), "error", err)
	}
	p.problem(w, r, http.StatusInternalServerError, "This is a fault of the server's. Try again in a while.")
}

func (p *Pages) problem(w http.ResponseWriter, r *http.Request, status int, what string) {
	p.render(w, r, status, "message", view{Title: "Something went wrong", Problem: what})
}

// showError takes nothing from its address: anyone could have written that.
func (p *Pages) showError(w http.ResponseWriter, r *http.Request) {
	p.problem(w, r, http.StatusOK, "The login could not go on: begin again at the application.")
}

func (p *Pages) showLoggedOut(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, "message", view{Title: "You are logged out", Notice: "You can close this window."})
}
