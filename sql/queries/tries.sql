-- name: CountTry :one
insert into auth.tries as t (tenant_id, kind, name_hash, count, began_at, expires_at)
values ($1, $2, $3, 1, sqlc.arg(at)::timestamptz, $4)
on conflict (tenant_id, kind, name_hash) do update
   set count = case when t.expires_at > sqlc.arg(at) then t.count + 1 else 1 end,
       began_at = case when t.expires_at > sqlc.arg(at) then t.began_at else excluded.began_at end,
       expires_at = case when t.expires_at > sqlc.arg(at) then t.expires_at else excluded.expires_at end
returning *;

-- name: GetTries :one
select * from auth.tries where tenant_id = $1 and kind = $2 and name_hash = $3 and expires_at > $4;

-- name: ClearTries :exec
delete from auth.tries where tenant_id = $1 and kind = $2 and name_hash = $3;

-- name: TakeBackTry :exec
update auth.tries set count = greatest(count - 1, 0) where tenant_id = $1 and kind = $2 and name_hash = $3 and expires_at > $4;
