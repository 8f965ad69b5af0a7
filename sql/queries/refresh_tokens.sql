-- name: InsertRefreshToken :one
insert into auth.refresh_tokens (tenant_id, id, family_id, hash, client_id, user_id, session_id, audience, scope, methods, claims, authenticated_at, created_at,
       idle_expires_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
returning *;

-- name: FindRefreshToken :one
select * from auth.refresh_tokens where tenant_id = $1 and hash = $2;

-- name: LockRefreshToken :one
select * from auth.refresh_tokens where tenant_id = $1 and id = $2 for update;

-- name: UseRefreshToken :exec
update auth.refresh_tokens set used_at = coalesce(used_at, sqlc.arg(at)::timestamptz) where tenant_id = $1 and id = $2;

-- name: ProlongRefreshToken :one
update auth.refresh_tokens set idle_expires_at = $3 where tenant_id = $1 and id = $2
returning *;

-- name: RevokeRefreshTokens :many
update auth.refresh_tokens set revoked_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and revoked_at is null
   and (family_id = sqlc.narg(family_id) or user_id = sqlc.narg(user_id) or session_id = sqlc.narg(session_id))
returning family_id;
