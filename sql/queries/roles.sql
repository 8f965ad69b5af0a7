-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetRole :one
select * from auth.roles where tenant_id = $1 and id = $2;

-- name: LockRole :one
select * from auth.roles where tenant_id = $1 and id = $2 for update;

-- name: InsertRole :one
insert into auth.roles (tenant_id, id, name, description, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7)
returning *;

-- name: UpdateRole :one
update auth.roles
   set name = $3, description = $4, metadata = $5, created_at = $6, updated_at = $7
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteRole :execrows
delete from auth.roles where tenant_id = $1 and id = $2;
