package auth

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Redirect sends the user elsewhere, and takes back what the other site says.
type Redirect struct {
	said *said
	ev   *PostLogin
}

var errNoForm = errors.New("auth: render: the form's id is empty")

// SendUserTo suspends the login and sends the user to an absolute http or https URL. The query's members are added to those of the
// URL, in whose place they stand where the names are equal, sorted; state comes last, and is always the login's. The other site sends
// the user back to /continue?state=..., where the login goes on with the OnContinuePostLogin hook of the same name, and then the
// hooks behind this one. Whoever comes back goes on, whatever he did there: without an OnContinuePostLogin hook that looks, the
// detour can be skipped. A URL that can't be used fails the hook.
func (r Redirect) SendUserTo(address string, query map[string]string) {
	if r.said == nil {
		return
	}
	to, err := redirectTo(address, query, r.ev.Transaction.State)
	if err != nil {
		r.said.wrong(err)
		return
	}
	r.said.suspend(to, "")
}

func redirectTo(address string, query map[string]string, state string) (string, error) {
	to, err := url.Parse(address)
	switch {
	case err != nil:
		return "", fmt.Errorf("auth: redirect: %w", err)
	case to.Scheme != "https" && to.Scheme != "http" || to.Host == "":
		return "", fmt.Errorf("auth: redirect: %q is no absolute http or https URL", address)
	case state == "":
		return "", errors.New("auth: redirect: the login has no state to come back with: PostLogin.Transaction.State is empty")
	}
	var pairs []string
	for pair := range strings.SplitSeq(to.RawQuery, "&") {
		escaped, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(escaped)
		if err != nil {
			return "", fmt.Errorf("auth: redirect: the URL's query: %w", err)
		}
		if _, replaced := query[name]; pair != "" && !replaced && name != "state" {
			pairs = append(pairs, pair)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "state" {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(query[name]))
		}
	}
	to.RawQuery = strings.Join(append(pairs, "state="+url.QueryEscape(state)), "&")
	return to.String(), nil
}
