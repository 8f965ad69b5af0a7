package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The image is of the major version that the npm package has, so that both ways give the same server.
const (
	dockerImage = "postgres:17"
	dockerMajor = 17
)

// findDocker asks whether there is a daemon, not just the command.
func findDocker(ctx context.Context) (image string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := exec.LookPath("docker"); err != nil {
		return "", errors.New("it is not in PATH")
	}
	if _, err := docker(ctx, nil, "info", "--format", "{{.ServerVersion}}"); err != nil {
		return "", err
	}
	return dockerImage, nil
}

func docker(ctx context.Context, environment []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), environment...)
	text, err := output(cmd)
	if err != nil {
		return "", fmt.Errorf("docker %s: %w", args[0], err)
	}
	return text, nil
}

// container runs the server where Docker is all that there is. The data lies in a named volume: on a Mac a directory
// shared with the daemon's machine is slow, and owned by the wrong user.
type container string // container and volume have this name

// stop removes the container too; the volume stays.
func (c container) stop(ctx context.Context) error {
	// The image's stop signal is SIGINT, a fast shutdown; Docker kills what has not ended after the limit.
	seconds := strconv.Itoa(int(fastLimit / time.Second))
	_, stopErr := docker(ctx, nil, "stop", "-t", seconds, string(c))
	if err := c.remove(ctx); err != nil {
		return fmt.Errorf("postgres: %w", errors.Join(stopErr, err))
	}
	return nil
}

func (c container) discard(ctx context.Context) error {
	if err := c.remove(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if _, err := docker(ctx, nil, "volume", "rm", "--force", string(c)); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// remove kills the container if it still runs; one that is not there is fine.
func (c container) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	_, err := docker(ctx, nil, "rm", "--force", string(c))
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such container") {
		return nil
	}
	return err
}

// running is the port of a container that runs, or 0.
func (c container) running(ctx context.Context) int {
	const format = `{{if .State.Running}}{{(index (index .NetworkSettings.Ports "5432/tcp") 0).HostPort}}{{end}}`
	text, err := docker(ctx, nil, "container", "inspect", "--format", format, string(c))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

func (c container) hasVolume(ctx context.Context) bool {
	_, err := docker(ctx, nil, "volume", "inspect", string(c))
	return err == nil
}

func (s *starter) startContainer(ctx context.Context, image string) (*Server, error) {
	if _, err := findDocker(ctx); err != nil {
		return nil, fmt.Errorf("postgres: the data of %s lies in a Docker volume: start Docker, "+
			"or remove %s to begin anew: %w", s.layout, s.layout.state(), err)
	}
	c := container("latchkey-" + s.layout.id())
	port := c.running(ctx)
	adopted := port != 0
	fresh := !c.hasVolume(ctx)
	switch {
	case adopted && s.config.Port != 0 && s.config.Port != port:
		return nil, fmt.Errorf("postgres: container %s runs already, on port %d: end it (docker stop %s) to have it on "+
			"port %d, or leave Config.Port at 0", c, port, c, s.config.Port)
	case !adopted:
		var err error
		if port, err = choosePort(ctx, s.config.Port, s.state.Port); err != nil {
			return nil, err
		}
		// Noted first: from here on there may be data in the volume.
		if err := s.layout.save(state{Port: port, Image: image}); err != nil {
			return nil, err
		}
		s.config.Log.InfoContext(ctx, "postgres: starting a container", "image", image, "container", string(c))
		if err := s.runContainer(ctx, c, image, port); err != nil {
			return nil, err
		}
	}
	at := address{port: port, password: s.password}
	version, err := s.awaitContainer(ctx, c, at)
	switch {
	case err == nil:
	case fresh: // a cluster half made would pass for a whole one at the next start
		return nil, errors.Join(err, c.discard(context.WithoutCancel(ctx)))
	case !adopted:
		return nil, errors.Join(err, c.remove(ctx))
	default:
		return nil, err
	}
	return s.server(at, version, Installation{Image: image}.String(), c, adopted), nil
}

func (s *starter) runContainer(ctx context.Context, c container, image string, port int) error {
	if err := c.remove(ctx); err != nil { // what a reboot has left
		return fmt.Errorf("postgres: %w", err)
	}
	initdb := "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
	if s.config.NoSync {
		initdb += " --no-sync"
	}
	args := []string{
		"run", "--detach", "--name", string(c),
		"--publish", fmt.Sprintf("%s:%d:5432", host, port),
		"--volume", string(c) + ":/var/lib/postgresql/data",
		"--shm-size", "256m",
		"--env", "POSTGRES_PASSWORD", // the value comes by the environment: arguments can be read by everybody
		"--env", "POSTGRES_INITDB_ARGS=" + initdb,
		image, "postgres",
	}
	for name, value := range s.config.settings() {
		args = append(args, "-c", name+"="+value)
	}
	if _, err := docker(ctx, []string{"POSTGRES_PASSWORD=" + s.password}, args...); err != nil {
		return fmt.Errorf("postgres: %w", errors.Join(err, c.remove(ctx)))
	}
	return nil
}

func (s *starter) awaitContainer(ctx context.Context, c container, at address) (version string, err error) {
	looked := time.Now()
	err = s.poll(ctx, "the container to be ready", func() (bool, error) {
		var err error
		version, err = at.ping(ctx)
		switch {
		case errors.Is(err, errForeign):
			return false, fmt.Errorf("postgres: container %s doesn't take the password in %s: put the right one there, "+
				"or remove the volume (docker volume rm %s) to begin anew: %w", c, s.layout.password(), c, err)
		case err == nil:
			return true, nil
		case time.Since(looked) < time.Second || ctx.Err() != nil:
			return false, nil
		}
		looked = time.Now()
		if c.running(ctx) != 0 {
			return false, nil
		}
		cmd := exec.CommandContext(ctx, "docker", "logs", "--tail", "20", string(c))
		logged, err := cmd.CombinedOutput()
		return false, fmt.Errorf("postgres: %w", errors.Join(err,
			&exitError{log: "container " + string(c), tail: strings.TrimSpace(string(logged))}))
	})
	return version, err
}
