-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetResourceServer :one
select * from auth.resource_servers where tenant_id = $1 and id = $2;

-- name: LockResourceServer :one
select * from auth.resource_servers where tenant_id = $1 and id = $2 for update;

-- name: InsertResourceServer :one
insert into auth.resource_servers (tenant_id, id, identifier, name, scopes, signing_alg, token_lifetime,
                                   token_lifetime_for_web, token_dialect, allow_offline_access, skip_consent,
                                   enforce_policies, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
returning *;

-- name: UpdateResourceServer :one
update auth.resource_servers
   set identifier = $3, name = $4, scopes = $5, signing_alg = $6, token_lifetime = $7, token_lifetime_for_web = $8,
       token_dialect = $9, allow_offline_access = $10, skip_consent = $11, enforce_policies = $12, metadata = $13,
       created_at = $14, updated_at = $15
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteResourceServer :execrows
delete from auth.resource_servers where tenant_id = $1 and id = $2;
