package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"
	tcpostgres "github.com/testcontainers/testcontainers-go/modules/postgres"
)

// containerLimit bounds a start with a pull of the image. A registry that is out of reach may not answer at all.
const containerLimit = 3 * time.Minute

func containerImage() string {
	if image := os.Getenv("LATCHKEY_TEST_IMAGE"); image != "" {
		return image
	}
	return "postgres:17-alpine"
}

func containerWay() way {
	image := containerImage()
	return way{name: "container of " + image, start: func(ctx context.Context, dog *watchdog) (*host, error) {
		return startContainer(ctx, dog, image)
	}}
}

func startContainer(ctx context.Context, dog *watchdog, image string) (h *host, err error) {
	// testcontainers panics in some of the cases in which there is no Docker.
	defer func() {
		if cause := recover(); cause != nil {
			h, err = nil, fmt.Errorf("testcontainers: no Docker: %v", cause)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, containerLimit, fmt.Errorf("not ready after %s", containerLimit))
	defer cancel()

	// testcontainers' reaper removes a killed process' container, where it isn't disabled; the watchdog always tries. It
	// knows the name before there is a container, so none is left if we are killed during the start.
	name := "latchkey-test-" + strings.ToLower(rand.Text()[:12])
	if err := dog.guard("container", name); err != nil {
		return nil, err
	}
	arguments := []string{"-c", "fsync=off", "-c", "full_page_writes=off"}
	settings := serverSettings()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", key+"="+settings[key])
	}
	container, err := tcpostgres.Run(
		ctx, image,
		testcontainers.WithName(name),
		// In memory, where copying a database is ten times as fast as on a container's disk. Not where images have their
		// volume, as they differ in that.
		testcontainers.WithTmpfs(map[string]string{"/pgtest": "rw"}),
		testcontainers.WithEnv(map[string]string{"PGDATA": "/pgtest/data"}),
		testcontainers.WithCmd(append([]string{"postgres"}, arguments...)...),
		tcpostgres.BasicWaitStrategies(),
	)
	url := ""
	if err == nil {
		url, err = container.ConnectionString(ctx, "sslmode=disable")
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, errors.Join(err, testcontainers.TerminateContainer(container))
	}
	return &host{
		url:      url,
		source:   "a container of " + image,
		unsynced: true,
		end: func(ctx context.Context) error {
			return testcontainers.TerminateContainer(container, testcontainers.StopContext(ctx))
		},
	}, nil
}
