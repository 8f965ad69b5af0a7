-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetLog :one
select * from auth.logs where tenant_id = $1 and log_id = $2;

-- name: InsertLog :one
insert into auth.logs (tenant_id, log_id, type, date, description, user_id, user_name, ip, user_agent, client_id,
                       connection, strategy, hostname, details)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
returning *;
