package flows_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/examples/flows"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

const tenant = hookstest.Tenant

func requireRejection(t *testing.T, err error, code string) {
	t.Helper()
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Code != code {
		t.Fatalf("%v; want %s", err, code)
	}
}

func TestBlockDomains(t *testing.T) {
	t.Parallel()
	h := auth.NewHooks(db.NewHooks())
	flows.BlockDomains(h, "tempmail.com", "disposable.com")
	ask := func(email string) error {
		return h.RunValidateRegistrationUsername(t.Context(), &auth.RegistrationAttempt{User: auth.NewUser{Email: email}})
	}
	requireRejection(t, ask("ann@TempMail.com"), "registration_denied")
	if err := ask("ann@example.com"); err != nil {
		t.Error(err)
	}
}

func TestRequireMFA(t *testing.T) {
	t.Parallel()
	h := auth.NewHooks(db.NewHooks())
	flows.RequireMFA(h, "mfa-enrollment-form")
	ev := &auth.PostLogin{Authentication: auth.Authentication{Methods: []auth.AuthenticationMethod{{Name: "pwd"}}}}
	if out, err := h.RunPostLogin(t.Context(), ev); err != nil || out.Suspended != nil {
		t.Errorf("no admin: %+v, %v", out, err)
	}
	ev.Authorization.Roles = []string{"admin"}
	out, err := h.RunPostLogin(t.Context(), ev)
	if err != nil || out.Suspended == nil || out.Suspended.FormID != "mfa-enrollment-form" {
		t.Fatalf("an admin: %+v, %v", out, err)
	}
	_, err = h.RunContinuePostLogin(t.Context(), ev, out)
	requireRejection(t, err, "access_denied")
	ev.Authentication.Methods = append(ev.Authentication.Methods, auth.AuthenticationMethod{Name: "mfa", Timestamp: time.Now()})
	if out, err = h.RunContinuePostLogin(t.Context(), ev, out); err != nil || out.Suspended != nil {
		t.Errorf("enrolled: %+v, %v", out, err)
	}
}

func TestAcceptTerms(t *testing.T) {
	t.Parallel()
	const secret = "what the site and the hook share, 32 bytes or more"
	h := auth.NewHooks(db.NewHooks())
	flows.AcceptTerms(h, "https://terms.example.com/ask?theme=dark", secret)
	ev := &auth.PostLogin{User: db.User{UserID: "ann"}, Transaction: auth.Transaction{State: "st1"}}
	out, err := h.RunPostLogin(t.Context(), ev)
	if err != nil || out.Suspended == nil {
		t.Fatalf("%+v, %v", out, err)
	}

	// The site reads whom it asks, and signs the answer.
	to, err := url.Parse(out.Suspended.RedirectTo)
	if err != nil || to.Query().Get("theme") != "dark" {
		t.Fatalf("%s, %v", to, err)
	}
	asked, err := jwt.ParseSigned(to.Query().Get("session_token"), []jose.SignatureAlgorithm{jose.HS256})
	var about jwt.Claims
	if err != nil || asked.Claims([]byte(secret), &about) != nil || about.Subject != "ann" {
		t.Fatalf("%+v, %v", about, err)
	}
	answer := func(accepted bool) url.Values {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := jwt.Signed(signer).Claims(map[string]any{"state": to.Query().Get("state"), "exp": time.Now().Add(time.Minute).Unix(), "accepted": accepted}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{"session_token": {raw}}
	}

	for _, query := range []url.Values{nil, {"session_token": to.Query()["session_token"]}, answer(false)} {
		ev.Request.Query = query
		_, err = h.RunContinuePostLogin(t.Context(), ev, out)
		requireRejection(t, err, "access_denied")
	}
	ev.Request.Query = answer(true)
	out, err = h.RunContinuePostLogin(t.Context(), ev, out)
	if err != nil || string(out.AppMetadata["terms_accepted"]) != "true" || string(out.IDToken["https://example.com/terms"]) != `"accepted"` {
		t.Fatalf("%+v, %v", out, err)
	}
	ev.User.AppMetadata = json.RawMessage(`{"terms_accepted": true}`)
	if out, err = h.RunPostLogin(t.Context(), ev); err != nil || out.Suspended != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

// tokens are what a server's keys make.
type tokens struct{}

func (tokens) ServiceToken(_ context.Context, tenantID, scope string, _ time.Duration) (string, error) {
	return tenantID + "/" + scope, nil
}

func TestUsers(t *testing.T) {
	t.Parallel()
	got := make(chan string, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r.Header.Get("Authorization") + " " + string(body)
	}))
	t.Cleanup(server.Close)
	reg := db.NewHooks()
	h := auth.NewHooks(reg)
	h.Serve(auth.Services{Tokens: tokens{}})
	flows.EnrichProfile(h)
	flows.LockEmail(h)
	flows.Protect(h)
	flows.NotifyDeletion(h, server.Client(), server.URL)
	env := hookstest.New(t, reg)

	ctx := db.WithStamp(t.Context(), hooks.Stamp{IP: "10.0.0.1", GeoIP: &hooks.GeoIP{CountryCode: "DE"}})
	ann, err := env.Store.Users.Create(ctx, tenant, db.CreateUser{UserID: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	date, err := auth.Metadata[time.Time](ann.UserMetadata, "signup_date")
	ip, _ := auth.Metadata[string](ann.UserMetadata, "signup_ip")
	country, _ := auth.Metadata[string](ann.UserMetadata, "signup_country")
	if err != nil || time.Since(date) > time.Hour || ip != "10.0.0.1" || country != "DE" {
		t.Errorf("metadata %s, %v", ann.UserMetadata, err)
	}
	locked := db.Set(json.RawMessage(`{"email_locked": true, "protected": true}`))
	if _, err := env.Store.Users.Update(ctx, tenant, "ann", db.UpdateUser{Email: db.Set("ann@x.com"), AppMetadata: locked}); err != nil {
		t.Fatal(err)
	}
	_, err = env.Store.Users.Update(ctx, tenant, "ann", db.UpdateUser{Email: db.Set("eve@x.com")})
	requireRejection(t, err, "update_cancelled")
	requireRejection(t, env.Store.Users.Delete(ctx, tenant, "ann"), "deletion_cancelled")

	env.SQL(`delete from auth.users`) // past the repositories: no before-hook
	env.CatchUp()
	if said, want := <-got, `Bearer test/send:notifications {"type":"user_deleted","user_id":"ann","event":3}`; said != want {
		t.Errorf("it was told %s, want %s", said, want)
	}
	env.RequireRuns("post-user-deletion:notify", 1)
}
