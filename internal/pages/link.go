package pages

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
)

// opened is a request for a page that the link of a mail leads to. It belongs to no login: mails are read in other browsers, too.
type opened struct {
	w      http.ResponseWriter
	r      *http.Request
	caller flows.Caller
	ticket string
	note   note
}

type linkPage struct{ show, take func(*opened) }

// ofLink finds the tenant of a link, which says it in its own parameter where the host doesn't.
func (p *Pages) ofLink(serve func(*opened)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		o := &opened{w: w, r: r, ticket: query.Get("ticket")}
		o.note = p.note(r, o.ticket)
		if o.note.Next { // it is done
			p.render(w, r, http.StatusOK, "message", view{Title: o.note.Typed, Notice: o.note.Notice})
			return
		}
		if o.ticket == "" {
			p.problem(w, r, http.StatusBadRequest, "The link is not whole: open it as it stands in the mail.")
			return
		}
		asked := r
		if tenant := query.Get("tenant"); tenant != "" {
			asked = r.Clone(r.Context())
			asked.Header.Set(inbound.TenantHeader, tenant)
		}
		var err error
		if o.caller, err = p.cfg.Finder.Caller(asked, ""); err != nil {
			p.failed(w, r, err)
			return
		}
		o.caller.Request.Query = withoutTicket(query)
		serve(o)
	}
}

// withoutTicket is what hooks and logs may know of a link.
func withoutTicket(query url.Values) url.Values {
	query.Del("ticket")
	return query
}

// renderLink writes the page of a link.
func (p *Pages) renderLink(o *opened, name, title string) {
	p.render(o.w, o.r, http.StatusOK, name, view{Title: title, App: o.caller.Tenant.FriendlyName, Problem: o.note.Problem, Action: p.atLink(o, note{})})
}

// atLink is the address of the page of a link, with a note if there is something to say.
func (p *Pages) atLink(o *opened, n note) string {
	query := url.Values{"ticket": {o.ticket}, "tenant": {o.caller.Tenant.ID}}
	if n != (note{}) {
		query.Set(noteParam, p.seal(n, o.r.URL.Path, o.ticket))
	}
	return o.r.URL.Path + "?" + query.Encode()
}

// linkAgain is [Pages.again] for the page of a link.
func (p *Pages) linkAgain(o *opened, err error) {
	said, known := sayable(err)
	if !known {
		p.failed(o.w, o.r, err)
		return
	}
	to(o.w, o.r, p.atLink(o, note{Problem: said}))
}

// done sends whoever used a link to where its ticket says, which the management API was told, and otherwise to a page that says so.
// The ticket is in neither's address.
func (p *Pages) done(o *opened, u *db.User, t *db.Ticket, title, notice string) {
	if next := resultURL(u, t); next != "" {
		to(o.w, o.r, next)
		return
	}
	n := note{Typed: title, Notice: notice, Next: true}
	to(o.w, o.r, o.r.URL.Path+"?"+url.Values{noteParam: {p.seal(n, o.r.URL.Path, "")}}.Encode())
}

// resultURL is a ticket's, with what Auth0's has: that it went well, and the address if the ticket was made so.
func resultURL(u *db.User, t *db.Ticket) string {
	next, err := url.Parse(t.ResultURL)
	if err != nil || next.Host == "" || next.Scheme != "https" && next.Scheme != "http" {
		return ""
	}
	query := next.Query()
	query.Set("success", "true")
	options := struct {
		IncludeEmail bool `json:"includeEmailInRedirect"`
	}{}
	if json.Unmarshal(t.Options, &options) == nil && options.IncludeEmail && u.Email != nil {
		query.Set("email", *u.Email)
	}
	next.RawQuery = query.Encode()
	return next.String()
}
