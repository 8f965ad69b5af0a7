package mail

import (
	"context"
	"time"
)

// Mail is one to be sent. Its addresses are checked, and nothing in its names begins another line.
type Mail struct {
	ID       string // of the Message-ID, without angle brackets
	From     string
	FromName string
	To       string
	Subject  string
	Text     string
	HTML     string
	Link     string // what it asks to open; empty for a code
	At       time.Time
}

// Sender sends a mail. An error has it sent again later, so there must be none once it was taken.
type Sender interface {
	Send(ctx context.Context, m *Mail) error
}
