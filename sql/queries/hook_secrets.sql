-- name: ListHookSecrets :many
select * from auth.hook_secrets
 where tenant_id = $1 and hook_id = $2 and (expires_at is null or expires_at > sqlc.arg(at)::timestamptz)
 order by id desc;

-- name: PutHookSecret :one
insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed, created_at) values ($1, $2, $3, $4, $5)
returning *;

-- Those that have ended by now go. An end that was set earlier stays.
-- name: ExpireHookSecrets :exec
with ended as (
    delete from auth.hook_secrets as e
     where e.tenant_id = $1 and e.hook_id = $2 and e.kind = $3
       and least(e.expires_at, sqlc.arg(expires_at)::timestamptz) <= sqlc.arg(at)::timestamptz
)
update auth.hook_secrets as s set expires_at = least(s.expires_at, sqlc.arg(expires_at)::timestamptz)
 where s.tenant_id = $1 and s.hook_id = $2 and s.kind = $3
   and least(s.expires_at, sqlc.arg(expires_at)::timestamptz) > sqlc.arg(at)::timestamptz;
