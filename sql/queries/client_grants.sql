-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetClientGrant :one
select * from auth.client_grants where tenant_id = $1 and id = $2;

-- name: LockClientGrant :one
select * from auth.client_grants where tenant_id = $1 and id = $2 for update;

-- name: InsertClientGrant :one
insert into auth.client_grants (tenant_id, id, client_id, audience, scope, organization_usage, allow_any_organization,
                                created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning *;

-- name: UpdateClientGrant :one
update auth.client_grants
   set client_id = $3, audience = $4, scope = $5, organization_usage = $6, allow_any_organization = $7,
       created_at = $8, updated_at = $9
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteClientGrant :execrows
delete from auth.client_grants where tenant_id = $1 and id = $2;
