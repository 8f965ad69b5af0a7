package tenanthook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// formTriggers are those that forms and pages take.
func formTriggers() []string { return []string{webhook.PostUserLogin} }

// Invalid is what is wrong with a hook, each with the field's name.
type Invalid struct {
	Problems []string

	cause error
}

func (e *Invalid) Error() string { return strings.Join(e.Problems, "; ") }

// Unwrap is webhook.ErrRefused where a URL may not be called.
func (e *Invalid) Unwrap() error { return e.cause }

func invalid(problems ...string) error { return &Invalid{Problems: problems} }

// every makes one [Invalid] of all that was found.
func every(found ...error) error {
	var all Invalid
	for _, err := range found {
		var wrong *Invalid
		switch {
		case err == nil:
		case !errors.As(err, &wrong):
			return err
		default:
			all.Problems = append(all.Problems, wrong.Problems...)
			all.cause = errors.Join(all.cause, wrong.cause)
		}
	}
	if len(all.Problems) == 0 {
		return nil
	}
	return &all
}

// Check says what is wrong with a hook as it would be stored, all of it. tables are the hooked ones, of which there may be triggers.
// Errors: [Invalid].
func Check(h *db.TenantHook, tables []string) error {
	kind := Kind(h)
	var wrong []string
	switch {
	case kind == "":
		wrong = append(wrong, "url, form_id, page_id: exactly one of them has to be there")
	case kind == "webhook":
		if _, err := webhook.ParseTrigger(h.TriggerID, tables); err != nil {
			why := plain(err)
			if !strings.HasSuffix(why, "?") {
				why += "."
			}
			wrong = append(wrong, fmt.Sprintf("trigger_id: %s A webhook takes %s", why, strings.Join(webhook.TriggerIDs(tables), ", ")))
		}
	case !slices.Contains(formTriggers(), h.TriggerID):
		wrong = append(wrong, fmt.Sprintf("trigger_id: a %s takes %s, not %q", kind, strings.Join(formTriggers(), ", "), h.TriggerID))
	}
	for _, field := range []struct {
		name, kind string
		given      bool
	}{
		{"permission_required", "page", h.PermissionRequired != nil},
		{"when_changed", "webhook", len(h.WhenChanged) > 0},
		{"on_error", "webhook", h.OnError == "allow"},
		{"timeout_ms", "webhook", h.TimeoutMS != nil},
		{"rate_limit", "webhook", h.RateLimit != nil},
	} {
		if field.given && kind != "" && field.kind != kind {
			wrong = append(wrong, fmt.Sprintf("%s: a %s has none", field.name, kind))
		}
	}
	if h.TimeoutMS != nil {
		wrong = complain(wrong, "timeout_ms", webhook.CheckSyncTimeout(time.Duration(*h.TimeoutMS)*time.Millisecond))
	}
	if h.RateLimit != nil {
		_, err := webhook.NewLimit(*h.RateLimit)
		wrong = complain(wrong, "rate_limit", err)
	}
	return complaint(wrong)
}

// Kind is what a hook is: webhook, form or page; empty where it is none of them, or several.
func Kind(h *db.TenantHook) string {
	switch {
	case h.URL != nil && h.FormID == nil && h.PageID == nil:
		return "webhook"
	case h.FormID != nil && h.URL == nil && h.PageID == nil:
		return "form"
	case h.PageID != nil && h.URL == nil && h.FormID == nil:
		return "page"
	}
	return ""
}

// CheckURL says what is wrong with a webhook's URL. It asks who answers for a name, so it isn't called while a transaction is open.
// Errors: [Invalid].
func CheckURL(ctx context.Context, guard *webhook.Guard, url *string) error {
	if url == nil {
		return nil
	}
	err := guard.Check(ctx, *url)
	if err == nil {
		return nil
	}
	return &Invalid{Problems: complain(nil, "url", err), cause: err}
}

// Mask stands for what is shown to nobody.
const Mask = "***"

// CheckHeaders says what is wrong with the headers of a webhook. It refuses the mask too: who sends back what it was shown would
// lose the values. Errors: [Invalid].
func CheckHeaders(headers map[string]string) error {
	wrong := complain(nil, "headers", webhook.CheckHeaders(headers))
	for name, value := range headers {
		if value == Mask {
			wrong = append(wrong, fmt.Sprintf("headers.%s: %s is how values are shown: send the value itself", name, Mask))
		}
	}
	slices.Sort(wrong)
	return complaint(wrong)
}

func complain(wrong []string, field string, err error) []string {
	if err != nil {
		wrong = append(wrong, field+": "+plain(err))
	}
	return wrong
}

// plain is an error's text without the packages that it came through.
func plain(err error) string {
	text := err.Error()
	for _, layer := range []string{"webhook: ", "url: "} {
		text = strings.TrimPrefix(text, layer)
	}
	return text
}

func complaint(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return invalid(wrong...)
}
