-- Clients are the applications that users log in to and that ask for tokens. Their secrets stand in a table of their own,
-- which is not published.

-- +goose Up
create table auth.clients (
    tenant_id                             text        not null references auth.tenants on delete cascade,
    client_id                             text        not null default auth.new_id('') || auth.new_id('') check (client_id <> ''),
    name                                  text        not null check (name <> ''),
    description                           text        not null default '',
    -- native, spa, regular_web, non_interactive, or a type of one's own
    app_type                              text        not null default '',
    logo_uri                              text        not null default '',
    is_first_party                        boolean     not null default true,
    oidc_conformant                       boolean     not null default false,
    callbacks                             text[]      not null default '{}',
    allowed_origins                       text[]      not null default '{}',
    web_origins                           text[]      not null default '{}',
    allowed_logout_urls                   text[]      not null default '{}',
    client_aliases                        text[]      not null default '{}',
    allowed_clients                       text[]      not null default '{}',
    grant_types                           text[]      not null default '{}',
    token_endpoint_auth_method            text        not null default 'client_secret_post'
        check (token_endpoint_auth_method in ('none', 'client_secret_post', 'client_secret_basic')),
    is_token_endpoint_ip_header_trusted   boolean     not null default false,
    jwt_configuration                     jsonb       not null default '{}' check (jsonb_typeof(jwt_configuration) = 'object'),
    -- how refresh tokens rotate and expire: settings, no token
    refresh_token                         jsonb       not null default '{}' check (jsonb_typeof(refresh_token) = 'object'),
    addons                                jsonb       not null default '{}' check (jsonb_typeof(addons) = 'object'),
    mobile                                jsonb       not null default '{}' check (jsonb_typeof(mobile) = 'object'),
    native_social_login                   jsonb       not null default '{}' check (jsonb_typeof(native_social_login) = 'object'),
    oidc_logout                           jsonb       not null default '{}' check (jsonb_typeof(oidc_logout) = 'object'),
    default_organization                  jsonb       not null default '{}' check (jsonb_typeof(default_organization) = 'object'),
    initiate_login_uri                    text        not null default '',
    cross_origin_authentication           boolean     not null default false,
    cross_origin_loc                      text        not null default '',
    sso                                   boolean     not null default false,
    sso_disabled                          boolean     not null default false,
    custom_login_page_on                  boolean     not null default true,
    custom_login_page                     text        not null default '',
    form_template                         text        not null default '',
    organization_usage                    text check (organization_usage in ('deny', 'allow', 'require')),
    organization_require_behavior         text
        check (organization_require_behavior in ('no_prompt', 'pre_login_prompt', 'post_login_prompt')),
    require_pushed_authorization_requests boolean     not null default false,
    require_proof_of_possession           boolean     not null default false,
    client_metadata                       jsonb       not null default '{}' check (jsonb_typeof(client_metadata) = 'object'),
    created_at                            timestamptz not null default now(),
    updated_at                            timestamptz not null default now(),
    primary key (tenant_id, client_id)
);
-- who asks for a token may name the client alone
create index clients_by_id on auth.clients (client_id);

-- Sealed with the server's key, for whoever opens it as client/<tenant>/<client>; never published. A public client has none.
create table auth.client_secrets (
    tenant_id  text        not null,
    client_id  text        not null,
    sealed     bytea       not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, client_id),
    foreign key (tenant_id, client_id) references auth.clients on delete cascade
);

-- What a client may ask for with its own credentials. The audience is a resource server's identifier, or the management
-- API's, which has no row: so it is no foreign key.
create table auth.client_grants (
    tenant_id              text        not null,
    id                     text        not null default auth.new_id('cgr_') check (id <> ''),
    client_id              text        not null,
    audience               text        not null check (audience <> ''),
    scope                  text[]      not null default '{}',
    organization_usage     text check (organization_usage in ('deny', 'allow', 'require')),
    allow_any_organization boolean     not null default false,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint client_grants_audience_key unique (tenant_id, client_id, audience),
    foreign key (tenant_id, client_id) references auth.clients on delete cascade
);

select latchkey.watch(t::regclass) from unnest(array['auth.clients', 'auth.client_grants']) as t;

-- +goose Down
drop table auth.client_grants, auth.client_secrets, auth.clients;
