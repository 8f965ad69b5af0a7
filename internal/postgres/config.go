package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Config says what to start. Only Dir is required.
type Config struct {
	// Dir is where everything lies that is to survive a run; it is made if missing. One Dir is one server.
	Dir string
	// Port of 127.0.0.1 to listen on. Zero takes the port of the last run if that is free, else any free one.
	Port int
	// Database is created if missing, and is the one that Server.URL names. Empty means "postgres".
	Database string
	// Settings are further server settings, such as {"log_statement": "all"}; they win over the defaults. A server
	// that is adopted keeps the settings that it was started with.
	Settings map[string]string
	// NoSync trades the data's safety in a power cut for speed: for throwaway servers only.
	NoSync bool
	// Log hears what takes long or surprises: a download, a recovery, another directory. Nil is silent.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("postgres: Config.Dir is empty: name a directory for the data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("postgres: Config.Dir: %w", err)
	}
	c.Dir = dir
	if c.Port < 0 || c.Port > 65535 {
		return c, fmt.Errorf("postgres: Config.Port is %d: choose 1 to 65535, or 0 for any free one", c.Port)
	}
	if c.Database == "" {
		c.Database = "postgres"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
	for key := range c.Settings {
		switch {
		case !name.MatchString(key):
			return c, fmt.Errorf("postgres: Config.Settings: %q is no name of a setting", key)
		case strings.EqualFold(key, "port"), strings.EqualFold(key, "listen_addresses"):
			return c, fmt.Errorf("postgres: Config.Settings: %s is not yours to set: use Config.Port", key)
		}
	}
	return c, nil
}

// settings are the defaults with Config.Settings on top. What decodes the WAL needs wal_level and the slots; the many
// slots and connections let a test kit keep dozens of databases on one server.
func (c Config) settings() map[string]string {
	all := map[string]string{
		"wal_level":             "logical",
		"max_replication_slots": "50",
		"max_wal_senders":       "50",
		"max_connections":       "200",
		"lc_messages":           "C", // start reads the log to tell one failure from another
		// No unix socket: its path would be too long in many a directory, and no other user gets to connect.
		"unix_socket_directories": "",
	}
	if c.NoSync {
		// synchronous_commit stays on: off would delay the WAL, and with it all that follows it, for up to 600 ms.
		all["fsync"] = "off"
		all["full_page_writes"] = "off"
	}
	for key, value := range c.Settings {
		all[strings.ToLower(key)] = value
	}
	return all
}

// settingsFile is the text of latchkey.conf. A file and not the command line, because what stands on the command
// line can't be changed by ALTER SYSTEM and a reload.
func settingsFile(settings map[string]string) string {
	quote := strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", `\n`, "\r", `\r`)
	var b strings.Builder
	b.WriteString("# Written by latchkey at every start: changes here are lost, use ALTER SYSTEM.\n")
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", key, quote.Replace(settings[key]))
	}
	return b.String()
}
