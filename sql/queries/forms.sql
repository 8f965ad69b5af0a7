-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetForm :one
select * from auth.forms where tenant_id = $1 and id = $2;

-- name: LockForm :one
select * from auth.forms where tenant_id = $1 and id = $2 for update;

-- name: InsertForm :one
insert into auth.forms (tenant_id, id, name, nodes, start, ending, style, languages, messages, translations, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
returning *;

-- name: UpdateForm :one
update auth.forms
   set name = $3, nodes = $4, start = $5, ending = $6, style = $7, languages = $8, messages = $9, translations = $10, created_at = $11, updated_at = $12
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteForm :execrows
delete from auth.forms where tenant_id = $1 and id = $2;
