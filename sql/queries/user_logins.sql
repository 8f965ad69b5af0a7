-- name: GetUserStats :one
select * from auth.user_stats where tenant_id = $1 and user_id = $2;

-- name: RecordLogin :one
insert into auth.user_stats as s (tenant_id, user_id, login_count, last_login, last_ip)
values ($1, $2, 1, $3, $4)
on conflict (tenant_id, user_id) do update
   set login_count = s.login_count + 1, last_login = excluded.last_login, last_ip = excluded.last_ip
returning *;

-- name: GetPasswordHash :one
select hash from auth.passwords where tenant_id = $1 and user_id = $2;

-- Replacing a password is a reset, of which the stats keep the time; setting the first is not.
-- name: SetPassword :exec
with former as (
    select from auth.passwords as p where p.tenant_id = $1 and p.user_id = $2
), password as (
    insert into auth.passwords (tenant_id, user_id, hash, updated_at) values ($1, $2, $3, $4)
    on conflict (tenant_id, user_id) do update set hash = excluded.hash, updated_at = excluded.updated_at
)
insert into auth.user_stats (tenant_id, user_id, last_password_reset)
select $1, $2, $4 from former
on conflict (tenant_id, user_id) do update set last_password_reset = excluded.last_password_reset;

-- name: ListUserStats :many
select * from auth.user_stats where tenant_id = $1 and user_id = any (sqlc.arg(user_ids)::text[]);

-- An e-mail address is its owner's, also where it is another's username.
-- name: FindUserIn :one
select * from auth.users
 where tenant_id = $1 and connection = $2 and (lower(email) = lower(sqlc.arg(identifier)::text) or lower(username) = lower(sqlc.arg(identifier)::text))
 order by (lower(email) = lower(sqlc.arg(identifier)::text)) is true desc
 limit 1;

-- name: RehashPassword :execrows
update auth.passwords set hash = sqlc.arg(hash) where tenant_id = $1 and user_id = $2 and hash = sqlc.arg(was);

-- name: DropPassword :exec
delete from auth.passwords where tenant_id = $1 and user_id = $2;
