package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// LogsAfter reads the log lines that follow one, by date, the oldest first: at most limit. A line that was dated earlier and
// committed later may still come before it. Errors: [ErrNotFound], for a line that the tenant doesn't have.
func (r repositories) LogsAfter(ctx context.Context, tenantID, logID string, limit int) ([]Log, error) {
	after, err := r.Logs.Get(ctx, tenantID, logID)
	if err != nil {
		return nil, err
	}
	rows, err := r.Logs.r.s.reader().Query(ctx, `select * from auth.logs where tenant_id = $1 and (date, log_id) > ($2, $3) order by date, log_id limit $4`,
		tenantID, after.Date, logID, limit)
	if err != nil {
		return nil, failed(err, "list", "log")
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByName[Log])
	return lines, failed(err, "list", "log")
}
