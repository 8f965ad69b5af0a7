package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// formTriggers are those that forms and pages take.
func formTriggers() []string { return []string{webhook.PostUserLogin} }

// checkHook says what is wrong with a hook as it would be stored.
func (s *server) checkHook(h *db.TenantHook) error {
	kind, triggers := kindOf(h)
	switch {
	case kind == "":
		return badRequest("url, form_id, page_id: exactly one of them has to be there.")
	case kind == "webhook":
		if _, err := webhook.ParseTrigger(h.TriggerID, s.cfg.Tables); err != nil {
			return badRequest(fmt.Sprintf("trigger_id: %s A webhook takes %s.", sentence(plain(err)), strings.Join(webhook.TriggerIDs(s.cfg.Tables), ", ")))
		}
	case !slices.Contains(triggers, h.TriggerID):
		return badRequest(fmt.Sprintf("trigger_id: a %s takes %s, not %q.", kind, strings.Join(triggers, ", "), h.TriggerID))
	}
	var wrong []string
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
		if field.given && field.kind != kind {
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

// kindOf is what a hook is, and for a form or page the triggers that it takes.
func kindOf(h *db.TenantHook) (kind string, triggers []string) {
	switch {
	case h.URL != nil && h.FormID == nil && h.PageID == nil:
		return "webhook", nil
	case h.FormID != nil && h.URL == nil && h.PageID == nil:
		return "form", formTriggers()
	case h.PageID != nil && h.URL == nil && h.FormID == nil:
		return "page", formTriggers()
	}
	return "", nil
}

// checkURL asks who answers for a name, so it isn't called while a transaction is open.
func (s *server) checkURL(ctx context.Context, url *string) error {
	if url == nil {
		return nil
	}
	return complaint(complain(nil, "url", s.cfg.Guard.Check(ctx, *url)))
}

// checkHeaders refuses the mask too: who sends back what it was shown would lose the values.
func checkHeaders(headers map[string]string) error {
	wrong := complain(nil, "headers", webhook.CheckHeaders(headers))
	for name, value := range headers {
		if value == mask {
			wrong = append(wrong, fmt.Sprintf("headers.%s: %s is how values are shown: send the value itself", name, mask))
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
	return badRequest(strings.Join(wrong, "; ") + ".")
}
