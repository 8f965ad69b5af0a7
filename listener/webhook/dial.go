package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrRefused is in the error of every URL and dial that the guard refuses.
var ErrRefused = errors.New("address refused")

// Guard lets connections go to public addresses only, and to what the deployment allows besides. It looks at the address
// that is dialled, at every dial, so a name that changes what it resolves to gains nothing. It is safe for concurrent use.
type Guard struct {
	public, private *ssrf.Guardian // for any host, and for hosts on the list
	prefixes        []netip.Prefix
	hosts           map[string]bool // lower case, without the last dot; *.example.com stands for all below example.com
	resolver        *net.Resolver
}

// NewGuard makes a guard. An allowance is a CIDR or an address, which opens it for every host; or a host (or *.host, all
// below it), which may then resolve to private and loopback addresses. Addresses where clouds give out credentials stay shut
// unless they are on the list one by one, and so do link-local ones unless by CIDR. Any port may be dialled.
func NewGuard(allow ...string) (*Guard, error) {
	g := &Guard{hosts: map[string]bool{}, resolver: net.DefaultResolver}
	var problems []error
	for _, text := range allow {
		prefix, isPrefix, err := parsePrefix(text)
		switch {
		case err != nil:
			problems = append(problems, err)
		case isPrefix:
			g.prefixes = append(g.prefixes, prefix)
		default:
			host := canonicalHost(text)
			if err := checkName(strings.TrimPrefix(host, "*.")); err != nil {
				problems = append(problems, fmt.Errorf("webhook: allowed %q is neither a CIDR nor an address nor a host: %w", text, err))
			}
			g.hosts[host] = true
		}
	}
	g.public = guardian(g.prefixes)
	g.private = guardian(append(privatePrefixes(), g.prefixes...))
	return g, errors.Join(problems...)
}

func parsePrefix(text string) (prefix netip.Prefix, ok bool, err error) {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		prefix, ok = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), true
	} else if strings.Contains(text, "/") {
		if prefix, err = netip.ParsePrefix(text); err != nil {
			return prefix, false, fmt.Errorf("webhook: allowed %q is no CIDR: write 10.1.0.0/16 or fd12:3456::/48", text)
		}
		if ok = true; prefix != prefix.Masked() {
			return prefix, false, fmt.Errorf("webhook: allowed %q has bits beyond its length: write %s", text, prefix.Masked())
		}
	}
	if ok && prefix.Addr().Is4In6() {
		return prefix, false, fmt.Errorf("webhook: allowed %q is an IPv4 address within IPv6: write the IPv4 one", text)
	}
	return prefix, ok, nil
}

func guardian(allowed []netip.Prefix) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// privatePrefixes are what a host on the list may resolve to.
func privatePrefixes() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"),
	}
}

// isMetadata knows where clouds tell a machine its credentials; some of these lie within private or public ranges.
func isMetadata(ip netip.Addr) bool {
	switch ip.String() {
	case "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", // AWS, and nearly everyone's
		"fd20:ce::254",    // Google
		"168.63.129.16",   // Azure
		"100.100.100.200", // Alibaba
		"192.0.0.192":     // Oracle
		return true
	}
	return false
}

// check says whether an address may be dialled for a host.
func (g *Guard) check(host string, ip netip.Addr) error {
	guardian := g.public
	if g.allowsHost(host) {
		guardian = g.private
	}
	if err := guardian.SafeAddr(ip); err != nil {
		return fmt.Errorf("%w: %s isn't public: allow it by CIDR, or its host, where it is meant", ErrRefused, ip)
	}
	if isMetadata(ip) && !g.allowsExactly(ip) {
		return fmt.Errorf("%w: %s is a cloud's metadata service: allow it by itself where it is meant", ErrRefused, ip)
	}
	if ssrf.IPv6NAT64Prefix.Contains(ip) { // it is on the list, for a network that has IPv6 only
		v6 := ip.As16()
		return g.check(host, netip.AddrFrom4([4]byte(v6[12:])))
	}
	return nil
}

func (g *Guard) allowsHost(host string) bool {
	host = canonicalHost(host)
	if g.hosts[host] {
		return true
	}
	for rest := host; ; {
		_, parent, more := strings.Cut(rest, ".")
		if !more {
			return false
		}
		if g.hosts["*."+parent] {
			return true
		}
		rest = parent
	}
}

func (g *Guard) allowsExactly(ip netip.Addr) bool {
	for _, p := range g.prefixes {
		if p.IsSingleIP() && p.Addr() == ip {
			return true
		}
	}
	return false
}

// DialContext is for an http.Transport: it resolves the host, and refuses each address as it is about to be dialled.
// Errors: [ErrRefused].
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := checkHost(host); err != nil { // net would dial ::ffff:10.0.0.1 as an IPv4 address
		return nil, err
	}
	dialer := net.Dialer{
		Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Resolver: g.resolver,
		Control: func(network, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || network != "tcp4" && network != "tcp6" {
				return fmt.Errorf("%w: %s %s", ErrRefused, network, address)
			}
			return g.check(host, to.Addr())
		},
	}
	return dialer.DialContext(ctx, network, address)
}
