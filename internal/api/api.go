package api

import (
	"errors"
	"log/slog"
	"reflect"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Config is what the API is made of. All of it is needed, but for Group, Trier and Logger.
type Config struct {
	Store    *db.Store
	Conn     listener.Conn     // what the feed and the deliveries are read through
	Group    string            // the listeners' group, whose log the feed is; empty: default
	Tokens   Tokens            // makes and checks bearer tokens
	Audience string            // that tokens must be meant for
	Seal     tenanthook.Sealer // for the secrets of webhooks, clients and connections
	Guard    *webhook.Guard    // where webhooks may go
	Tables   []string          // the hooked ones, of which there may be triggers: db.Hooks.Tables
	Trier    Trier             // nil: no test deliveries
	Logger   *slog.Logger

	// RateLimit is how many requests there may be within a minute of one token's subject. 0: 6000; less: as many as come.
	RateLimit int
}

// API is the routes. Close ends its streams.
type API struct {
	chi.Router
	s *server
}

type server struct {
	cfg    Config
	api    huma.API
	log    *slog.Logger
	op     *listener.Operator
	maker  *tenanthook.Maker
	actor  *tenanthook.Actor
	feed   *listener.Feed
	tail   *tail
	lines  *lines
	closed chan struct{}
	limits limits
	jobs   chan struct{} // has one place: somebody waits for a worker

	closing sync.Once
}

const bearerScheme = "bearer"

// New makes the routes: /api/v2/..., /openapi.json and /docs.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("api: Config.Store is nil: give it a store")
	case cfg.Conn == nil:
		return nil, errors.New("api: Config.Conn is nil: give it a pool of the store's database")
	case cfg.Seal == nil, cfg.Guard == nil, len(cfg.Tables) == 0:
		return nil, errors.New("api: Config.Seal, Guard and Tables are needed for hooks: give it all of them")
	case cfg.Tokens == nil:
		return nil, errors.New("api: Config.Tokens is nil: give it a token.Issuer, which makes and checks bearer tokens")
	}
	s := &server{
		cfg: cfg, log: cfg.Logger, op: listener.NewOperator(cfg.Conn, cfg.Group), feed: listener.NewFeed(cfg.Conn, cfg.Group),
		closed: make(chan struct{}), limits: newLimits(cfg.RateLimit), jobs: make(chan struct{}, 1),
	}
	s.lines = &lines{write: cfg.Store.WriteLogs}
	s.maker = &tenanthook.Maker{Store: cfg.Store, Seal: cfg.Seal, Guard: cfg.Guard, Tables: cfg.Tables}
	s.actor = &tenanthook.Actor{Store: cfg.Store, Operator: s.op}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.tail = newTail(s.feed, s.closed)
	r := chi.NewRouter()
	r.Use(atEdge(s.log))
	r.NotFound(noRoute)
	r.MethodNotAllowed(wrongMethod(r))
	s.api = humachi.New(r, description())
	s.api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(answering{ctx}) })
	s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	s.addUsers()
	s.addIdentities()
	s.addRoles()
	s.addRolePermissions()
	s.addUserRoles()
	s.addUserPermissions()
	s.addConnections()
	s.addResourceServers()
	s.addClients()
	s.addClientGrants()
	s.addOrganizations()
	s.addOrganizationMembers()
	s.addOrganizationConnections()
	s.addForms()
	s.addTenantSettings()
	s.addSigningKeys()
	s.addStats()
	s.addTickets()
	s.addJobs()
	s.addExports()
	s.addHooks()
	s.addHookActions()
	s.addDeliveries()
	s.addFailed()
	s.addReplay()
	s.addEvents()
	s.addLogs()
	s.addTokens(r)
	tidy(s.api.OpenAPI())
	if err := s.addDocs(r); err != nil {
		return nil, err
	}
	return &API{Router: r, s: s}, nil
}

// Close ends long polls and streams, so that a server can shut down; whoever follows one goes on with the next process. It may be called
// twice.
func (a *API) Close() { a.s.closing.Do(func() { close(a.s.closed) }) }

// Wake says that events were stored just now, so that whoever follows the feed needn't wait for the next look.
func (a *API) Wake() { a.s.tail.wake() }

// description is the head of /openapi.json.
func description() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Latchkey management API", Version: "2",
				Description: "Users, roles and all else that a tenant has, hooks as data, what became of their deliveries, the feed of events, and logs. Everything is of the token's tenant.",
			},
			Tags: []*huma.Tag{
				{Name: tagUsers, Description: "Accounts, their identities, roles and permissions."},
				{Name: tagRoles, Description: "Named sets of permissions."},
				{Name: tagConnections, Description: "Where users come from."},
				{Name: tagServers, Description: "The APIs that tokens are made for, and their permissions."},
				{Name: tagClients, Description: "Applications, and what they may ask for."},
				{Name: tagOrganizations, Description: "Groups of users, with roles and connections of their own."},
				{Name: tagForms, Description: "Steps that a login shows its user."},
				{Name: tagTenant, Description: "The tenant's settings, the keys that sign, and figures."},
				{Name: tagHooks, Description: "What is called, and when."},
				{Name: tagDeliveries, Description: "What was sent to webhooks, and what came of it."},
				{Name: tagEvents, Description: "Every committed change, in order."},
				{Name: tagLogs, Description: "What happened, for people."},
			},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "Scopes are taken from the claims scope and permissions."}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ourShape},
	}
}

// The parts of the description.
const (
	tagUsers         = "users"
	tagRoles         = "roles"
	tagConnections   = "connections"
	tagServers       = "resource servers"
	tagClients       = "clients"
	tagOrganizations = "organizations"
	tagForms         = "forms"
	tagTenant        = "tenant"
	tagHooks         = "hooks"
	tagDeliveries    = "deliveries"
	tagEvents        = "events"
	tagLogs          = "logs"
)

// tidy takes the framework's own error out of the description: ourShape leaves none.
func tidy(doc *huma.OpenAPI) {
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
}
