package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

func apiMetric() metric {
	return metric{
		name:    "api",
		figures: []string{"api_role_create_vs_bare", "api_user_get_vs_bare", "api_role_creates_per_s", "api_user_gets_per_s", "bare_role_creates_per_s", "bare_user_gets_per_s"},
		about: fmt.Sprintf("%d clients with connections that are kept alive. Latchkey: POST /api/v2/roles and GET /api/v2/users/{id} with a token that is checked, parsing, validation, rate limit, stamp and log line. Bare: net/http and encoding/json around "+
			"the same statements on the same tables (a role's insert with its stamp; a user with linked identities and stats), without tokens, checks and log lines. Both in this process, as their clients are; no listener runs.", apiClients),
		run: measureAPI,
	}
}

const (
	apiClients = 16
	apiTime    = 3 * time.Second
	apiUsers   = 1000
)

func measureAPI(ctx context.Context, b *bench) (_ []figure, err error) {
	if err := b.prepareAPI(ctx); err != nil {
		return nil, err
	}
	if b.cpuProfile != "" {
		stop, err := profile(b.cpuProfile)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	ours, err := b.apiSite(ctx, "create:roles read:users")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.end()) }()
	pool, err := openPool(ctx, b.url, apiClients)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	theirs, err := newSite(ctx, bareAPI(pool))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, theirs.close()) }()
	transport := &http.Transport{MaxIdleConnsPerHost: apiClients}
	defer transport.CloseIdleConnections()
	client := &apiClient{client: &http.Client{Transport: transport}, bearer: ours.bearer}

	var figures []figure
	for _, c := range []struct {
		name, rates string
		request     func(ctx context.Context, url string, n int64) error
	}{{"api_role_create_vs_bare", "role_creates_per_s", client.createRole}, {"api_user_get_vs_bare", "user_gets_per_s", client.getUser}} {
		var one, other []float64
		for i := range b.runs {
			for turn := range 2 {
				site, rates := ours.site, &one
				if (i+turn)%2 == 1 {
					site, rates = theirs, &other
				}
				if err := b.exec(ctx, `truncate auth.roles, auth.logs cascade`); err != nil {
					return nil, err
				}
				perSecond, err := apiLoad(ctx, site.url, c.request)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.name, err)
				}
				*rates = append(*rates, perSecond)
			}
			b.say("%s %d/%d: Latchkey %.0f/s, bare %.0f/s, ratio %.3f", c.name, i+1, b.runs, one[i], other[i], one[i]/other[i])
		}
		figures = append(figures,
			figure{
				Name: c.name, Value: median(ratios(one, other)), Target: &target{AtLeast: true, Value: 0.7},
				Beside: fmt.Sprintf("%.0f requests/s beside %.0f", median(one), median(other)),
			},
			figure{Name: "api_" + c.rates, Value: median(one)}, figure{Name: "bare_" + c.rates, Value: median(other)})
	}
	return figures, nil
}

// prepareAPI makes the users that are read.
func (b *bench) prepareAPI(ctx context.Context) error {
	return b.exec(ctx, fmt.Sprintf(`insert into auth.users (tenant_id, user_id, email, name) select 't0', 'auth0|' || i, 'u' || i || '@example.com', 'User ' || i
		from generate_series(0, %d) i on conflict do nothing`, apiUsers-1))
}

