-- Schema auth: what the hooks watch. Every key and foreign key carries the tenant. Secrets (password hashes, connection
-- secrets) and what changes at every login stand in tables of their own, which are not published: what is not in the
-- stream can't leak from it.

-- +goose Up
create schema auth;

-- new_id makes ids as the ecosystem has them: a prefix and 16 characters of base 62.
-- +goose StatementBegin
create function auth.new_id(p_prefix text) returns text language sql volatile as $$
    select p_prefix || string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 1 + get_byte(b, i) % 62, 1), '')
      from (select uuid_send(gen_random_uuid()) as b) r, generate_series(0, 15) i
$$;
-- +goose StatementEnd

create table auth.tenants (
    id                      text             primary key check (id <> ''),
    friendly_name           text             not null default '',
    audience                text             not null default '',
    default_audience        text             not null default '',
    sender_email            text             not null default '',
    sender_name             text             not null default '',
    support_email           text             not null default '',
    support_url             text             not null default '',
    picture_url             text             not null default '',
    language                text             not null default 'en',
    enabled_locales         text[]           not null default '{en}',
    -- the connection that passwords are tried on where a login names none
    default_directory       text             not null default '',
    default_redirection_uri text             not null default '',
    allowed_logout_urls     text[]           not null default '{}',
    -- hours; idle: without use
    session_lifetime        double precision not null default 168 check (session_lifetime > 0),
    idle_session_lifetime   double precision not null default 72 check (idle_session_lifetime > 0),
    session_cookie          jsonb            not null default '{}' check (jsonb_typeof(session_cookie) = 'object'),
    sessions                jsonb            not null default '{}' check (jsonb_typeof(sessions) = 'object'),
    oidc_logout             jsonb            not null default '{}' check (jsonb_typeof(oidc_logout) = 'object'),
    universal_login         jsonb            not null default '{}' check (jsonb_typeof(universal_login) = 'object'),
    error_page              jsonb            not null default '{}' check (jsonb_typeof(error_page) = 'object'),
    flags                   jsonb            not null default '{}',
    metadata                jsonb            not null default '{}',
    created_at              timestamptz      not null default now(),
    updated_at              timestamptz      not null default now()
);

-- The names by which a tenant is reached. Lowercased, without port.
create table auth.tenant_hosts (
    host       text        primary key check (host <> '' and host = lower(host)),
    tenant_id  text        not null references auth.tenants on delete cascade,
    created_at timestamptz not null default now()
);
create index tenant_hosts_by_tenant on auth.tenant_hosts (tenant_id);

create table auth.connections (
    tenant_id            text        not null references auth.tenants on delete cascade,
    id                   text        not null default auth.new_id('con_') check (id <> ''),
    name                 text        not null check (name <> ''),
    strategy             text        not null check (strategy <> ''),
    display_name         text        not null default '',
    enabled_clients      text[]      not null default '{}',
    realms               text[]      not null default '{}',
    is_domain_connection boolean     not null default false,
    show_as_button       boolean     not null default true,
    options              jsonb       not null default '{}',
    metadata             jsonb       not null default '{}',
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint connections_name_key unique (tenant_id, name)
);

-- Sealed with the server's key; never published.
create table auth.connection_secrets (
    tenant_id     text        not null,
    connection_id text        not null,
    name          text        not null,
    sealed        bytea       not null,
    updated_at    timestamptz not null default now(),
    primary key (tenant_id, connection_id, name),
    foreign key (tenant_id, connection_id) references auth.connections on delete cascade
);

