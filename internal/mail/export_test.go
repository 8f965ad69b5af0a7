package mail

import (
	"context"
	"net"
)

// DialTo connects to an address, whatever host the URL names.
func (s *SMTP) DialTo(address string) {
	dial := s.dial
	s.dial = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) }
}
