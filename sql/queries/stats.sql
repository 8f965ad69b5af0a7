-- name: CountActiveUsers :one
select count(*) from auth.user_stats as s where s.tenant_id = $1 and s.last_login >= sqlc.arg(since)::timestamptz;

-- A day is one of UTC.
-- name: CountDailyLogins :many
select date_trunc('day', l.date, 'UTC')::timestamptz as day, count(*) as n from auth.logs as l
 where l.tenant_id = $1 and l.type = 's' and l.date >= sqlc.arg(since)::timestamptz and l.date < sqlc.arg(before)::timestamptz
 group by 1;

-- name: CountDailySignups :many
select date_trunc('day', u.created_at, 'UTC')::timestamptz as day, count(*) as n from auth.users as u
 where u.tenant_id = $1 and u.created_at >= sqlc.arg(since)::timestamptz and u.created_at < sqlc.arg(before)::timestamptz
 group by 1;
