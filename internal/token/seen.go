package token

import (
	"crypto/sha256"
	"sync"
)

// seenMost is how many tokens are remembered; a token and what is kept of it take about a kilobyte.
const seenMost = 4096

// seen remembers tokens whose signature was checked, by their hash: a client sends the same one with each request, and an RSA
// signature takes some 30 µs. The zero value is ready.
type seen struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified
}

// verified is what a token says, and whose signature it has.
type verified struct {
	payload
	key string // its kid
}

func (s *seen) find(raw string) (verified, bool) {
	sum := sha256.Sum256([]byte(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.tokens[sum]
	return v, ok
}

func (s *seen) note(raw string, v verified) {
	sum := sha256.Sum256([]byte(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil || len(s.tokens) >= seenMost { // to begin anew is as good as to choose who goes
		s.tokens = map[[sha256.Size]byte]verified{}
	}
	s.tokens[sum] = v
}
