-- name: Revoke :exec
insert into auth.revocations (tenant_id, id, created_at, expires_at)
select sqlc.arg(tenant_id), unnest(sqlc.arg(ids)::text[]), sqlc.arg(created_at), sqlc.arg(expires_at)
on conflict (tenant_id, id) do update set expires_at = greatest(auth.revocations.expires_at, excluded.expires_at);

-- name: RevokeOnce :execrows
insert into auth.revocations (tenant_id, id, created_at, expires_at) values ($1, $2, sqlc.arg(created_at), sqlc.arg(expires_at)) on conflict do nothing;

-- name: IsRevoked :one
select exists (select from auth.revocations where tenant_id = $1 and id = any (sqlc.arg(ids)::text[]));
