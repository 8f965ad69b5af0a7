package flows

import "github.com/latchkey-dev/latchkey/auth"

// hookRequest is the request as hooks are told of it.
func (c *Caller) hookRequest() auth.Request {
	r := auth.Request{ID: c.Request.RequestID, IP: c.Request.IP, UserAgent: c.Request.UserAgent}
	if c.Request.GeoIP != nil {
		r.GeoIP = *c.Request.GeoIP
	}
	return r
}
