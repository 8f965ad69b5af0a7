// Command library is a service with hooks of its own: the example of the README.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Getenv("DATABASE_URL"))
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("reserved", func(_ context.Context, _ hooks.Tx, row *db.Role) error {
		if row.Name == "root" {
			return hooks.Reject("reserved", "the name root is reserved")
		}
		return nil
	})
	reg.Roles.AfterCreate("log", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		fmt.Println("created:", row.Name, "by", ev.Stamp().Origin)
		_, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 'sapi', $2)`, row.TenantID, row.Name)
		return err // committed together with the record that the hook ran, or not at all
	})

	if _, err := db.Migrate(ctx, url); err != nil {
		return err
	}
	store, err := db.Open(ctx, db.Config{DatabaseURL: url, Hooks: reg})
	if err != nil {
		return err
	}
	defer store.Close()
	l, err := listener.Open(ctx, listener.Config{DatabaseURL: url, Hooks: reg})
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		<-l.Ready() // from now on no change is missed, whoever makes it
		_, err := store.Roles.Create(ctx, "default", db.CreateRole{Name: "root"})
		fmt.Println(err) // db: create role: rejected by hook reserved: the name root is reserved (reserved)
	}()
	return l.Run(ctx)
}
