-- name: GetClientSecret :one
select * from auth.client_secrets where tenant_id = $1 and client_id = $2;

-- name: PutClientSecret :one
insert into auth.client_secrets (tenant_id, client_id, sealed, created_at) values ($1, $2, $3, $4)
on conflict (tenant_id, client_id) do update set sealed = excluded.sealed, created_at = excluded.created_at
returning *;

-- name: DeleteClientSecret :execrows
delete from auth.client_secrets where tenant_id = $1 and client_id = $2;
