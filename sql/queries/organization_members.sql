-- name: ListOrganizationMembers :many
select * from auth.organization_members where tenant_id = $1 and organization_id = $2 and user_id = any ($3::text[]);

-- name: LockOrganizationMember :one
select * from auth.organization_members where tenant_id = $1 and organization_id = $2 and user_id = $3 for update;

-- name: AddOrganizationMembers :execrows
insert into auth.organization_members (tenant_id, organization_id, user_id, created_at)
select $1, $2, unnest($3::text[]), $4
on conflict do nothing;

-- name: RemoveOrganizationMembers :execrows
delete from auth.organization_members where tenant_id = $1 and organization_id = $2 and user_id = any ($3::text[]);

-- name: ListOrganizationMemberRoles :many
select * from auth.organization_member_roles where tenant_id = $1 and organization_id = $2 and user_id = $3 order by role_id;

-- name: AssignOrganizationMemberRoles :execrows
insert into auth.organization_member_roles (tenant_id, organization_id, user_id, role_id, created_at)
select $1, $2, $3, unnest(sqlc.arg(roles)::text[]), sqlc.arg(at)::timestamptz
on conflict do nothing;

-- name: RemoveOrganizationMemberRoles :execrows
delete from auth.organization_member_roles
 where tenant_id = $1 and organization_id = $2 and user_id = $3 and role_id = any ($4::text[]);