create table auth.users (
    tenant_id      text        not null references auth.tenants on delete cascade,
    user_id        text        not null default auth.new_id('auth0|') check (user_id <> ''),
    email          text,
    email_verified boolean     not null default false,
    username       text,
    phone_number   text,
    phone_verified boolean     not null default false,
    name           text,
    given_name     text,
    family_name    text,
    middle_name    text,
    nickname       text,
    picture        text,
    profile        text,
    website        text,
    gender         text,
    birthdate      text,
    zoneinfo       text,
    locale         text,
    address        jsonb,
    -- the identity that this row is: a linked account is a row of its own, with linked_to naming its primary
    provider       text        not null default 'auth0',
    connection     text        not null default 'Username-Password-Authentication',
    is_social      boolean     not null default false,
    profile_data   jsonb       not null default '{}',
    linked_to      text,
    blocked        boolean     not null default false,
    multifactor    text[]      not null default '{}',
    user_metadata  jsonb       not null default '{}' check (jsonb_typeof(user_metadata) = 'object'),
    app_metadata   jsonb       not null default '{}' check (jsonb_typeof(app_metadata) = 'object'),
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    primary key (tenant_id, user_id),
    constraint users_linked_to_fkey foreign key (tenant_id, linked_to) references auth.users (tenant_id, user_id) on delete cascade,
    constraint users_linked_to_check check (linked_to <> user_id)
);
create unique index users_email_key on auth.users (tenant_id, connection, lower(email));
create unique index users_username_key on auth.users (tenant_id, connection, lower(username));
create index users_linked_to on auth.users (tenant_id, linked_to) where linked_to is not null;
create index users_by_email on auth.users (tenant_id, lower(email));

-- Written by every login, so apart from the user: a login is no change of the user.
create table auth.user_stats (
    tenant_id           text   not null,
    user_id             text   not null,
    login_count         bigint not null default 0,
    last_login          timestamptz,
    last_ip             text,
    last_password_reset timestamptz,
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);

create table auth.passwords (
    tenant_id  text        not null,
    user_id    text        not null,
    hash       text        not null,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);

create table auth.resource_servers (
    tenant_id                   text        not null references auth.tenants on delete cascade,
    id                          text        not null default auth.new_id('api_') check (id <> ''),
    identifier                  text        not null check (identifier <> ''),
    name                        text        not null default '',
    -- what a client may ask for: [{"value": "read:all", "description": "..."}]
    scopes                      jsonb       not null default '[]' check (jsonb_typeof(scopes) = 'array'),
    signing_alg                 text        not null default 'RS256',
    token_lifetime              int         not null default 86400 check (token_lifetime > 0),
    token_lifetime_for_web      int         not null default 7200 check (token_lifetime_for_web > 0),
    token_dialect               text        not null default 'access_token',
    allow_offline_access        boolean     not null default false,
    skip_consent                boolean     not null default false,
    enforce_policies            boolean     not null default false,
    metadata                    jsonb       not null default '{}',
    created_at                  timestamptz not null default now(),
    updated_at                  timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint resource_servers_identifier_key unique (tenant_id, identifier)
);

-- What roles can be given. A permission belongs to a resource server, by its identifier, as in the APIs.
create table auth.permissions (
    tenant_id                  text        not null,
    resource_server_identifier text        not null,
    permission_name            text        not null check (permission_name <> ''),
    description                text        not null default '',
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now(),
    primary key (tenant_id, resource_server_identifier, permission_name),
    foreign key (tenant_id, resource_server_identifier) references auth.resource_servers (tenant_id, identifier)
        on delete cascade on update cascade
);

create table auth.roles (
    tenant_id   text        not null references auth.tenants on delete cascade,
    id          text        not null default auth.new_id('rol_') check (id <> ''),
    name        text        not null check (name <> ''),
    description text        not null default '',
    metadata    jsonb       not null default '{}',
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint roles_name_key unique (tenant_id, name)
);

create table auth.role_permissions (
    tenant_id                  text        not null,
    role_id                    text        not null,
    resource_server_identifier text        not null,
    permission_name            text        not null,
    created_at                 timestamptz not null default now(),
    primary key (tenant_id, role_id, resource_server_identifier, permission_name),
    foreign key (tenant_id, role_id) references auth.roles on delete cascade,
    foreign key (tenant_id, resource_server_identifier, permission_name) references auth.permissions on delete cascade on update cascade
);
create index role_permissions_by_permission on auth.role_permissions (tenant_id, resource_server_identifier, permission_name);

