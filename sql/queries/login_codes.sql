-- name: PutLoginCode :one
insert into auth.login_codes (tenant_id, connection, address, id, hash, client_id, request, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (tenant_id, connection, address) do update
   set id = excluded.id, hash = excluded.hash, client_id = excluded.client_id, request = excluded.request, tries = 0,
       created_at = excluded.created_at, expires_at = excluded.expires_at
returning *;

-- Counted before it is looked at: tries that come at once all count.
-- name: TryLoginCode :one
update auth.login_codes set tries = tries + 1
 where tenant_id = $1 and connection = $2 and address = $3 and tries < sqlc.arg(most)::int and expires_at > sqlc.arg(at)::timestamptz
returning *;

-- name: UseLoginCode :execrows
delete from auth.login_codes where tenant_id = $1 and connection = $2 and address = $3 and id = $4;
