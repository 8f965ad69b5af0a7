package pgtest

import (
	"runtime"
	"strings"
	"testing"
)

func TestWays(t *testing.T) {
	t.Parallel()
	names := func(p Preference, setting string) string {
		ways, err := p.ways(setting)
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, way := range ways {
			name, _, _ := strings.Cut(way.name, " ")
			all = append(all, name)
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		setting string
		prefer  Preference
		want    string
	}{
		{"", PreferLocal, "local container"},
		{"auto", PreferContainer, "container local"},
		{"local", PreferContainer, "local"},
		{"container", PreferLocal, "container"},
		{"postgres://h/d", PreferLocal, "the"},
		{"postgresql://h/d", PreferContainer, "the"},
	} {
		if got := names(test.prefer, test.setting); got != test.want {
			t.Errorf("%q: %s; want %s", test.setting, got, test.want)
		}
	}
	got := names(PreferLocal, "mysql://me:secret@h/d")
	if !strings.Contains(got, `LATCHKEY_TEST_POSTGRES is "mysql://..."`) || !strings.Contains(got, "auto, local, container") {
		t.Errorf("%s: does not say what is wrong or right", got)
	}
	if strings.Contains(got, "secret") {
		t.Errorf("%s: tells the password", got)
	}
}

// The end of a test is its runtime.Goexit, so it gets a goroutine of its own.
type fatalTB struct {
	testing.TB
	message string
}

func (f *fatalTB) Helper() {}

func (f *fatalTB) Fatal(args ...any) {
	f.message, _ = args[0].(string)
	runtime.Goexit()
}

func TestNoServer(t *testing.T) {
	t.Setenv("LATCHKEY_TEST_POSTGRES", "container")
	t.Setenv("LATCHKEY_TEST_IMAGE", "latchkey.invalid/none:none")
	tb := &fatalTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(tb)
	}()
	<-done
	for _, want := range []string{"install Postgres", "start Docker", "LATCHKEY_TEST_POSTGRES=postgres://", "Tried:\n  - container of latchkey.invalid"} {
		if !strings.Contains(tb.message, want) {
			t.Errorf("%s\ndoes not say %q", tb.message, want)
		}
	}
}

func TestFallback(t *testing.T) {
	t.Setenv("LATCHKEY_TEST_POSTGRES", "auto")
	t.Setenv("LATCHKEY_TEST_IMAGE", "latchkey.invalid/none:none")
	PreferContainer.New(t).Exec(t, `select`)
}
