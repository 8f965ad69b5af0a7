-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetOrganization :one
select * from auth.organizations where tenant_id = $1 and id = $2;

-- name: LockOrganization :one
select * from auth.organizations where tenant_id = $1 and id = $2 for update;

-- name: InsertOrganization :one
insert into auth.organizations (tenant_id, id, name, display_name, branding, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning *;

-- name: UpdateOrganization :one
update auth.organizations
   set name = $3, display_name = $4, branding = $5, metadata = $6, created_at = $7, updated_at = $8
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteOrganization :execrows
delete from auth.organizations where tenant_id = $1 and id = $2;
