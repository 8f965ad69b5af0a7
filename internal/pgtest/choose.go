package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// startLimit bounds the start of a server, in which an image may be pulled.
const startLimit = 4 * time.Minute

// Preference is what LATCHKEY_TEST_POSTGRES=auto means; where the variable says something else, that holds.
type Preference int

const (
	// PreferLocal takes the installed Postgres, and a container where there is none: it starts faster.
	PreferLocal Preference = iota
	// PreferContainer takes a container, and the installed Postgres where Docker or the image is out of reach: it is
	// the same version on every machine.
	PreferContainer
)

// AdminURL is the connection string of the server on which New makes the databases. Other tests share it.
func (p Preference) AdminURL(tb testing.TB) string {
	tb.Helper()
	return p.host(tb).url
}

// AdminURL is PreferLocal.AdminURL.
func AdminURL(tb testing.TB) string {
	tb.Helper()
	return PreferLocal.AdminURL(tb)
}

// way is one of those to come by a server.
type way struct {
	name  string
	start func(ctx context.Context, dog *watchdog) (*host, error)
}

func (p Preference) ways(setting string) ([]way, error) {
	switch setting {
	case "", "auto":
		if p == PreferContainer {
			return []way{containerWay(), localWay()}, nil
		}
		return []way{localWay(), containerWay()}, nil
	case "local":
		return []way{localWay()}, nil
	case "container":
		return []way{containerWay()}, nil
	}
	if u, err := url.Parse(setting); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return []way{externalWay(setting)}, nil
	}
	shown, _, isURL := strings.Cut(setting, "://")
	if isURL {
		shown += "://..." // the rest may hold a password
	}
	return nil, fmt.Errorf("pgtest: LATCHKEY_TEST_POSTGRES is %q: set it to auto, local, container or a URL "+
		"(postgres://user:password@host/database), or unset it", shown)
}

// host is the server of this process, started if it isn't yet.
func (p Preference) host(tb testing.TB) *host {
	tb.Helper()
	ways, err := p.ways(os.Getenv("LATCHKEY_TEST_POSTGRES"))
	if err != nil {
		tb.Fatal(err)
	}
	// Not the test's context: others use the server too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), startLimit)
	defer cancel()
	var tried []string
	for _, way := range ways {
		h, err := process.get(ctx, way)
		if err == nil {
			if len(tried) > 0 {
				tb.Logf("pgtest: the server is %s, because there was none by %s", h.source, strings.Join(tried, "; "))
			}
			return h
		}
		tried = append(tried, fmt.Sprintf("%s: %v", way.name, err))
	}
	tb.Fatal(noServer(tried))
	return nil
}

func noServer(tried []string) string {
	return "pgtest: no Postgres to test with. Any one of these helps:\n" +
		"  - install Postgres 15 or newer (Debian: apt install postgresql; macOS: brew install postgresql@17)\n" +
		"  - start Docker; the image is " + containerImage() + " unless LATCHKEY_TEST_IMAGE names another\n" +
		"  - LATCHKEY_TEST_POSTGRES=postgres://user:password@host/database, a server that runs with wal_level=logical\n" +
		"  - LATCHKEY_TEST_POSTGRES=auto, where it forbids one of the first two\n" +
		"Tried:\n  - " + strings.Join(tried, "\n  - ")
}
