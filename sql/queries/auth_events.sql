-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetAuthEvent :one
select * from auth.auth_events where tenant_id = $1 and id = $2;

-- name: InsertAuthEvent :one
insert into auth.auth_events (tenant_id, id, type, user_id, details, sealed, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
returning *;
