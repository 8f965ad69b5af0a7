package nearest_test

import (
	"testing"

	"github.com/latchkey-dev/latchkey/internal/nearest"
)

func TestHint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		given string
		names []string
		want  string
	}{
		{"audti", []string{"notify", "audit"}, `: did you mean "audit"?`},
		{"AUDIT", []string{"notify", "audit"}, `: did you mean "audit"?`},
		{"after_logn", []string{"after_login", "after_logout"}, `: did you mean "after_login"?`},
		{"zzz", []string{"notify", "audit"}, ": there are notify, audit"},
		{"zzz", nil, ""},
		{"zzz", make([]string, 13), ""},
		{"a", []string{"audit"}, ": there are audit"},
	} {
		if got := nearest.Hint(test.given, test.names); got != test.want {
			t.Errorf("Hint(%q, %v) = %q, want %q", test.given, test.names, got, test.want)
		}
	}
}
