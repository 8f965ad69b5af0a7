package pages

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
)

// note is what a page is to show after a redirect. It never has a password or a code.
type note struct {
	Problem string `json:"p,omitempty"`
	Notice  string `json:"n,omitempty"`
	Typed   string `json:"t,omitempty"`
	Next    bool   `json:"x,omitempty"` // the page's second half: an address was given and taken
}

const (
	noteParam = "note"
	maxTyped  = 320 // characters of what was typed, and of what a hook says
	maxSaid   = 500
)

// seal makes the note of one page and one login or link.
func (p *Pages) seal(n note, path, of string) string {
	n.Problem, n.Typed = cut(n.Problem, maxSaid), cut(n.Typed, maxTyped)
	text, err := json.Marshal(n)
	if err != nil { // of strings there is none
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(p.cfg.Finder.Keys.Seal(text, noteName(path, of)))
}

// note reads the note of a request; one that isn't this page's, and this login's, is none.
func (p *Pages) note(r *http.Request, of string) (n note) {
	sealed, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get(noteParam))
	if err != nil || len(sealed) == 0 {
		return note{}
	}
	text, err := p.cfg.Finder.Keys.Open(sealed, noteName(r.URL.Path, of))
	if err != nil || json.Unmarshal(text, &n) != nil {
		return note{}
	}
	return n
}

func noteName(path, of string) string { return "page/" + path + "/" + of }

// cut is the beginning of a text, of whole characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// at is the address of a page of a login, with a note if there is something to say.
func (p *Pages) at(path, state string, n note) string {
	query := url.Values{"state": {state}}
	if n != (note{}) {
		query.Set(noteParam, p.seal(n, path, state))
	}
	return path + "?" + query.Encode()
}

// to redirects to a page after a form: GET, always.
func to(w http.ResponseWriter, r *http.Request, address string) {
	http.Redirect(w, r, address, http.StatusSeeOther)
}
