package db

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// taken is rows of one table that a delete takes along by a foreign key.
type taken struct {
	hooked bool // before-hooks hear of each
	parent bool // further ones hang on them
	run    func(context.Context, *lazytx.Tx) error
}

// holding others, rows are locked even where no hook hears of them, so that nothing is added below them unheard.
func (t taken) holding() taken {
	t.parent = true
	return t
}

func anyHooked(along []taken) bool {
	return slices.ContainsFunc(along, func(t taken) bool { return t.hooked })
}

// takeAlong locks what a delete takes along, in the order given (parents first), and runs its before-hooks. All rows of
// a table that has such hooks are in memory at once.
func takeAlong(ctx context.Context, tx *lazytx.Tx, along []taken) error {
	if !anyHooked(along) {
		return nil
	}
	for _, t := range along {
		if !t.hooked && !t.parent {
			continue
		}
		if err := t.run(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// takenRows are those for which where says so.
func takenRows[Row any](h *hooks.Entity[Row], where string, args ...any) taken {
	return taken{hooked: h.HasBefore(hooks.Delete), run: func(ctx context.Context, tx *lazytx.Tx) error {
		rows, err := lockRows[Row](ctx, tx, h.Table(), where, args)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := h.RunBeforeDelete(ctx, tx, row); err != nil {
				return err
			}
		}
		return nil
	}}
}

// takenPermissions are the members of the set for which where says so; each role's hooks hear of its own at once.
func takenPermissions(set *hooks.Set[RoleRef, PermissionRef], where string, args ...any) taken {
	type member struct {
		RoleRef
		PermissionRef
	}
	return taken{hooked: set.HasBefore(hooks.Remove), run: func(ctx context.Context, tx *lazytx.Tx) error {
		rows, err := lockRows[member](ctx, tx, set.Table(), where, args)
		if err != nil {
			return err
		}
		for len(rows) > 0 {
			role := rows[0].RoleRef
			var permissions []PermissionRef
			for len(rows) > 0 && rows[0].RoleRef == role {
				permissions, rows = append(permissions, rows[0].PermissionRef), rows[1:]
			}
			left, err := set.RunBefore(ctx, hooks.Remove, tx, role, permissions)
			if err == nil && len(left) != len(permissions) {
				err = hooks.Reject("permissions_kept", "a hook keeps permissions of role "+role.RoleID+", which can't stay")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// lockRows orders by the keys, which are among a table's first four columns, so that two deletes lock in one order.
func lockRows[Row any](ctx context.Context, tx *lazytx.Tx, table, where string, args []any) ([]Row, error) {
	return readRows[Row](ctx, tx, table, where, "for update", args)
}

func readRows[Row any](ctx context.Context, from dbsqlc.DBTX, table, where, lock string, args []any) ([]Row, error) {
	columns := strings.Join(rowtext.Columns(reflect.TypeFor[Row]()), ", ")
	rows, err := from.Query(ctx, fmt.Sprintf("select %s from %s where %s order by 1, 2, 3, 4 %s", columns, table, where, lock), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Row])
}
