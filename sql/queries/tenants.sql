-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetTenant :one
select * from auth.tenants where id = $1;

-- name: LockTenant :one
select * from auth.tenants where id = $1 for update;

-- name: InsertTenant :one
insert into auth.tenants (id, friendly_name, audience, default_audience, sender_email, sender_name, support_email,
                          support_url, picture_url, language, flags, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
returning *;

-- name: UpdateTenant :one
update auth.tenants
   set friendly_name = $2, audience = $3, default_audience = $4, sender_email = $5, sender_name = $6,
       support_email = $7, support_url = $8, picture_url = $9, language = $10, flags = $11, metadata = $12,
       created_at = $13, updated_at = $14
 where id = $1
returning *;

-- name: DeleteTenant :execrows
delete from auth.tenants where id = $1;
