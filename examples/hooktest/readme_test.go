package hooktest_test

import (
	"os"
	"strings"
	"testing"
)

// The README shows the test as it is.
func TestREADME(t *testing.T) {
	source, err := os.ReadFile("audit_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const from = "\nfunc TestAudit("
	_, body, found := strings.Cut(string(source), from)
	if !found || !strings.Contains(string(readme), from+body) {
		t.Fatal("README.md does not show TestAudit as it is: copy it over")
	}
}
