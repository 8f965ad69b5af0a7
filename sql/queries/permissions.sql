-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetPermission :one
select * from auth.permissions where tenant_id = $1 and resource_server_identifier = $2 and permission_name = $3;

-- name: LockPermission :one
select * from auth.permissions where tenant_id = $1 and resource_server_identifier = $2 and permission_name = $3 for update;

-- name: InsertPermission :one
insert into auth.permissions (tenant_id, resource_server_identifier, permission_name, description, created_at,
                              updated_at)
values ($1, $2, $3, $4, $5, $6)
returning *;

-- name: UpdatePermission :one
update auth.permissions
   set description = $4, created_at = $5, updated_at = $6
 where tenant_id = $1 and resource_server_identifier = $2 and permission_name = $3
returning *;

-- name: DeletePermission :execrows
delete from auth.permissions where tenant_id = $1 and resource_server_identifier = $2 and permission_name = $3;
