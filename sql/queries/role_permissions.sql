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

-- name: DescribeRolePermissions :many
select p.permission_name, p.description, p.resource_server_identifier, s.name as resource_server_name, count(*) over () as total
  from auth.role_permissions r
  join auth.permissions p using (tenant_id, resource_server_identifier, permission_name)
  join auth.resource_servers s on s.tenant_id = p.tenant_id and s.identifier = p.resource_server_identifier
 where r.tenant_id = $1 and r.role_id = $2
 order by p.resource_server_identifier, p.permission_name
 limit sqlc.arg(limited)::bigint offset sqlc.arg(start)::bigint;
