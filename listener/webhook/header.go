package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What a hook may add to its requests.
const (
	maxHeaders     = 32
	maxHeaderBytes = 8 << 10 // names and values together
)

// reservedHeaders are ours or the connection's; with them go all that begin with webhook- or proxy-.
func reservedHeader(name string) bool {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "webhook-") || strings.HasPrefix(name, "proxy-") {
		return true
	}
	switch name {
	case "authorization", "content-type", "content-length", "content-encoding", "host", "accept-encoding",
		"connection", "keep-alive", "expect", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// CheckHeaders says what is wrong with the headers of a hook, for whoever saves it. Values are not repeated: they may be secret.
func CheckHeaders(h map[string]string) error {
	if len(h) > maxHeaders {
		return fmt.Errorf("webhook: a hook has at most %d headers; this one has %d", maxHeaders, len(h))
	}
	size := 0
	var seen []string
	for name, value := range h {
		size += len(name) + len(value)
		key := http.CanonicalHeaderKey(name)
		switch {
		case !validHeader(name, value):
			return fmt.Errorf("webhook: header %q is none that can be sent: a name is letters, digits and hyphens, a value has no control characters", name)
		case reservedHeader(name):
			return fmt.Errorf("webhook: header %s is reserved: choose another name", name)
		case slices.Contains(seen, key):
			return fmt.Errorf("webhook: header %s stands twice", key)
		}
		seen = append(seen, key)
	}
	if size > maxHeaderBytes {
		return fmt.Errorf("webhook: the headers of a hook have at most %d bytes; these have %d", maxHeaderBytes, size)
	}
	return nil
}

func validHeader(name, value string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// addHeaders leaves out what CheckHeaders would have refused: a row may have been written past it.
func addHeaders(to http.Header, from map[string]string) {
	for name, value := range from {
		if validHeader(name, value) && !reservedHeader(name) {
			to.Set(name, value)
		}
	}
}