func (b *bench) apiSite(ctx context.Context, scope string) (*apiSite, error) {
	keys, err := seal.Parse(seal.New())
	if err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, b.url, 4)
	if err != nil {
		return nil, err
	}
	issuer, err := token.Open(ctx, token.Config{Database: pool, Keys: keys, Issuer: "https://bench.example/"})
	if err != nil {
		return nil, err
	}
	bearer, err := issuer.Mint(ctx, token.Claims{
		Subject: "bench", TenantID: "t0", Scope: scope, Audience: []string{issuer.Audience()}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		return nil, err
	}
	reg := db.NewHooks()
	store, err := db.Open(ctx, db.Config{DatabaseURL: b.url + "&pool_max_conns=" + strconv.Itoa(apiClients), Hooks: reg})
	if err != nil {
		return nil, err
	}
	guard, err := webhook.NewGuard()
	if err != nil {
		return nil, err
	}
	management, err := api.New(api.Config{ //nolint:contextcheck // its requests have contexts of their own
		Store: store, Conn: pool, Tokens: issuer, Audience: issuer.Audience(), Seal: keys, Guard: guard, Tables: reg.Tables(), Logger: b.log, RateLimit: -1,
	})
	if err != nil {
		return nil, err
	}
	s, err := newSite(ctx, management)
	if err != nil {
		return nil, err
	}
	return &apiSite{site: s, api: management, bearer: bearer, end: func() error {
		management.Close()
		err := s.close()
		store.Close()
		pool.Close()
		return errors.Join(err, b.exec(context.WithoutCancel(ctx), `truncate auth.signing_keys`))
	}}, nil
}

// bareAPI does what the API does in the database, and no more.
func bareAPI(pool *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/roles", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Name, Description string }
		var id, name, description string
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		q := &pgx.Batch{}
		q.Queue(`select pg_logical_emit_message(true, 'latchkey', $1::text), set_config('latchkey.stamped', $1::text, true)`, `{"origin":"app","actor":"bench"}`)
		q.Queue(`insert into auth.roles (tenant_id, id, name, description, metadata, created_at, updated_at) values ('t0', $1, $2, $3, '{}', now(), now())
			returning id, name, description`, "rol_"+in.Name, in.Name, in.Description).QueryRow(func(row pgx.Row) error { return row.Scan(&id, &name, &description) })
		if err := pool.SendBatch(r.Context(), q).Close(); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": id, "name": name, "description": description})
	})
	mux.HandleFunc("GET /api/v2/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		u, err := bareUser(r.Context(), pool, r.PathValue("id"))
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(u)
	})
	return mux
}

// bareUser reads a user, its linked identities and its stats.
func bareUser(ctx context.Context, pool *pgxpool.Pool, id string) (db.User, error) {
	rows, err := pool.Query(ctx, `select * from auth.users where tenant_id = 't0' and user_id = $1`, id)
	if err != nil {
		return db.User{}, err
	}
	u, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[db.User])
	if err != nil {
		return db.User{}, err
	}
	for _, sql := range []string{`select * from auth.users where tenant_id = 't0' and linked_to = any ($1)`, `select * from auth.user_stats where tenant_id = 't0' and user_id = any ($1)`} {
		rows, err := pool.Query(ctx, sql, []string{id})
		if err != nil {
			return db.User{}, err
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return db.User{}, err
		}
	}
	return u, nil
}

// apiClient makes the requests.
type apiClient struct {
	client *http.Client
	bearer string
}

func (c *apiClient) createRole(ctx context.Context, url string, n int64) error {
	body, err := json.Marshal(map[string]string{"name": "Role" + strconv.FormatInt(n, 10), "description": description})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, url+"/api/v2/roles", bytes.NewReader(body))
}

func (c *apiClient) getUser(ctx context.Context, url string, n int64) error {
	return c.do(ctx, http.MethodGet, url+"/api/v2/users/auth0%7C"+strconv.FormatInt(n%apiUsers, 10), nil)
}

func (c *apiClient) do(ctx context.Context, method, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, resp.Status, answer)
	}
	return nil
}

// apiLoad is how many requests a second apiClients make, each as fast as it can.
func apiLoad(ctx context.Context, url string, request func(ctx context.Context, url string, n int64) error) (float64, error) {
	var count atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range apiClients {
		g.Go(func() error {
			for time.Since(began) < apiTime {
				if err := request(ctx, url, count.Add(1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return rate(int(count.Load()), time.Since(began)), nil
}
