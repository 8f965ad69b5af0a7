package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// get reads a page of a server.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// urlIn is the address that a server prints after a word.
func (b *background) urlIn(pattern string) string {
	b.t.Helper()
	_, url, _ := strings.Cut(b.stdout.await(b.t, 1, pattern)[0], "http://")
	url, _, _ = strings.Cut(url, "/metrics")
	return "http://" + url
}

// Metrics and profiles are on the admin address alone; health is on both.
func TestAdmin(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := serve(t, d.URL, "--admin-addr", "127.0.0.1:0")
	public, admin := s.urlIn(`^Latchkey is running at`), s.urlIn(`^Metrics and profiles: `)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'a', 'a')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert a$`)
	for url, want := range map[string]int{
		admin + "/healthz": http.StatusOK, admin + "/readyz": http.StatusOK, public + "/healthz": http.StatusOK, public + "/readyz": http.StatusOK,
		admin + "/debug/pprof/": http.StatusOK, admin + "/debug/pprof/goroutine?debug=1": http.StatusOK, admin + "/debug/pprof/cmdline": http.StatusOK,
		public + "/debug/pprof/": http.StatusNotFound, public + "/debug/pprof/heap": http.StatusNotFound, public + "/metrics": http.StatusNotFound,
	} {
		if status, _ := get(t, url); status != want {
			t.Errorf("%s answers %d, want %d", url, status, want)
		}
	}
	status, text := get(t, admin+"/metrics")
	for _, line := range []string{
		`latchkey_owner{group="default"} 1`, `latchkey_status_up{group="default"} 1`, `latchkey_hook_runs_total{group="default",hook="audit",outcome="done",table="auth.roles"} 1`,
		`latchkey_write_duration_seconds_count{operation="insert",outcome="done",table="auth.tenants"} `, `go_goroutines `, `process_cpu_seconds_total `,
	} {
		if status != http.StatusOK || !strings.Contains(text, "\n"+line) {
			t.Errorf("/metrics answers %d, without %s", status, line)
		}
	}
	s.stop().require(t, exitOK)

	s = serve(t, d.URL) // without the flag there is no such address
	s.stop().require(t, exitOK)
	if lines := s.stdout.lines(`etrics`); len(lines) > 0 {
		t.Errorf("it has an admin address that nobody asked for: %v", lines)
	}
	latchkey(t, "serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:99999", "--database-url", d.URL).require(t, exitError, "--admin-addr", "LATCHKEY_ADMIN_ADDR")
}

func TestTraces(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	s := serve(t, d.URL, "--traces", "console")
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'a', 'a')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert a$`)
	s.stop().require(t, exitOK, `"Name":"after audit"`, `"Name":"insert auth.tenants"`, `"Name":"ingest"`, `"Value":"latchkey"`)
	latchkey(t, "serve", "--traces", "otlp", "--database-url", d.URL).require(t, exitError, `"otlp"`, "OTEL_TRACES_EXPORTER", "console")
}

// A line of the log says which trace it belongs to, if it belongs to one.
func TestTracedLog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(tracedLog{slog.NewTextHandler(&out, nil)}).With("group", "default").WithGroup("g")
	ctx, span := sdk.NewTracerProvider().Tracer("test").Start(t.Context(), "span")
	log.InfoContext(ctx, "within")
	log.InfoContext(t.Context(), "without")
	lines := strings.Split(out.String(), "\n")
	if its := span.SpanContext(); !strings.Contains(lines[0], "trace_id="+its.TraceID().String()) || !strings.Contains(lines[0], "span_id="+its.SpanID().String()) {
		t.Errorf("within a trace: %s", lines[0])
	}
	if strings.Contains(lines[1], "trace_id") || !strings.Contains(lines[1], "group=default") {
		t.Errorf("without one: %s", lines[1])
	}
}
