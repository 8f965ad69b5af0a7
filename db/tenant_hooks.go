package db

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// TenantHook is a hook that a tenant keeps as data: a webhook (URL), a form (FormID) or a page (PageID). StartLSN is where
// it begins: what committed before isn't for it. The database says so, at creation and when a hook is switched on again.
type TenantHook = dbsqlc.AuthHook

// CreateTenantHook is what a new hook is made of; HookID may be left empty. It is enabled unless said, OnError is "deny",
// and exactly one of URL, FormID and PageID must be there. The name is trimmed. Whether TriggerID is one that there is, and
// whether the URL may be called, is not looked at here.
type CreateTenantHook struct {
	HookID             string          `json:"hook_id"`
	Name               string          `json:"name"`
	TriggerID          string          `json:"trigger_id"`
	URL                *string         `json:"url"`
	FormID             *string         `json:"form_id"`
	PageID             *string         `json:"page_id"`
	PermissionRequired *string         `json:"permission_required"`
	Enabled            Optional[bool]  `json:"enabled"`
	Priority           int32           `json:"priority"` // higher ones are asked first
	WhenChanged        []string        `json:"when_changed"`
	OnError            string          `json:"on_error"`   // deny or allow
	TimeoutMS          *int32          `json:"timeout_ms"` // 1000 to 30000
	RateLimit          *float64        `json:"rate_limit"` // requests a second
	Metadata           json.RawMessage `json:"metadata"`
}

// UpdateTenantHook changes the fields that are present. WhenChanged and Metadata are replaced as a whole.
type UpdateTenantHook struct {
	Name               Optional[string]          `json:"name"`
	TriggerID          Optional[string]          `json:"trigger_id"`
	URL                Optional[string]          `json:"url"`
	FormID             Optional[string]          `json:"form_id"`
	PageID             Optional[string]          `json:"page_id"`
	PermissionRequired Optional[string]          `json:"permission_required"`
	Enabled            Optional[bool]            `json:"enabled"`
	Priority           Optional[int32]           `json:"priority"`
	WhenChanged        Optional[[]string]        `json:"when_changed"`
	OnError            Optional[string]          `json:"on_error"`
	TimeoutMS          Optional[int32]           `json:"timeout_ms"`
	RateLimit          Optional[float64]         `json:"rate_limit"`
	Status             Optional[string]          `json:"status"` // active, paused or disabled
	StatusReason       Optional[string]          `json:"status_reason"`
	Metadata           Optional[json.RawMessage] `json:"metadata"`
}

// TenantHooks is the repository of hooks that are data. No hook ever runs for them, and they are not published: a bad one
// can always be taken away. Lists are in the order in which hooks are asked: priority descending, then the oldest first.
type TenantHooks = Repository[TenantHook, string, CreateTenantHook, UpdateTenantHook]

const tenantHook = "hook"

