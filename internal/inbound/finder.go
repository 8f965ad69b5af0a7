package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/seal"
)

// TenantHeader is how a request names its tenant where the host doesn't.
const TenantHeader = "tenant-id"

// Finder finds out on whose behalf a request is made. It is safe for concurrent use.
type Finder struct {
	Store   *db.Store
	Keys    *seal.Keys
	Flows   *flows.Flows
	Cookies Cookies
	// GeoIP tells where a request comes from; nil: nobody knows. It must not take long.
	GeoIP func(*http.Request) *hooks.GeoIP
	// Proxies are those whose X-Forwarded-For is believed; none: the peer's address is the caller's.
	Proxies []netip.Prefix
}

// Caller is the tenant and the application of a request: the tenant that the header or the host names, and otherwise that of the client, whose id
// is then enough, unless tenants have chosen the same. With an empty clientID there is no client, and the tenant may also be the only
// one that there is. The client is not authenticated by this.
//
// Errors: [flows.Refused]: invalid_client, and invalid_request for a tenant that can't be told.
func (f *Finder) Caller(r *http.Request, clientID string) (flows.Caller, error) {
	c := flows.Caller{Request: f.Request(r)}
	tenant, err := f.named(r)
	if err != nil {
		return c, err
	}
	switch {
	case clientID == "" && tenant == "":
		c.Tenant, err = f.onlyTenant(r.Context())
		return c, err
	case clientID == "":
		c.Tenant, err = f.tenant(r.Context(), tenant)
		return c, err
	}
	client, err := f.client(r.Context(), tenant, clientID)
	if err != nil {
		return c, err
	}
	c.Client = &client
	c.Tenant, err = f.tenant(r.Context(), client.TenantID)
	return c, err
}

// Login is the login under way that a state names, and the application that it is for. It is of the browser that began it, and of the
// tenant that the host names, where it names one.
//
// Errors: [flows.Refused], for one that there isn't, that took too long, or of another browser.
func (f *Finder) Login(r *http.Request, state string) (flows.Caller, *flows.Login, error) {
	c := flows.Caller{Request: f.Request(r)}
	tenant, err := f.named(r)
	if err != nil {
		return c, nil, err
	}
	of, err := f.Store.TenantOfLogin(r.Context(), state)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return c, nil, fmt.Errorf("inbound: login: %w", err)
	}
	if tenant != "" {
		of = tenant
	}
	login, err := f.Flows.FindLogin(r.Context(), of, state, f.Cookies.Browser(r, of))
	if err != nil {
		return c, nil, err
	}
	client, err := f.client(r.Context(), of, login.ClientID)
	if err != nil {
		return c, nil, err
	}
	c.Client = &client
	c.Tenant, err = f.tenant(r.Context(), of)
	return c, login, err
}

// named is the tenant that the request names by its header or its host; "" where it names none.
func (f *Finder) named(r *http.Request) (string, error) {
	if tenant := r.Header.Get(TenantHeader); tenant != "" {
		return tenant, nil
	}
	tenant, err := f.Store.TenantOf(r.Context(), r.Host)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return "", fmt.Errorf("inbound: %w", err)
	}
	return tenant, nil
}

func (f *Finder) tenant(ctx context.Context, id string) (db.Tenant, error) {
	tenant, err := f.Store.Tenants.Get(ctx, id)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return tenant, &flows.Refused{Code: "invalid_request", Description: "There is no such tenant."}
	case err != nil:
		return tenant, fmt.Errorf("inbound: %w", err)
	}
	return tenant, nil
}

func (f *Finder) onlyTenant(ctx context.Context) (db.Tenant, error) {
	page, err := f.Store.Tenants.List(ctx, db.ListOptions{PerPage: 2})
	switch {
	case err != nil:
		return db.Tenant{}, fmt.Errorf("inbound: %w", err)
	case len(page.Rows) != 1:
		return db.Tenant{}, &flows.Refused{Code: "invalid_request", Description: "It can't be told which tenant this is for: give client_id, or the header " + TenantHeader + "."}
	}
	return page.Rows[0], nil
}

// client finds a client in a tenant, or, where that is empty, by its id alone.
func (f *Finder) client(ctx context.Context, tenant, id string) (db.Client, error) {
	var found []db.Client
	var err error
	if tenant == "" {
		found, err = f.Store.ClientsNamed(ctx, id)
	} else {
		found = make([]db.Client, 1)
		found[0], err = f.Store.Clients.Get(ctx, tenant, id)
	}
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && len(found) == 0:
		return db.Client{}, errNoClient()
	case err != nil:
		return db.Client{}, fmt.Errorf("inbound: %w", err)
	case len(found) > 1:
		return db.Client{}, &flows.Refused{Code: "invalid_request", Description: "Several tenants have a client of this id: name the tenant with the header " + TenantHeader + "."}
	}
	return found[0], nil
}

// errNoClient is the same for a client that there isn't and for a wrong secret.
func errNoClient() error {
	return &flows.Refused{Code: "invalid_client", Description: "There is no such client, or its secret is another."}
}
