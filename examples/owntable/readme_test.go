package owntable_test

import (
	"os"
	"strings"
	"testing"
)

// The README shows the hook and its test as they are.
func TestREADME(t *testing.T) {
	source, err := os.ReadFile("owntable_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "type Invoice struct", "\n\n\tenv.RequireRuns(\"paid\", 1)\n"
	_, body, found := strings.Cut(string(source), from)
	body, _, ends := strings.Cut(body, to)
	if !found || !ends || !strings.Contains(string(readme), from+body) {
		t.Fatal("README.md does not show the example as it is: copy it over")
	}
}
