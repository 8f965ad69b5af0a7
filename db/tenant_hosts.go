package db

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// TenantHost is a name by which a tenant is reached.
type TenantHost = dbsqlc.AuthTenantHost

// TenantHosts keeps the host names of tenants. They are not published, and no hook runs for them. Names are lowercased, and a
// port and a last dot are left out.
type TenantHosts struct {
	s     *session
	known *knownHosts
}

// TenantOf is the tenant that is reached by a host name, which may have a port. Every request asks, so an answer is kept for ten
// seconds: that long another process' change may not show. Errors: [ErrNotFound].
func (s *Store) TenantOf(ctx context.Context, host string) (string, error) {
	host = hostName(host)
	tenantID, known := s.TenantHosts.known.find(host)
	if !known {
		var err error
		if tenantID, err = dbsqlc.New(s.pool).TenantOfHost(ctx, host); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return "", failed(err, "find", "tenant by its host")
		}
		s.TenantHosts.known.note(host, tenantID)
	}
	if tenantID == "" {
		return "", failed(ErrNotFound, "find", "tenant by its host")
	}
	return tenantID, nil
}

// List reads the names of a tenant, in order.
func (t *TenantHosts) List(ctx context.Context, tenantID string) ([]TenantHost, error) {
	hosts, err := dbsqlc.New(t.s.reader()).ListTenantHosts(ctx, tenantID)
	return hosts, failed(err, "list", "tenant hosts")
}

// Put gives a tenant a name; one that it has already stays. Errors: [Conflict] where it is another tenant's, [Invalid],
// hooks.ErrOutsideTx.
func (t *TenantHosts) Put(ctx context.Context, tenantID, host string) (TenantHost, error) {
	a := action{operation: hooks.Insert, table: "auth.tenant_hosts", verb: "put", entity: "tenant host"}
	return inWrite(ctx, t.s, a, func(ctx context.Context, w *write) (TenantHost, error) {
		host := hostName(host)
		if err := required("tenant host", "host", host); err != nil {
			return TenantHost{}, err
		}
		row, err := w.lastUnstamped().PutTenantHost(ctx, host, tenantID, now())
		t.known.forget(host)
		if errors.Is(err, pgx.ErrNoRows) {
			err = &Conflict{Entity: "tenant host", Field: "host"}
		}
		return row, err
	})
}

// Delete takes a name from a tenant. Errors: [ErrNotFound], hooks.ErrOutsideTx.
func (t *TenantHosts) Delete(ctx context.Context, tenantID, host string) error {
	a := action{operation: hooks.Delete, table: "auth.tenant_hosts", verb: "delete", entity: "tenant host"}
	_, err := inWrite(ctx, t.s, a, func(ctx context.Context, w *write) (int64, error) {
		n, err := w.lastUnstamped().DeleteTenantHost(ctx, tenantID, hostName(host))
		t.known.forget(hostName(host))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return n, err
	})
	return err
}

// hostName is a name as it is stored, of a request's Host.
func hostName(host string) string {
	host = strings.ToLower(strings.TrimSpace(host))
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(host, ".")
}
