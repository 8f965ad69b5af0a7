-- name: ListUserRoles :many
select * from auth.user_roles where tenant_id = $1 and user_id = $2 order by role_id;

-- name: AssignUserRoles :execrows
insert into auth.user_roles (tenant_id, user_id, role_id, created_at)
select $1, $2, unnest($3::text[]), $4
on conflict do nothing;

-- name: RemoveUserRoles :execrows
delete from auth.user_roles where tenant_id = $1 and user_id = $2 and role_id = any ($3::text[]);
