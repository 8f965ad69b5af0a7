package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// LogLine is a line for a tenant's log.
type LogLine struct {
	TenantID string
	CreateLog
}

const insertLogLines = `insert into auth.logs (tenant_id, log_id, type, date, description, user_id, user_name, ip, user_agent, client_id, connection, strategy, hostname, details)
	select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::jsonb[])`

// WriteLogs writes lines, of any tenants: all of them or none. On a store it doesn't wait for the disk (synchronous_commit is off,
// see Postgres' chapter on asynchronous commit): when the server crashes, the lines of the last second may be lost, which those
// that Create writes, and all else, are not. Errors: [Invalid].
func (r repositories) WriteLogs(ctx context.Context, lines []LogLine) error {
	s, at := r.Logs.r.s, now()
	var columns logColumns
	for _, line := range lines {
		l := r.Logs.r.e.create(line.TenantID, at, line.CreateLog)
		if err := r.Logs.r.e.normalize(&l); err != nil {
			return failed(err, "write", "log")
		}
		columns.add(l)
	}
	q := &pgx.Batch{}
	if s.conn != nil {
		q.Queue(insertLogLines, columns.args()...)
		return failed(s.conn.SendBatch(ctx, q).Close(), "write", "log")
	}
	q.Queue(`select set_config('synchronous_commit', 'off', true)`) // one batch is one transaction
	q.Queue(insertLogLines, columns.args()...)
	return failed(s.pool.SendBatch(ctx, q).Close(), "write", "log")
}

// logColumns are lines, column by column.
type logColumns struct {
	tenants, ids, types, descriptions                                  []string
	dates                                                              []time.Time
	users, names, ips, agents, clients, connections, strategies, hosts []*string
	details                                                            []json.RawMessage
}

func (c *logColumns) add(l Log) {
	c.tenants, c.ids, c.types, c.dates, c.descriptions = append(c.tenants, l.TenantID), append(c.ids, l.LogID), append(c.types, l.Type), append(c.dates, l.Date), append(c.descriptions, l.Description)
	c.users, c.names, c.ips, c.agents = append(c.users, l.UserID), append(c.names, l.UserName), append(c.ips, l.IP), append(c.agents, l.UserAgent)
	c.clients, c.connections, c.strategies, c.hosts = append(c.clients, l.ClientID), append(c.connections, l.Connection), append(c.strategies, l.Strategy), append(c.hosts, l.Hostname)
	c.details = append(c.details, l.Details)
}

func (c *logColumns) args() []any {
	return []any{c.tenants, c.ids, c.types, c.dates, c.descriptions, c.users, c.names, c.ips, c.agents, c.clients, c.connections, c.strategies, c.hosts, c.details}
}
