// Command receiver takes webhooks, and prints those that it can verify: the example of docs/webhooks.md.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

func main() {
	secret := os.Getenv("WEBHOOK_SECRET")
	routes := http.NewServeMux()
	routes.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) { receive(w, r, secret) })
	routes.HandleFunc("POST /official", func(w http.ResponseWriter, r *http.Request) { receiveOfficially(w, r, secret) })
	server := http.Server{Addr: "127.0.0.1:9000", Handler: routes, ReadTimeout: 10 * time.Second}
	log.Print("listening on ", server.Addr)
	log.Fatal(server.ListenAndServe())
}

// receive verifies with Latchkey's own package.
func receive(w http.ResponseWriter, r *http.Request, text string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	secret, err := webhook.ParseSecret(text)
	if err == nil {
		err = webhook.Verify(r.Header, body, secret) // several secrets while one is being replaced
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	log.Printf("%s: %s", r.Header.Get("webhook-id"), body) // here: what has this id was done already? then only answer
	w.WriteHeader(http.StatusNoContent)
}

// receiveOfficially does with the library of Standard Webhooks.
func receiveOfficially(w http.ResponseWriter, r *http.Request, text string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	official, err := standardwebhooks.NewWebhook(text)
	if err == nil {
		err = official.Verify(body, r.Header)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	log.Printf("%s: %s", r.Header.Get("webhook-id"), body)
	w.WriteHeader(http.StatusNoContent)
}
