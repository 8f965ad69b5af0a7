-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetTenant :one
select * from auth.tenants where id = $1;

-- name: LockTenant :one
select * from auth.tenants where id = $1 for update;

-- name: InsertTenant :one
insert into auth.tenants (id, friendly_name, audience, default_audience, sender_email, sender_name, support_email,
                          support_url, picture_url, language, enabled_locales, default_directory,
                          default_redirection_uri, allowed_logout_urls, session_lifetime, idle_session_lifetime,
                          session_cookie, sessions, oidc_logout, universal_login, error_page, flags, metadata,
                          created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25)
returning *;

-- name: UpdateTenant :one
update auth.tenants
   set friendly_name = $2, audience = $3, default_audience = $4, sender_email = $5, sender_name = $6,
       support_email = $7, support_url = $8, picture_url = $9, language = $10, enabled_locales = $11,
       default_directory = $12, default_redirection_uri = $13, allowed_logout_urls = $14, session_lifetime = $15,
       idle_session_lifetime = $16, session_cookie = $17, sessions = $18, oidc_logout = $19, universal_login = $20,
       error_page = $21, flags = $22, metadata = $23, created_at = $24, updated_at = $25
 where id = $1
returning *;

-- name: DeleteTenant :execrows
delete from auth.tenants where id = $1;
