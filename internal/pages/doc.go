// Package pages is what a person sees of a login: plain pages, rendered on the server, without a script. Each page is a file here and a
// template of its own in templates/, inside of layout.html.
//
//	login.go       /u/login               identifier and password
//	signup.go      /u/signup              an e-mail address, then a password
//	code.go        /u/login/code          a code by e-mail: ask for it, give it
//	forgot.go      /u/forgot              ask for a mail to reset the password
//	reset.go       /u/reset-verify        the link of that mail
//	verify.go      /u/email-verification  the link of the mail that verifies an address
//	message.go     /u/error, /u/logged-out
//
// The pages of a login are bound to its state and to the cookie of the browser that began it (internal/inbound). What happens is
// internal/flows' business; what a finished step leads to is the [Answerer]'s.
//
// A form that can't go on is answered by a redirect to the page that it came from, so that neither "back" nor "reload" sends it again. What
// the page is to say then, and what was typed but for secrets, travels in its address, sealed (note.go): nobody else can make a
// page say anything.
package pages
