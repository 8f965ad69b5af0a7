package api_test

import (
	"regexp"
	"strings"
	"testing"
)

// The page loads nothing, runs nothing, and has every operation.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	page := r.get("/docs")
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'unsafe-inline'") {
		t.Errorf("the policy is %q", csp)
	}
	if found := regexp.MustCompile(`(?i)<script|<img|<link|@import|url\(|src=|https?://|\son\w+=`).FindString(page.text); found != "" {
		t.Errorf("the page has %q", found)
	}
	for _, item := range r.doc.Paths {
		for _, op := range item {
			if !strings.Contains(page.text, `id="`+op.OperationID+`"`) {
				t.Errorf("the page doesn't tell of %s", op.OperationID)
			}
		}
	}
}
