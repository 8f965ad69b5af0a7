-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetConnection :one
select * from auth.connections where tenant_id = $1 and id = $2;

-- name: LockConnection :one
select * from auth.connections where tenant_id = $1 and id = $2 for update;

-- name: InsertConnection :one
insert into auth.connections (tenant_id, id, name, strategy, display_name, enabled_clients, realms,
                              is_domain_connection, show_as_button, options, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
returning *;

-- name: UpdateConnection :one
update auth.connections
   set name = $3, strategy = $4, display_name = $5, enabled_clients = $6, realms = $7, is_domain_connection = $8,
       show_as_button = $9, options = $10, metadata = $11, created_at = $12, updated_at = $13
 where tenant_id = $1 and id = $2
returning *;

-- name: DeleteConnection :execrows
delete from auth.connections where tenant_id = $1 and id = $2;
