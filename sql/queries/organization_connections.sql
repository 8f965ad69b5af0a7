-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetOrganizationConnection :one
select * from auth.organization_connections where tenant_id = $1 and organization_id = $2 and connection_id = $3;

-- name: LockOrganizationConnection :one
select * from auth.organization_connections where tenant_id = $1 and organization_id = $2 and connection_id = $3 for update;

-- name: InsertOrganizationConnection :one
insert into auth.organization_connections (tenant_id, organization_id, connection_id, assign_membership_on_login,
                                           show_as_button, is_signup_enabled, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning *;

-- name: UpdateOrganizationConnection :one
update auth.organization_connections
   set assign_membership_on_login = $4, show_as_button = $5, is_signup_enabled = $6, created_at = $7, updated_at = $8
 where tenant_id = $1 and organization_id = $2 and connection_id = $3
returning *;

-- name: DeleteOrganizationConnection :execrows
delete from auth.organization_connections where tenant_id = $1 and organization_id = $2 and connection_id = $3;
