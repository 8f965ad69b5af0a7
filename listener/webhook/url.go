package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxURL        = 2048
	resolveWithin = 2 * time.Second
)

// Check looks at a hook's URL when it is saved, so that its owner hears at once what the first dial would say: it is http or
// https, has no credentials in it, and its host neither is nor resolves to a refused address. A name that doesn't resolve
// passes, for it may yet. Every dial looks again. Errors: [ErrRefused].
func (g *Guard) Check(ctx context.Context, rawURL string) error {
	if len(rawURL) > maxURL {
		return fmt.Errorf("webhook: url: it has %d bytes, at most %d are taken", len(rawURL), maxURL)
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return fmt.Errorf("webhook: url: %w", err)
	}
	host := u.Hostname()
	addresses := make([]netip.Addr, 0, 4)
	if ip, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, ip)
	} else {
		if name := canonicalHost(host); !g.allowsHost(name) && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
			return fmt.Errorf("webhook: url: %w: %s is this machine: allow the host where it is meant", ErrRefused, host)
		}
		ctx, cancel := context.WithTimeout(ctx, resolveWithin)
		defer cancel()
		addresses, _ = g.resolver.LookupNetIP(ctx, "ip", host)
	}
	for _, ip := range addresses {
		if err := g.check(host, ip.Unmap()); err != nil { // net dials what is mapped as IPv4
			return fmt.Errorf("webhook: url: %w", err)
		}
	}
	return nil
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("it can't be read: write https://host/path") // err would repeat it, and what may be secret in it
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: the scheme is %q: http and https are taken", ErrRefused, u.Scheme)
	case u.User != nil:
		return nil, errors.New("it has a user or password: put them into the hook's headers")
	case u.Opaque != "" || u.Host == "":
		return nil, errors.New("it has no host: write https://host/path")
	}
	if text := u.Port(); text != "" {
		if port, err := strconv.ParseUint(text, 10, 16); err != nil || port == 0 {
			return nil, fmt.Errorf("port %s: there are 1 to 65535", text)
		}
	}
	return u, checkHost(u.Hostname())
}

// checkHost takes an address as it is always written, or a name.
func checkHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		switch {
		case ip.Zone() != "":
			return fmt.Errorf("%w: %s has a zone, so it isn't public", ErrRefused, host)
		case ip.Is4In6():
			return fmt.Errorf("%w: %s is an IPv4 address within IPv6: write the IPv4 one", ErrRefused, host)
		}
		return nil
	}
	if err := checkName(host); err != nil {
		return fmt.Errorf("%w: host %q: %w", ErrRefused, host, err)
	}
	return nil
}

// checkName refuses what some resolvers take for an address (2130706433, 0x7f.1, 0177.0.0.1, 127.1): one whose last label is
// a number, as browsers tell them.
func checkName(name string) error {
	name = canonicalHost(name)
	if name == "" || len(name) > 253 {
		return errors.New("a name has 1 to 253 characters")
	}
	if strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}) {
		return errors.New("a name has letters, digits, hyphens and dots; write others in punycode, xn--")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return errors.New("between two dots stand 1 to 63 characters")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return errors.New("it ends in a number, so it is an address in disguise: write it as four decimal numbers")
	}
	return nil
}

func canonicalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
