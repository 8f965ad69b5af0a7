package oidc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

const submitScript = "document.forms[0].submit()"

// formPost is a page that posts itself (OAuth 2.0 Form Post Response Mode).
const formPost = `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>One moment</title></head>
<body><form method="post" action="{{.Action}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button type="submit">Continue</button></noscript>
</form><script>` + submitScript + `</script></body></html>
`

// postForm answers with a form that the browser posts to a URI by itself: the page may do that and nothing else.
func (p *Provider) postForm(w http.ResponseWriter, r *http.Request, uri string, fields url.Values) {
	page, err := template.New("form").Parse(formPost)
	var body bytes.Buffer
	if err == nil {
		err = page.Execute(&body, struct {
			Action template.URL // custom schemes are callbacks too; it was checked to be the client's
			Fields url.Values
		}{template.URL(uri), fields}) //nolint:gosec // as above
	}
	if err != nil {
		p.show(w, r, err)
		return
	}
	sum := sha256.Sum256([]byte(submitScript))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'sha256-"+
		base64.StdEncoding.EncodeToString(sum[:])+"'; form-action "+origin(uri))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body.Bytes()) // the browser may be gone
}

// origin is a URI's as a source of a content security policy: without what would end the directive.
func origin(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "'none'"
	case u.Scheme != "http" && u.Scheme != "https":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + strings.NewReplacer(";", "%3B", ",", "%2C", " ", "%20").Replace(u.Host)
}
