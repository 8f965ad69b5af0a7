-- name: TenantOfHost :one
select tenant_id from auth.tenant_hosts where host = $1;

-- name: ListTenantHosts :many
select * from auth.tenant_hosts where tenant_id = $1 order by host;

-- Another tenant's host gives no row.
-- name: PutTenantHost :one
insert into auth.tenant_hosts (host, tenant_id, created_at) values ($1, $2, $3)
on conflict (host) do update set host = excluded.host where tenant_hosts.tenant_id = excluded.tenant_id
returning *;

-- name: DeleteTenantHost :execrows
delete from auth.tenant_hosts where tenant_id = $1 and host = $2;
