-- name: ListConnectionSecrets :many
select * from auth.connection_secrets where tenant_id = $1 and connection_id = $2 order by name;

-- name: PutConnectionSecret :exec
insert into auth.connection_secrets (tenant_id, connection_id, name, sealed, updated_at) values ($1, $2, $3, $4, $5)
on conflict (tenant_id, connection_id, name) do update set sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: RemoveConnectionSecret :exec
delete from auth.connection_secrets where tenant_id = $1 and connection_id = $2 and name = $3;
