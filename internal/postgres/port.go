package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// choosePort takes the wanted port or says that it is taken; without a wish the last one if it is free, so that a
// connection string in someone's notes stays true, else any.
func choosePort(ctx context.Context, wanted, last int) (int, error) {
	if wanted != 0 {
		port, err := freePort(ctx, wanted)
		if err != nil {
			return 0, fmt.Errorf("postgres: port %d of %s is taken: set another Config.Port, or 0 for any free one: %w",
				wanted, host, err)
		}
		return port, nil
	}
	if last != 0 {
		if port, err := freePort(ctx, last); err == nil {
			return port, nil
		}
	}
	port, err := freePort(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("postgres: no free port: %w", err)
	}
	return port, nil
}

// freePort can be wrong a moment later: who starts a server on it has to be ready for that.
func freePort(ctx context.Context, port int) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok {
		port = addr.Port
	}
	return port, listener.Close()
}
