package webhook

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// resolver asks a name server of the test's own. answer says what a name is at its nth lookup, as one address; "" for none.
func resolver(t *testing.T, answer func(name string, n int) string) *net.Resolver {
	t.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() {
		_ = server.Close()
		done.Wait()
	})
	done.Go(func() {
		asked := map[string]int{}
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], asked, answer); reply != nil {
				_, _ = server.WriteTo(reply, from)
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// dnsReply answers one question (RFC 1035, 4): the header, the question again, and an address if it was asked for its family.
func dnsReply(query []byte, asked map[string]int, answer func(string, int) string) []byte {
	if len(query) < 12 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	if at+5 > len(query) {
		return nil
	}
	name := strings.ToLower(strings.Join(labels, ".")) + "."
	kind := binary.BigEndian.Uint16(query[at+1:])
	reply := append([]byte{}, query[:at+5]...)
	reply[2], reply[3] = 0x84, 0x00      // an answer, by authority
	copy(reply[6:12], make([]byte, 6))   // no records yet
	address := answer(name, asked[name]) // A and AAAA of one lookup get the same
	if kind == 1 && asked != nil {       // so count by A alone
		asked[name]++
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || (kind == 1) != ip.Is4() || kind != 1 && kind != 28 {
		return reply
	}
	reply[7] = 1
	reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0) // the question's name, no time to live
	reply = binary.BigEndian.AppendUint16(reply, uint16(ip.BitLen()/8))
	return append(reply, ip.AsSlice()...)
}
