package listener

// Load is what a process has in hand at the moment. It is read from memory, so it costs no query.
type Load struct {
	Epoch    int64 // of the group, while this process owns it; 0: it stands by
	Backlog  int64 // events that are stored and not yet given to the lanes
	InFlight int   // deliveries that the lanes have, and that are not settled
	Running  int   // hooks that run
	Requests int   // of webhooks that are under way
}

// Load says what this process has in hand.
func (l *Listener) Load() Load {
	t := l.term.Load()
	if t == nil {
		return Load{}
	}
	load := Load{Epoch: t.epoch, Requests: int(t.requests.Load())}
	s := t.settler
	s.mu.Lock()
	load.InFlight = s.inFlight
	reached := s.reached
	s.mu.Unlock()
	load.Backlog = max(0, l.LastSeq()-reached)
	for _, lane := range t.allLanes() {
		lane.mu.Lock()
		if lane.current != nil {
			load.Running++
		}
		lane.mu.Unlock()
	}
	return load
}
