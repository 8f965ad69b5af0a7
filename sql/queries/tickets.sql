-- name: InsertTicket :one
insert into auth.tickets (tenant_id, id, hash, type, user_id, email, result_url, client_id, options, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
returning *;

-- name: UseTicket :one
update auth.tickets set used_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and type = $2 and hash = $3 and used_at is null and expires_at > sqlc.arg(at)::timestamptz
returning *;

-- name: UseOtherTickets :exec
update auth.tickets set used_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and user_id = $2 and type = $3 and used_at is null;

-- name: FindTicket :one
select * from auth.tickets
 where tenant_id = $1 and type = $2 and hash = $3 and used_at is null and expires_at > $4;
