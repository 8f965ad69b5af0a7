-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetUser :one
select * from auth.users where tenant_id = $1 and user_id = $2;

-- name: LockUser :one
select * from auth.users where tenant_id = $1 and user_id = $2 for update;

-- name: InsertUser :one
insert into auth.users (tenant_id, user_id, email, email_verified, username, phone_number, phone_verified, name,
                        given_name, family_name, middle_name, nickname, picture, profile, website, gender, birthdate,
                        zoneinfo, locale, address, provider, connection, is_social, profile_data, linked_to, blocked,
                        multifactor, user_metadata, app_metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25, $26, $27, $28, $29, $30, $31)
returning *;

-- name: UpdateUser :one
update auth.users
   set email = $3, email_verified = $4, username = $5, phone_number = $6, phone_verified = $7, name = $8,
       given_name = $9, family_name = $10, middle_name = $11, nickname = $12, picture = $13, profile = $14,
       website = $15, gender = $16, birthdate = $17, zoneinfo = $18, locale = $19, address = $20, provider = $21,
       connection = $22, is_social = $23, profile_data = $24, linked_to = $25, blocked = $26, multifactor = $27,
       user_metadata = $28, app_metadata = $29, created_at = $30, updated_at = $31
 where tenant_id = $1 and user_id = $2
returning *;

-- name: DeleteUser :execrows
delete from auth.users where tenant_id = $1 and user_id = $2;

-- name: ListIdentities :many
select * from auth.users
 where tenant_id = $1 and (user_id = $2 or linked_to = $2)
 order by linked_to is not null, created_at, user_id;

-- name: ListLinkedUsers :many
select * from auth.users
 where tenant_id = $1 and linked_to = any (sqlc.arg(accounts)::text[])
 order by created_at, user_id;

-- The links stay one hop deep: what was linked to the secondary is linked to the primary.
-- name: LinkUsers :execrows
update auth.users set linked_to = sqlc.arg(primary_id)::text, updated_at = $2
 where tenant_id = $1 and (user_id = sqlc.arg(secondary_id)::text or linked_to = sqlc.arg(secondary_id)::text);

-- name: UnlinkUser :execrows
update auth.users set linked_to = null, updated_at = sqlc.arg(updated_at)
 where tenant_id = $1 and user_id = sqlc.arg(secondary_id)::text and linked_to = sqlc.arg(primary_id)::text;

-- Whoever links by a tenant's e-mail address holds its lock.
-- name: LockEmail :exec
select pg_advisory_xact_lock(hashtextextended('latchkey.email/' || sqlc.arg(tenant_id)::text || '/' || lower(sqlc.arg(email)::text), 0));

-- name: ListUsersByEmail :many
select * from auth.users where tenant_id = $1 and lower(email) = lower(sqlc.arg(email)::text) order by created_at, user_id;
