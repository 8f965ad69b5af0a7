-- name: ListUserPermissions :many
select * from auth.user_permissions where tenant_id = $1 and user_id = $2 order by resource_server_identifier, permission_name;

-- name: AssignUserPermissions :execrows
insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name, created_at)
select $1, $2, unnest(sqlc.arg(servers)::text[]), unnest(sqlc.arg(names)::text[]), sqlc.arg(at)::timestamptz
on conflict do nothing;

-- name: RemoveUserPermissions :execrows
delete from auth.user_permissions
 where tenant_id = $1 and user_id = $2
   and (resource_server_identifier, permission_name) in (select unnest($3::text[]), unnest($4::text[]));
