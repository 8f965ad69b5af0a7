package auth

import (
	"context"
	"errors"
	"net/url"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Tenant is whose hook runs.
type Tenant struct {
	ID string
}

// Request is what is known of the request that a hook runs for. Of the hooks on users, whose writes need no request, it has
// what the write's stamp has (db.WithStamp): ID, IP, UserAgent and GeoIP. What isn't known is empty.
type Request struct {
	ID        string
	IP        string
	UserAgent string
	GeoIP     hooks.GeoIP

	Method   string
	Hostname string
	Language string     // Accept-Language, as it was sent
	Query    url.Values // of the URL
	Form     url.Values // of a body, without what is a secret: of a login that goes on, what another site posted
}

// Client is an application, with the connections that are enabled for it.
type Client struct {
	db.Client
	Connections []db.Connection
}

func requestOf(s hooks.Stamp) Request {
	r := Request{ID: s.RequestID, IP: s.IP, UserAgent: s.UserAgent}
	if s.GeoIP != nil {
		r.GeoIP = *s.GeoIP
	}
	return r
}

// clientOf is a client that is read only if a hook asks.
type clientOf struct {
	tx           hooks.Tx
	tenantID, id string
}

func (c clientOf) read(ctx context.Context) (*Client, error) {
	if c.id == "" || c.tx == nil {
		return nil, nil //nolint:nilnil // no client is an answer, and no failure
	}
	client, connections, err := db.ReadClient(ctx, c.tx, c.tenantID, c.id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil //nolint:nilnil // it is gone: as above
	}
	if err != nil {
		return nil, err
	}
	return &Client{client, connections}, nil
}
