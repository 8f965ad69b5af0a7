-- name: GetJob :one
select * from auth.jobs where tenant_id = $1 and id = $2;

-- name: InsertJob :one
insert into auth.jobs (tenant_id, id, type, connection_id, upsert, external_id, options, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning *;

-- The oldest that waits, or whose worker is gone. Times are the database's: workers' clocks differ.
-- name: ClaimJob :one
update auth.jobs as j
   set status = 'processing', claims = j.claims + 1, fruitless = j.fruitless + 1, leased_until = now() + make_interval(secs => sqlc.arg(lease_seconds)::float8),
       started_at = coalesce(j.started_at, now())
 where (j.tenant_id, j.id) = (
    select o.tenant_id, o.id from auth.jobs o
     where o.status = 'pending' or o.status = 'processing' and o.leased_until <= now()
     order by o.created_at for update skip locked limit 1)
returning *;

-- name: ProgressJob :one
update auth.jobs
   set percentage = $4, processed = $5, inserted = $6, updated = $7, failed = $8,
       reached = greatest(reached, $5), fruitless = case when $5 > reached then 0 else fruitless end,
       leased_until = now() + make_interval(secs => sqlc.arg(lease_seconds)::float8)
 where tenant_id = $1 and id = $2 and claims = $3 and status = 'processing'
returning *;

-- name: FinishJob :one
update auth.jobs
   set status = sqlc.arg(status)::text, status_reason = $4, leased_until = null, finished_at = now(),
       percentage = case when sqlc.arg(status)::text = 'completed' then 100 else percentage end
 where tenant_id = $1 and id = $2 and claims = $3 and status = 'processing'
returning *;

-- name: DeleteJobChunks :exec
delete from auth.job_chunks where tenant_id = $1 and job_id = $2;

-- name: DeleteJob :execrows
delete from auth.jobs where tenant_id = $1 and id = $2;

-- name: PutJobChunk :exec
insert into auth.job_chunks (tenant_id, job_id, number, data) values ($1, $2, $3, $4)
on conflict (tenant_id, job_id, number) do update set data = excluded.data;

-- name: GetJobChunk :one
select data from auth.job_chunks where tenant_id = $1 and job_id = $2 and number = $3;

-- name: AddJobErrors :exec
insert into auth.job_errors (tenant_id, job_id, line, details)
select sqlc.arg(tenant_id), sqlc.arg(job_id), unnest(sqlc.arg(lines)::bigint[]), unnest(sqlc.arg(details)::text[])::jsonb
on conflict (tenant_id, job_id, line) do update set details = excluded.details;

-- name: ListJobErrors :many
select line, details from auth.job_errors where tenant_id = $1 and job_id = $2 and line > $3 order by line limit $4;
