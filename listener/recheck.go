package listener

import (
	"context"
	"time"
)

// tablesEvery is how often the hooked tables are looked at. The stream tells of a partition that isn't ready when it is
// first written; looking earlier keeps the old rows of its first changes whole.
const tablesEvery = 10 * time.Second

// watchTables keeps the hooked tables ready while the term lasts: partitions are added, tables are altered, or made again.
func (t *term) watchTables(ctx context.Context) error {
	ticker := time.NewTicker(t.l.timing.tables)
	defer ticker.Stop()
	said := map[string]string{}
	for {
		select {
		case <-ticker.C:
		case <-t.unready:
		case <-ctx.Done():
			return nil
		}
		if err := t.checkTables(ctx, said); err != nil {
			return err
		}
	}
}

// checkTables stops where a hooked table is not published any more: what changed in it since was missed. The rest is put
// right where that may be done, and is otherwise said, once.
func (t *term) checkTables(ctx context.Context, said map[string]string) error {
	tables, err := t.l.readTables(ctx)
	if err != nil {
		return err
	}
	for _, s := range tables {
		if s.kind != "" && !s.published {
			return stop(nil, "make sure that what changed meanwhile is dealt with, then start again: the table is published when the listener opens",
				"table %s is not in publication %s any more: it was made anew, renamed, or taken out, and what has changed in it since is not seen", s.name, publicationName(t.cfg.Group))
		}
		err := s.problem(t.cfg.Group)
		for _, part := range s.unready {
			if s.own == nil || err != nil {
				break
			}
			err = t.l.watch(ctx, s, part, 1)
		}
		if err != nil && passing(err) {
			return err
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != said[s.name] && text != "" {
			t.log.Error("a hooked table needs care", "table", s.name, "error", err)
		}
		said[s.name] = text
	}
	return nil
}
