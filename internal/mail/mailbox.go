package mail

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/go-chi/chi/v5"
)

// kept is how many mails a Mailbox keeps.
const kept = 100

// Mailbox keeps the last mails in memory and shows them in the browser, to someone who tries things out on this machine. They are links
// that log people in: a server for others must have none.
type Mailbox struct {
	mu    sync.Mutex
	mails []numbered // the newest last
	next  int
	views *template.Template
}

type numbered struct {
	Number int
	*Mail
}

//go:embed mailbox
var mailboxViews embed.FS

// NewMailbox makes an empty one.
func NewMailbox() (*Mailbox, error) {
	views, err := template.ParseFS(mailboxViews, "mailbox/*.html")
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return &Mailbox{views: views, next: 1}, nil
}

// Send implements [Sender].
func (b *Mailbox) Send(_ context.Context, m *Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, numbered{b.next, m})
	b.next++
	b.mails = b.mails[max(0, len(b.mails)-kept):]
	return nil
}

// Mails are those that it has, the newest first.
func (b *Mailbox) Mails() []Mail {
	var mails []Mail
	for _, m := range b.newestFirst() {
		mails = append(mails, *m.Mail)
	}
	return mails
}

func (b *Mailbox) newestFirst() []numbered {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.mails)
	slices.Reverse(all)
	return all
}

// Mount adds its pages, /dev/mail and /dev/mail/{number}; those of a nil Mailbox are none.
func (b *Mailbox) Mount(r chi.Router) {
	if b == nil {
		return
	}
	r.Get("/dev/mail", b.ServeHTTP)
	r.Get("/dev/mail/{number}", b.ServeHTTP)
}

// ServeHTTP lists the mails, and shows the one that the path value "number" names. It answers this machine's requests alone, made to a name
// of this machine: another site's page can't have a browser read it by a name of its own.
func (b *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isLoopback(withoutPort(r.RemoteAddr)) || !isLoopback(withoutPort(r.Host)) {
		http.NotFound(w, r)
		return
	}
	all := b.newestFirst()
	number := r.PathValue("number")
	if number == "" {
		b.show(w, "list.html", all)
		return
	}
	n, err := strconv.Atoi(number)
	i := slices.IndexFunc(all, func(m numbered) bool { return m.Number == n })
	if err != nil || i < 0 {
		http.NotFound(w, r)
		return
	}
	b.show(w, "one.html", all[i])
}

func (b *Mailbox) show(w http.ResponseWriter, view string, data interface{}) {
	var page bytes.Buffer
	if err := b.views.ExecuteTemplate(&page, view, data); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the pages' addresses say nothing, but links from them lead to others
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w) // the reader may be gone
}

func withoutPort(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
