package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// Config is what [Open] needs.
type Config struct {
	DatabaseURL string          // a postgres:// URL; pool settings as pgxpool's (pool_max_conns and so on)
	Hooks       *Hooks          // nil: no hooks
	Tracer      pgx.QueryTracer // nil: none; otelpgx has one
	// TracerProvider makes the spans of writes and their before-hooks. nil: otel's global one, which makes none by default.
	TracerProvider trace.TracerProvider
	// Trace gets what happens.
	Trace Trace
	// Asker asks the synchronous webhooks. nil: a write that one has to be asked about fails with ErrNotAsked.
	Asker Asker
	// NoLinking turns the linking of accounts by verified e-mail addresses off, for all tenants, see [Users].
	NoLinking bool
}

// Store is the repositories on a pool of connections: each write is a transaction of its own.
type Store struct {
	repositories
	pool *pgxpool.Pool
}

// Tx is the repositories inside one transaction, and the transaction itself for SQL of one's own. It isn't safe for
// concurrent use.
type Tx struct {
	repositories
	Conn
}

// repositories has a field for each entity.
type repositories struct {
	Tenants                 *Tenants
	Users                   *Users
	Roles                   *Roles
	RolePermissions         *RolePermissions
	Permissions             *Permissions
	UserRoles               *UserRoles
	UserPermissions         *UserPermissions
	Connections             *Connections
	ResourceServers         *ResourceServers
	Clients                 *Clients
	ClientSecrets           *ClientSecrets
	ClientGrants            *ClientGrants
	Organizations           *Organizations
	OrganizationMembers     *OrganizationMembers
	OrganizationMemberRoles *OrganizationMemberRoles
	OrganizationConnections *OrganizationConnections
	Forms                   *Forms
	AuthEvents              *AuthEvents
	Logs                    *Logs
	TenantHooks             *TenantHooks
	HookSecrets             *HookSecrets
	ConnectionSecrets       *ConnectionSecrets
	TenantHosts             *TenantHosts
	Jobs                    *Jobs
	Tickets                 *Tickets
	Sessions                *Sessions
	LoginSessions           *LoginSessions
	RefreshTokens           *RefreshTokens
	LoginCodes              *LoginCodes
	Tries                   *Tries
	Revocations             *Revocations

	watch *watcher
	asks  *asks
}

func newRepositories(s *session, h *Hooks) repositories {
	return repositories{
		Tenants:                 newTenants(s, h),
		Users:                   newUsers(s, h),
		Roles:                   newRoles(s, h),
		RolePermissions:         &RolePermissions{s: s, hooks: h.RolePermissions},
		Permissions:             newPermissions(s, h),
		UserRoles:               newUserRoles(s, h),
		UserPermissions:         newUserPermissions(s, h),
		Connections:             newConnections(s, h),
		ResourceServers:         newResourceServers(s, h),
		Clients:                 newClients(s, h),
		ClientSecrets:           &ClientSecrets{s: s},
		ClientGrants:            newClientGrants(s, h),
		Organizations:           newOrganizations(s, h),
		OrganizationMembers:     newOrganizationMembers(s, h),
		OrganizationMemberRoles: newOrganizationMemberRoles(s, h),
		OrganizationConnections: newOrganizationConnections(s, h),
		Forms:                   newForms(s, h),
		AuthEvents:              newAuthEvents(s, h),
		Logs:                    newLogs(s),
		TenantHooks:             newTenantHooks(s),
		HookSecrets:             &HookSecrets{s: s},
		ConnectionSecrets:       &ConnectionSecrets{s: s},
		TenantHosts:             &TenantHosts{s: s, known: newKnownHosts()},
		Jobs:                    newJobs(s),
		Tickets:                 &Tickets{s: s},
		Sessions:                &Sessions{s: s},
		LoginSessions:           &LoginSessions{s: s},
		RefreshTokens:           &RefreshTokens{s: s},
		LoginCodes:              &LoginCodes{s: s},
		Tries:                   &Tries{s: s},
		Revocations:             &Revocations{s: s},
		watch:                   s.watch,
		asks:                    s.asks,
	}
}