func newTenantHooks(s *session) *TenantHooks {
	return &TenantHooks{s: s, e: &entity[TenantHook, string, CreateTenantHook, UpdateTenantHook]{
		name: tenantHook,
		list: listing{
			table: "auth.hooks", tenant: "tenant_id", fallback: "priority desc, created_at, hook_id",
			filter: []string{
				"hook_id", "name", "trigger_id", "url", "form_id", "page_id", "permission_required", "enabled", "priority", "on_error", "status",
			},
			sort: []string{"hook_id", "name", "trigger_id", "url", "enabled", "priority", "status", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateTenantHook) TenantHook {
			h := TenantHook{
				TenantID: tenantID, HookID: in.HookID, Name: in.Name, TriggerID: in.TriggerID, URL: in.URL, FormID: in.FormID,
				PageID: in.PageID, PermissionRequired: in.PermissionRequired, Enabled: true, Priority: in.Priority,
				WhenChanged: in.WhenChanged, OnError: in.OnError, TimeoutMS: in.TimeoutMS, RateLimit: in.RateLimit, Status: "active",
				Metadata: in.Metadata, CreatedAt: now, UpdatedAt: now,
			}
			if h.HookID == "" {
				h.HookID = newIDOf("hook_", 21)
			}
			in.Enabled.apply(&h.Enabled)
			return h
		},
		update: func(h *TenantHook, now time.Time, in UpdateTenantHook) {
			in.Name.apply(&h.Name)
			in.TriggerID.apply(&h.TriggerID)
			in.URL.applyNull(&h.URL)
			in.FormID.applyNull(&h.FormID)
			in.PageID.applyNull(&h.PageID)
			in.PermissionRequired.applyNull(&h.PermissionRequired)
			in.Enabled.apply(&h.Enabled)
			in.Priority.apply(&h.Priority)
			in.WhenChanged.apply(&h.WhenChanged)
			in.OnError.apply(&h.OnError)
			in.TimeoutMS.applyNull(&h.TimeoutMS)
			in.RateLimit.applyNull(&h.RateLimit)
			in.Status.apply(&h.Status)
			in.StatusReason.apply(&h.StatusReason)
			in.Metadata.apply(&h.Metadata)
			h.UpdatedAt = now
		},
		normalize: normalizeTenantHook,
		get:       (*queries).GetTenantHook,
		lock:      (*queries).LockTenantHook,
		insert: func(q *queries, ctx context.Context, h TenantHook) (TenantHook, error) {
			return q.InsertTenantHook(ctx, dbsqlc.InsertTenantHookParams(writableTenantHook(h)))
		},
		change: func(q *queries, ctx context.Context, h TenantHook) (TenantHook, error) {
			return q.UpdateTenantHook(ctx, writableTenantHook(h))
		},
		remove: (*queries).DeleteTenantHook,
	}}
}

// writableTenantHook is the columns that we write: all but start_lsn.
func writableTenantHook(h TenantHook) dbsqlc.UpdateTenantHookParams {
	return dbsqlc.UpdateTenantHookParams{
		TenantID: h.TenantID, HookID: h.HookID, Name: h.Name, TriggerID: h.TriggerID, URL: h.URL, FormID: h.FormID, PageID: h.PageID,
		PermissionRequired: h.PermissionRequired, Enabled: h.Enabled, Priority: h.Priority, WhenChanged: h.WhenChanged, OnError: h.OnError,
		TimeoutMS: h.TimeoutMS, RateLimit: h.RateLimit, Status: h.Status, StatusReason: h.StatusReason, Metadata: h.Metadata,
		CreatedAt: h.CreatedAt, UpdatedAt: h.UpdatedAt,
	}
}

// normalizeTenantHook says what the table's constraints say, before the database is asked, in words that help.
func normalizeTenantHook(h *TenantHook) error {
	h.Name = strings.TrimSpace(h.Name)
	notNull(&h.WhenChanged)
	if h.OnError == "" {
		h.OnError = "deny"
	}
	if h.Status == "" {
		h.Status = "active"
	}
	kinds := 0
	for _, kind := range []*string{h.URL, h.FormID, h.PageID} {
		if kind != nil {
			kinds++
		}
	}
	timeout, rate := h.TimeoutMS, h.RateLimit
	return every(
		rule(tenantHook, "hook_id", regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(h.HookID), "must be 1 to 64 letters, digits, - or _"),
		required(tenantHook, "trigger_id", h.TriggerID),
		rule(tenantHook, "", kinds == 1, "must have exactly one of url, form_id and page_id"),
		rule(tenantHook, "on_error", h.OnError == "deny" || h.OnError == "allow", "must be deny or allow"),
		rule(tenantHook, "timeout_ms", timeout == nil || *timeout >= 1000 && *timeout <= 30_000, "must be from 1000 to 30000"),
		rule(tenantHook, "rate_limit", rate == nil || *rate > 0, "must be more than 0"),
		rule(tenantHook, "status", h.Status == "active" || h.Status == "paused" || h.Status == "disabled", "must be active, paused or disabled"),
		object(tenantHook, "metadata", &h.Metadata),
	)
}
