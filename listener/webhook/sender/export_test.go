package sender

import "time"

// SetClock is for the pauses of endpoints that are down. Set it before anything is asked.
func (s *Sender) SetClock(now func() time.Time) { s.asked.Now = now }
