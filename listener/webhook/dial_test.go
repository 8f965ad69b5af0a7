package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func mustGuard(tb testing.TB, allow ...string) *Guard {
	tb.Helper()
	g, err := NewGuard(allow...)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func TestGuardRefusesAddresses(t *testing.T) {
	t.Parallel()
	g := mustGuard(t)
	for family, addresses := range map[string]string{
		"this host":           "0.0.0.0 0.1.2.3 ::",
		"loopback":            "127.0.0.1 127.255.255.254 ::1",
		"private":             "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255",
		"shared":              "100.64.0.1 100.127.255.255",
		"link-local":          "169.254.0.1 169.254.255.255 fe80::1 fe80::1%eth0 febf::1",
		"metadata":            "169.254.169.254 169.254.170.2 fd00:ec2::254 fd20:ce::254 168.63.129.16 100.100.100.200 192.0.0.192",
		"unique-local":        "fc00::1 fd12:3456::1",
		"site-local":          "fec0::1",
		"multicast":           "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
		"broadcast, reserved": "255.255.255.255 240.0.0.1",
		"protocols":           "192.0.0.1 192.88.99.1",
		"documentation":       "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
		"benchmarks":          "198.18.0.1 198.19.255.255 2001:2::1",
		"IPv4-mapped":         "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8",
		"IPv4-compatible":     "::127.0.0.1 ::8.8.8.8",
		"IPv4-translated":     "::ffff:0:127.0.0.1",
		"NAT64":               "64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1",
		"6to4":                "2002:7f00:1:: 2002:a00:1::1 2002:808:808::1",
		"Teredo":              "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"discard, ORCHID":     "100::1 2001:10::1 2001:20::1",
		"beyond 2000::/3":     "4000::1 5f00::1 1::1",
	} {
		for _, text := range strings.Fields(addresses) {
			if err := g.check("receiver.example", netip.MustParseAddr(text)); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %s: %v", family, text, err)
			}
		}
	}
	for _, text := range strings.Fields("8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.1 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 " +
		"169.253.255.255 169.255.0.1 192.167.255.255 192.169.0.1 223.255.255.255 2606:4700:4700::1111 2a00:1450:4001:830::200e") {
		if err := g.check("receiver.example", netip.MustParseAddr(text)); err != nil {
			t.Errorf("public: %s: %v", text, err)
		}
	}
}

