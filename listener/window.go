package listener

import "context"

// How much is under way: dispatched, and its outcome not recorded. It bounds memory, for hooks in Go together and for each webhook
// by itself (see webhook_queue.go).

// windowDeliveries and windowBytes bound what is dispatched and not yet settled, and so the memory that it takes. What
// does not fit is read from the log later.
const (
	windowDeliveries = 8192
	windowBytes      = 6 << 20
)

// expect notes a delivery before it is handed to a lane; deliveries of a subscription come in the order of seq. The
// caller holds mu.
func (s *settler) expect(sub *subscription, seq int64, size int) {
	sub.pending = append(sub.pending, pending{seq: seq})
	sub.inFlight++
	if sub.webhook != nil {
		s.webhooks++
		return
	}
	s.inFlight++
	s.bytes += size
}

// serving notes that a subscription begins to be served beside the dispatcher, and served that this has ended: as long as
// it lasts, the subscription isn't drained.
func (s *settler) serving(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.inFlight++
}

func (s *settler) served(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.inFlight--
}

// waitRoom waits until less than so many deliveries are under way, and their events fit into memory.
func (s *settler) waitRoom(ctx context.Context, deliveries int) error {
	for {
		s.mu.Lock()
		ok := s.inFlight < deliveries && s.bytes < windowBytes*deliveries/windowDeliveries
		s.mu.Unlock()
		if ok {
			signal(s.room) // others may wait too
			return nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release makes room for as many deliveries as were written. The caller holds mu.
func (s *settler) release(written []outcome) {
	for _, o := range written {
		switch {
		case o.kind == retried:
		case o.sub.webhook != nil:
			s.webhooks--
			o.sub.inFlight--
		default:
			s.inFlight--
			o.sub.inFlight--
			s.bytes -= o.size
		}
		if o.sub.webhook != nil {
			signal(o.sub.webhook.room)
		}
	}
}

// drained reports whether nothing of a subscription is under way.
func (s *settler) drained(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.inFlight == 0
}

// hasRoom reports whether a webhook's queue takes more. The caller holds the settler's mu.
func (s *settler) hasRoom(sub *subscription, most int) bool {
	return sub.inFlight < most && (s.webhooks < queuesMost || sub.inFlight < queueLeast)
}
