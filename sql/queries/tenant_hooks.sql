-- The columns stand in the table's order, numbered. start_lsn is left out: where a hook begins is for the database to say.

-- name: GetTenantHook :one
select * from auth.hooks where tenant_id = $1 and hook_id = $2;

-- name: LockTenantHook :one
select * from auth.hooks where tenant_id = $1 and hook_id = $2 for update;

-- name: InsertTenantHook :one
insert into auth.hooks (tenant_id, hook_id, name, trigger_id, url, form_id, page_id, permission_required, enabled, priority,
                        when_changed, on_error, timeout_ms, rate_limit, status, status_reason, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
returning *;

-- name: UpdateTenantHook :one
update auth.hooks
   set name = $3, trigger_id = $4, url = $5, form_id = $6, page_id = $7, permission_required = $8, enabled = $9, priority = $10,
       when_changed = $11, on_error = $12, timeout_ms = $13, rate_limit = $14, status = $15, status_reason = $16, metadata = $17,
       created_at = $18, updated_at = $19
 where tenant_id = $1 and hook_id = $2
returning *;

-- name: DeleteTenantHook :execrows
delete from auth.hooks where tenant_id = $1 and hook_id = $2;