create table auth.user_roles (
    tenant_id  text        not null,
    user_id    text        not null,
    role_id    text        not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, user_id, role_id),
    foreign key (tenant_id, user_id) references auth.users on delete cascade,
    foreign key (tenant_id, role_id) references auth.roles on delete cascade
);
create index user_roles_by_role on auth.user_roles (tenant_id, role_id);

-- What a user may do without a role.
create table auth.user_permissions (
    tenant_id                  text        not null,
    user_id                    text        not null,
    resource_server_identifier text        not null,
    permission_name            text        not null,
    created_at                 timestamptz not null default now(),
    primary key (tenant_id, user_id, resource_server_identifier, permission_name),
    foreign key (tenant_id, user_id) references auth.users on delete cascade,
    foreign key (tenant_id, resource_server_identifier, permission_name) references auth.permissions on delete cascade on update cascade
);
create index user_permissions_by_permission on auth.user_permissions (tenant_id, resource_server_identifier, permission_name);

-- All that a user may do, and by what: its roles, or itself (direct).
create view auth.effective_permissions as
    select x.tenant_id, x.user_id, x.resource_server_identifier, x.permission_name, p.description, s.name as resource_server_name,
           bool_or(x.role_id is null) as direct,
           coalesce(array_agg(x.role_id order by x.role_id) filter (where x.role_id is not null), '{}')::text[] as role_ids
      from (select u.tenant_id, u.user_id, u.resource_server_identifier, u.permission_name, null::text as role_id from auth.user_permissions u
             union all
            select u.tenant_id, u.user_id, r.resource_server_identifier, r.permission_name, r.role_id
              from auth.user_roles u join auth.role_permissions r on r.tenant_id = u.tenant_id and r.role_id = u.role_id) x
      join auth.permissions p on p.tenant_id = x.tenant_id and p.resource_server_identifier = x.resource_server_identifier
                             and p.permission_name = x.permission_name
      join auth.resource_servers s on s.tenant_id = x.tenant_id and s.identifier = x.resource_server_identifier
     group by x.tenant_id, x.user_id, x.resource_server_identifier, x.permission_name, p.description, s.name;

-- What happened that no row tells (logins, mails to send): append-only, published. sealed holds a token for the one
-- hook that may send it, encrypted.
create table auth.auth_events (
    tenant_id  text        not null references auth.tenants on delete cascade,
    id         text        not null default auth.new_id('aev_') check (id <> ''),
    type       text        not null check (type <> ''),
    user_id    text,
    details    jsonb       not null default '{}',
    sealed     bytea,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
create index auth_events_by_age on auth.auth_events (created_at);

-- The tenant's log stream. Hooks write it; it is never published, or a log line would cause the next.
create table auth.logs (
    tenant_id   text        not null,
    log_id      text        not null default auth.new_id('log_') check (log_id <> ''),
    type        text        not null check (type <> ''),
    date        timestamptz not null default now(),
    description text        not null default '',
    user_id     text,
    user_name   text,
    ip          text,
    user_agent  text,
    client_id   text,
    connection  text,
    strategy    text,
    hostname    text,
    details     jsonb       not null default '{}',
    primary key (tenant_id, log_id)
);
create index logs_by_date on auth.logs (tenant_id, date desc);
-- for retention: lines come in the order of their dates, and every request of the API writes one
create index logs_by_age on auth.logs using brin (date);

select latchkey.watch(t::regclass)
  from unnest(array['auth.tenants', 'auth.connections', 'auth.users', 'auth.resource_servers', 'auth.permissions', 'auth.roles',
                    'auth.role_permissions', 'auth.user_roles', 'auth.user_permissions', 'auth.auth_events']) as t;

-- +goose Down
drop schema auth cascade;
