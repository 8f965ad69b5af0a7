-- name: InsertLoginSession :one
insert into auth.login_sessions (tenant_id, id, state_hash, browser_hash, step, client_id, request, connection, ip, user_agent, created_at, updated_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, sqlc.arg(at)::timestamptz, sqlc.arg(at), $11)
returning *;

-- name: FindLoginSession :one
select * from auth.login_sessions where tenant_id = $1 and state_hash = $2 and expires_at > $3;

-- name: TenantOfLogin :one
select tenant_id from auth.login_sessions where state_hash = $1;

-- name: LockLoginSession :one
select * from auth.login_sessions where tenant_id = $1 and id = $2 for update;

-- name: MoveLoginSession :one
update auth.login_sessions
   set step = $3, connection = $4, user_id = $5, session_id = $6, methods = $7, outcome = $8, answers = $9, request = $10,
       code_hash = $11, code_expires_at = $12, expires_at = $13, updated_at = $14
 where tenant_id = $1 and id = $2
returning *;

-- name: RedeemLoginCode :one
update auth.login_sessions set code_used_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and code_hash = $2 and code_used_at is null and code_expires_at > sqlc.arg(at)
returning *;

-- name: FindLoginSessionByCode :one
select * from auth.login_sessions where tenant_id = $1 and code_hash = $2;

-- Those under way, and those whose code wasn't redeemed yet.
-- name: EndLoginSessionsOf :exec
update auth.login_sessions set expires_at = sqlc.arg(at)::timestamptz, code_expires_at = case when code_expires_at is not null then sqlc.arg(at) end
 where tenant_id = $1 and user_id = sqlc.arg(user_id)::text and code_used_at is null and expires_at > sqlc.arg(at) and session_id is distinct from sqlc.arg(but)::text;