// on gives the same repositories on another session. What sets the entities apart is made once, as hooks call With often.
func (r repositories) on(s *session) repositories {
	return repositories{
		Tenants:                 &Tenants{*r.Tenants.r.on(s)},
		Users:                   &Users{*r.Users.on(s)},
		Roles:                   r.Roles.on(s),
		RolePermissions:         &RolePermissions{s: s, hooks: r.RolePermissions.hooks},
		Permissions:             r.Permissions.on(s),
		UserRoles:               &UserRoles{*r.UserRoles.on(s)},
		UserPermissions:         &UserPermissions{*r.UserPermissions.on(s)},
		Connections:             r.Connections.on(s),
		ResourceServers:         r.ResourceServers.on(s),
		Clients:                 r.Clients.on(s),
		ClientSecrets:           &ClientSecrets{s: s},
		ClientGrants:            r.ClientGrants.on(s),
		Organizations:           r.Organizations.on(s),
		OrganizationMembers:     &OrganizationMembers{*r.OrganizationMembers.on(s)},
		OrganizationMemberRoles: &OrganizationMemberRoles{*r.OrganizationMemberRoles.on(s)},
		OrganizationConnections: r.OrganizationConnections.on(s),
		Forms:                   r.Forms.on(s),
		AuthEvents:              &AuthEvents{*r.AuthEvents.r.on(s)},
		Logs:                    &Logs{*r.Logs.r.on(s)},
		TenantHooks:             r.TenantHooks.on(s),
		HookSecrets:             &HookSecrets{s: s},
		ConnectionSecrets:       &ConnectionSecrets{s: s},
		TenantHosts:             &TenantHosts{s: s, known: r.TenantHosts.known},
		Jobs:                    &Jobs{Journal[Job, CreateJob]{*r.Jobs.r.on(s)}},
		Tickets:                 &Tickets{s: s},
		Sessions:                &Sessions{s: s},
		LoginSessions:           &LoginSessions{s: s},
		RefreshTokens:           &RefreshTokens{s: s},
		LoginCodes:              &LoginCodes{s: s},
		Tries:                   &Tries{s: s},
		Revocations:             &Revocations{s: s},
		watch:                   r.watch,
		asks:                    r.asks,
	}
}

// Open connects, checks that the schema is there and not newer than this code, and returns what was registered wrongly. SQL
// hooks and write policies that are declared, and that the database has otherwise or not, it installs: see [Install].
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("db: open: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Hooks == nil {
		cfg.Hooks = NewHooks()
	}
	if err := cfg.Hooks.Err(); err != nil {
		return nil, err
	}
	if cfg.DatabaseURL == "" {
		return nil, errors.New("Config.DatabaseURL is empty: give it a postgres:// URL")
	}
	pools, err := pgxpool.ParseConfig(cfg.DatabaseURL)
	if err != nil {
		return nil, err
	}
	if pools.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, errors.New("Config.DatabaseURL asks for the simple protocol, in which a hook's statement could end its transaction: behind a pooler, use default_query_exec_mode=exec")
	}
	pools.ConnConfig.Tracer = cfg.Tracer
	pool, err := pgxpool.NewWithConfig(ctx, pools)
	if err != nil {
		return nil, err
	}
	if err := CheckSchema(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	if err := cfg.Hooks.install(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	root := &session{pool: pool, watch: newWatcher(cfg), asks: newAsks(cfg.Asker), unlinked: cfg.NoLinking}
	return &Store{repositories: newRepositories(root, cfg.Hooks), pool: pool}, nil
}

// Close gives the connections back. Writes that still run fail.
func (s *Store) Close() { s.pool.Close() }

// InTx runs fn in one transaction and commits it if fn returns nil; it rolls back where fn returns an error or panics.
// Every write in fn, and every before-hook of it, is part of it; each is a savepoint, so one that fails leaves nothing,
// and fn may go on. Inside a hook it answers hooks.ErrOutsideTx: there, use the hook's transaction.
func (s *Store) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	if err := (&session{}).mayWrite(ctx); err != nil {
		return fmt.Errorf("db: transaction: %w", err)
	}
	_, inContext, err := stampStatements(ctx, hooks.Current(ctx))
	if err != nil {
		return fmt.Errorf("db: transaction: %w", err)
	}
	return s.run(ctx, lazytx.New(s.pool, inContext), fn)
}

// InTx runs fn in a savepoint and rolls back to it if fn returns an error or panics.
func (t *Tx) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return t.run(ctx, lazytx.Nested(t.Conn), fn)
}

func (r repositories) run(ctx context.Context, tx *lazytx.Tx, fn func(tx *Tx) error) error {
	returned := false
	err := tx.Do(ctx, func() error {
		err := fn(r.with(tx))
		returned = err != nil
		return err
	})
	if err != nil && !returned {
		return fmt.Errorf("db: commit: %w", err)
	}
	return err
}

// With gives the repositories inside a transaction that the caller began and will end: a pgx.Tx, or the hooks.Tx of a
// hook. Each write is a savepoint in it.
func (s *Store) With(conn Conn) *Tx { return s.with(conn) }

func (r repositories) with(conn Conn) *Tx {
	if tx, ok := conn.(*Tx); ok {
		conn = tx.Conn
	}
	return &Tx{repositories: r.on(&session{conn: conn, watch: r.watch, asks: r.asks}), Conn: conn}
}

// LSN is a point in the log at or after the commit of every write that returned before the call; a listener's WaitFor takes it.
func (s *Store) LSN(ctx context.Context) (pglogrepl.LSN, error) {
	var lsn pglogrepl.LSN
	if err := s.pool.QueryRow(ctx, "select pg_current_wal_flush_lsn()").Scan(&lsn); err != nil {
		return 0, fmt.Errorf("db: position of the log: %w", err)
	}
	return lsn, nil
}

var _ Conn = hooks.Tx(nil)
