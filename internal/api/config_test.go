package api_test

import "github.com/latchkey-dev/latchkey/internal/api"

func (r *rig) config() api.Config {
	return api.Config{Store: r.store, Conn: r.pool, Tokens: tokens{}}
}
