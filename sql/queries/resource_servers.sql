-- The columns stand in the table's order, numbered, so that the parameters convert from the row.

-- name: GetResourceServer :one
select * from auth.resource_servers where tenant_id = $1 and id = $2;

-- name: LockResourceServer :one
select * from auth.resource_servers where tenant_id = $1 and id = $2 for update;

-- name: InsertResourceServer :one
insert into auth.resource_servers (tenant_id, id, identifier, name, scopes, signing_alg, token_lifetime,
                                   token_lifetime_for_web, token_dialect, allow_offline_access, skip_consent,
                                   enforce_policies, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
returning *;

-- name: UpdateResourceServer :one
update auth.resource_servers
   set identifier = $3, name = $4, scopes = $5, signing_alg = $6, token_lifetime = $7, token_lifetime_for_web = $8,
       token_dialect = $9, allow_offline_access = $10, skip_consent = $11, enforce_policies = $12, metadata = $13,
       created_at = $14, updated_at = $15
 where tenant_id = $1 and id = $2
returning *;

-- What clients may ask for at an audience that is gone goes with it. There is no foreign key that would: the management API's audience
-- is no resource server.
-- name: DeleteResourceServer :execrows
with gone as (
    delete from auth.resource_servers s where s.tenant_id = $1 and s.id = $2 returning s.tenant_id, s.identifier
), grants as (
    delete from auth.client_grants g using gone where g.tenant_id = gone.tenant_id and g.audience = gone.identifier
)
select from gone;
