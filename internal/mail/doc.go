// Package mail sends the mails of logins: those that verify an address, that reset a password, and that bring a code to log in with. They
// are hooks on auth's send_* events (register.go), so each is sent from the log, once for every committed event, and again until
// it is sent. What they say is in compose.go and templates/.
//
// They go to an SMTP server (smtp.go), or, while someone tries things out, into a mailbox in memory (mailbox.go) that shows them in the
// browser.
//
// SMTP knows no idempotency: a mail that the server took can go out again if its answer didn't reach us, or this process died before
// that was recorded. The Message-ID is made of the event, so the second carries the same as the first, by which mail servers and
// readers may know it.
package mail
