-- name: ListRolePermissions :many
select resource_server_identifier, permission_name
  from auth.role_permissions
 where tenant_id = $1 and role_id = $2
 order by resource_server_identifier, permission_name;

-- name: AssignRolePermissions :execrows
insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name)
select $1, $2, unnest($3::text[]), unnest($4::text[])
on conflict do nothing;

-- name: RemoveRolePermissions :execrows
delete from auth.role_permissions
 where tenant_id = $1 and role_id = $2
   and (resource_server_identifier, permission_name) in (select unnest($3::text[]), unnest($4::text[]));
