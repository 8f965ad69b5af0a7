package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/sql/schema"
)

// createMigrated copies the template, which it makes if the server has none.
func (h *host) createMigrated(ctx context.Context) (string, error) {
	template, err := templateName()
	if err != nil {
		return "", err
	}
	name, err := h.create(ctx, template)
	if !is(err, noSuchDatabase) {
		return name, err
	}
	h.making.Lock()
	defer h.making.Unlock()
	// While this goroutine waited, another may have made it.
	if name, err = h.create(ctx, template); !is(err, noSuchDatabase) {
		return name, err
	}
	if err := h.makeTemplate(ctx, template); err != nil {
		return "", err
	}
	return h.create(ctx, template)
}

// makeTemplate migrates a database under a name of its own and renames it when it is finished. So a template is
// whole from its first moment, whoever is killed in between; and of two processes that make it at once, the second
// finds the name taken and uses the first's.
func (h *host) makeTemplate(ctx context.Context, template string) error {
	name, err := h.createEmpty(ctx)
	if err != nil {
		return err
	}
	if _, err := db.Migrate(ctx, h.urlFor(name)); err != nil {
		return errors.Join(fmt.Errorf("pgtest: %w", err), h.drop(ctx, name))
	}
	err = h.do(
		ctx,
		// A template with a session on it can't be copied, so nobody is to connect.
		"alter database "+quoted(name)+" allow_connections false",
		// Waits for the sessions of the migration to end.
		"alter database "+quoted(name)+" rename to "+quoted(template),
	)
	if is(err, duplicateDatabase) {
		return h.drop(ctx, name)
	}
	if err != nil {
		return errors.Join(err, h.drop(ctx, name))
	}
	return nil
}

// templateName is another one for every version of the migrations: checkouts that share a server don't mix theirs.
func templateName() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(schema.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := schema.Files.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("pgtest: the migrations: %w", err)
	}
	return "latchkey_template_" + hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
