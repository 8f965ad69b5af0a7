-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetClient :one
select * from auth.clients where tenant_id = $1 and client_id = $2;

-- name: LockClient :one
select * from auth.clients where tenant_id = $1 and client_id = $2 for update;

-- name: InsertClient :one
insert into auth.clients (tenant_id, client_id, name, description, app_type, logo_uri, is_first_party,
                          oidc_conformant, callbacks, allowed_origins, web_origins, allowed_logout_urls,
                          client_aliases, allowed_clients, grant_types, token_endpoint_auth_method,
                          is_token_endpoint_ip_header_trusted, jwt_configuration, refresh_token, addons, mobile,
                          native_social_login, oidc_logout, default_organization, initiate_login_uri,
                          cross_origin_authentication, cross_origin_loc, sso, sso_disabled, custom_login_page_on,
                          custom_login_page, form_template, organization_usage, organization_require_behavior,
                          require_pushed_authorization_requests, require_proof_of_possession, client_metadata,
                          created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39)
returning *;

-- name: UpdateClient :one
update auth.clients
   set name = $3, description = $4, app_type = $5, logo_uri = $6, is_first_party = $7, oidc_conformant = $8,
       callbacks = $9, allowed_origins = $10, web_origins = $11, allowed_logout_urls = $12, client_aliases = $13,
       allowed_clients = $14, grant_types = $15, token_endpoint_auth_method = $16,
       is_token_endpoint_ip_header_trusted = $17, jwt_configuration = $18, refresh_token = $19, addons = $20,
       mobile = $21, native_social_login = $22, oidc_logout = $23, default_organization = $24,
       initiate_login_uri = $25, cross_origin_authentication = $26, cross_origin_loc = $27, sso = $28,
       sso_disabled = $29, custom_login_page_on = $30, custom_login_page = $31, form_template = $32,
       organization_usage = $33, organization_require_behavior = $34, require_pushed_authorization_requests = $35,
       require_proof_of_possession = $36, client_metadata = $37, created_at = $38, updated_at = $39
 where tenant_id = $1 and client_id = $2
returning *;

-- name: DeleteClient :execrows
delete from auth.clients where tenant_id = $1 and client_id = $2;

-- Two are enough to tell that the id alone doesn't name one.
-- name: FindClients :many
select * from auth.clients where client_id = $1 order by tenant_id limit 2;

-- name: AllowsOrigin :one
select exists (select from auth.clients c where (sqlc.arg(tenant)::text = '' or c.tenant_id = sqlc.arg(tenant))
    and (sqlc.arg(origin)::text = any(c.web_origins) or sqlc.arg(origin) = any(c.allowed_origins)));