// What is refused when a hook is saved is refused by the dial too, where nobody looked before.
func TestGuardRefusesURLs(t *testing.T) {
	t.Parallel()
	g := mustGuard(t)
	g.resolver = resolver(t, func(string, int) string { return "127.0.0.1" }) // as getaddrinfo reads 2130706433
	for _, host := range strings.Fields(`127.0.0.1 10.0.0.1 169.254.169.254 0.0.0.0 255.255.255.255
		[::1] [::] [fe80::1] [fd00:ec2::254] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:8.8.8.8] [0:0:0:0:0:ffff:808:808] [64:ff9b::7f00:1] [2002:7f00:1::] [::127.0.0.1]
		2130706433 0x7f000001 0x7F.1 0177.0.0.1 127.1 127.0.1 0 00 0x 1.2.3 017700000001 127.0.0.0x1 127.0.0.1. 2130706433.
		localhost LOCALHOST localhost. a.localhost a.localhost. receiver.example
		１２７.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 .example a..example example..`) {
		raw := "http://" + host + "/hook"
		if err := g.Check(t.Context(), raw); !errors.Is(err, ErrRefused) {
			t.Errorf("check %s: %v", raw, err)
		}
		name := strings.Trim(host, "[]")
		conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(name, "80"))
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, ErrRefused) {
			t.Errorf("dial %s: %v", host, err)
		}
	}
	for _, raw := range []string{
		"", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "unix:///run/x.sock", "javascript:alert(1)", "http:", "http:///x",
		"http:example.com", "https://user:secret-word@example.com/", "https://user@example.com", "https://example.com:0/", "https://example.com:65536/", "https://exa mple.com",
		"https://%31%32%37.0.0.1/", "http://[fe80::1%25eth0]/", "http://[2606:4700::1%25eth0]/", "https://example.com/" + strings.Repeat("a", 2048), "http://127.0.0.1\\@example.com/", "http://a_b|c/",
	} {
		if err := g.Check(t.Context(), raw); err == nil {
			t.Errorf("check %q passed", raw)
		} else if strings.Contains(err.Error(), "secret-word") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestGuardTakesURLs(t *testing.T) {
	t.Parallel()
	g := mustGuard(t)
	g.resolver = resolver(t, func(name string, _ int) string {
		if name == "missing.example." {
			return ""
		}
		return "93.184.215.14"
	})
	for _, raw := range []string{
		"https://receiver.example/hook?a=b", "http://receiver.example:8080", "HTTPS://Receiver.Example./x", "https://8.8.8.8/", "https://[2606:4700:4700::1111]:8443/",
		"https://xn--mller-kva.example/", "https://a_b.example/", "https://3com.example/", "https://missing.example/",
	} {
		if err := g.Check(t.Context(), raw); err != nil {
			t.Errorf("check %s: %v", raw, err)
		}
	}
}

// The name is public when the hook is saved, and this machine when it is dialled.
func TestGuardWithstandsRebinding(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer receiver.Close()
	_, port, err := net.SplitHostPort(receiver.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	firstPublic := func(_ string, n int) string {
		if n == 0 {
			return "93.184.215.14"
		}
		return "127.0.0.1"
	}
	send := func(g *Guard) *Answer {
		url := "http://rebind.example:" + port + "/"
		if err := g.Check(t.Context(), url); err != nil {
			t.Fatalf("when it is saved: %v", err)
		}
		c := NewClient(g)
		defer c.Close()
		return c.Send(t.Context(), &Request{URL: url, ID: "msg_1", Secrets: []Secret{NewSecret()}, Body: []byte("{}")})
	}

	g := mustGuard(t)
	g.resolver = resolver(t, firstPublic)
	if a := send(g); !errors.Is(a.Err, ErrRefused) || a.Code != 0 {
		t.Errorf("it was dialled: %d %v", a.Code, a.Err)
	}
	if len(asked) > 0 {
		t.Error("the request arrived")
	}

	for _, allow := range []string{"127.0.0.0/8", "127.0.0.1", "rebind.example", "*.example"} { // and it was for the guard alone
		g := mustGuard(t, allow)
		g.resolver = resolver(t, firstPublic)
		if a := send(g); a.Code != http.StatusOK {
			t.Errorf("%s is allowed: %d %v", allow, a.Code, a.Err)
		}
	}
	if len(asked) != 4 {
		t.Errorf("%d requests arrived, want 4", len(asked))
	}
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, host, ip string
		want            bool
	}{
		{"10.1.0.0/16", "any.example", "10.1.2.3", true},
		{"10.1.0.0/16", "any.example", "10.2.0.1", false},
		{"fd12:3456::/48", "any.example", "fd12:3456::1", true},
		{"[fd12::1]", "any.example", "fd12::1", true},
		{"fd12::1", "any.example", "fd12::2", false},
		{"169.254.0.0/16", "any.example", "169.254.7.7", true},
		{"169.254.0.0/16", "any.example", "169.254.169.254", false}, // a range doesn't open metadata
		{"169.254.169.254", "any.example", "169.254.169.254", true},
		{"fd00::/8", "any.example", "fd00:ec2::254", false},
		{"64:ff9b::/96", "any.example", "64:ff9b::808:808", true}, // a network that has IPv6 only
		{"64:ff9b::/96", "any.example", "64:ff9b::7f00:1", false},
		{"64:ff9b::/96", "any.example", "64:ff9b::a9fe:a9fe", false},
		{"inner.example", "inner.example", "10.0.0.1", true},
		{"Inner.Example.", "INNER.example.", "127.0.0.1", true},
		{"inner.example", "inner.example", "::1", true},
		{"inner.example", "inner.example", "fd12::1", true},
		{"inner.example", "inner.example", "8.8.8.8", true},
		{"inner.example", "inner.example", "169.254.169.254", false},
		{"inner.example", "inner.example", "fd00:ec2::254", false},
		{"inner.example", "inner.example", "100.100.100.200", false},
		{"inner.example", "inner.example", "0.0.0.0", false},
		{"inner.example", "inner.example", "fe80::1", false},
		{"inner.example", "inner.example", "224.0.0.1", false},
		{"inner.example", "outer.example", "10.0.0.1", false},
		{"inner.example", "a.inner.example", "10.0.0.1", false},
		{"inner.example", "notinner.example", "10.0.0.1", false},
		{"*.svc.local", "a.b.svc.local", "10.0.0.1", true},
		{"*.svc.local", "svc.local", "10.0.0.1", false},
		{"*.svc.local", "evilsvc.local", "10.0.0.1", false},
	} {
		g := mustGuard(t, c.allow)
		if err := g.check(c.host, netip.MustParseAddr(c.ip)); (err == nil) != c.want {
			t.Errorf("%s allowed, %s at %s: %v", c.allow, c.host, c.ip, err)
		}
	}
	if err := mustGuard(t, "localhost").Check(t.Context(), "http://localhost:3000/"); err != nil {
		t.Errorf("localhost is allowed: %v", err)
	}
}

func TestNewGuardRefusesBadAllowances(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "http://inner.example", "inner.example:80", "2130706433", "*", "*.", "a b"} {
		if _, err := NewGuard(text); err == nil {
			t.Errorf("%q passed", text)
		}
	}
}

func FuzzCheckHost(f *testing.F) {
	for _, host := range []string{"127.0.0.1", "::ffff:7f00:1", "0x7f.1", "a.example.", "localhost", "１２７.0.0.1"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if checkHost(host) != nil {
			return
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			if ip.Is4In6() || ip.Zone() != "" {
				t.Errorf("%q passed", host)
			}
		} else if last := host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]; strings.Trim(last, "0123456789.") == "" {
			t.Errorf("%q passed", host)
		}
	})
}
