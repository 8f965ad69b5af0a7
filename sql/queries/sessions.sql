-- name: InsertSession :one
insert into auth.sessions (tenant_id, id, hash, user_id, connection, methods, client_ids, ip, user_agent, created_at, authenticated_at, used_at, idle_expires_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, sqlc.arg(at)::timestamptz, sqlc.arg(at), sqlc.arg(at), $10, $11)
returning *;

-- A session is over, too, when its user is blocked: whoever did that, by whichever door.
-- name: FindSession :one
select s.* from auth.sessions s join auth.users u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
 where s.tenant_id = $1 and s.hash = $2 and s.ended_at is null and s.expires_at > sqlc.arg(at)::timestamptz
   and s.idle_expires_at > sqlc.arg(at) and not u.blocked;

-- name: UseSession :one
update auth.sessions
   set used_at = sqlc.arg(at)::timestamptz, idle_expires_at = least(sqlc.arg(idle_expires_at), expires_at),
       client_ids = case when sqlc.arg(client_id)::text = any (client_ids) then client_ids else client_ids || sqlc.arg(client_id) end
 where tenant_id = $1 and id = $2 and ended_at is null
returning *;

-- name: EndSession :one
update auth.sessions set ended_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and id = $2 and ended_at is null
returning *;

-- name: EndSessionsOf :many
update auth.sessions set ended_at = sqlc.arg(at)::timestamptz
 where tenant_id = $1 and user_id = $2 and id <> sqlc.arg(but)::text and ended_at is null
returning id;

-- name: ListSessions :many
select * from auth.sessions where tenant_id = $1 and user_id = $2 and ended_at is null and expires_at > $3 order by created_at desc;
