package mail

import (
	"context"
	"crypto/x509"
	"net"
)

// DialTo connects to an address, whatever host the URL names.
func (s *SMTP) DialTo(address string) {
	dial := s.dial
	s.dial = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) }
}

// Trust takes a certificate for good.
func (s *SMTP) Trust(c *x509.Certificate) {
	s.tls.RootCAs = x509.NewCertPool()
	s.tls.RootCAs.AddCert(c)
}
