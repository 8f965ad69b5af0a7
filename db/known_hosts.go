package db

import (
	"sync"
	"time"
)

const (
	hostsKeptFor = 10 * time.Second
	mostHosts    = 1000
)

// knownHosts remembers for a while which tenant a host is of, and which are nobody's.
type knownHosts struct {
	mu    sync.Mutex
	hosts map[string]knownHost
}

type knownHost struct {
	tenantID string // empty: nobody's
	until    time.Time
}

func newKnownHosts() *knownHosts { return &knownHosts{hosts: map[string]knownHost{}} }

func (k *knownHosts) find(host string) (tenantID string, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, found := k.hosts[host]
	return h.tenantID, found && time.Now().Before(h.until)
}

func (k *knownHosts) note(host, tenantID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.hosts) >= mostHosts { // whoever asks makes the names up
		clear(k.hosts)
	}
	k.hosts[host] = knownHost{tenantID, time.Now().Add(hostsKeptFor)}
}

func (k *knownHosts) forget(host string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.hosts, host)
}
