-- Organizations are groups of a tenant's users, with roles of their own and connections that they log in by.

-- +goose Up
create table auth.organizations (
    tenant_id    text        not null references auth.tenants on delete cascade,
    id           text        not null default auth.new_id('org_') check (id <> ''),
    -- as it stands in addresses
    name         text        not null check (name ~ '^[a-z0-9][a-z0-9_-]*$'),
    display_name text        not null default '',
    branding     jsonb       not null default '{}' check (jsonb_typeof(branding) = 'object'),
    metadata     jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint organizations_name_key unique (tenant_id, name)
);

create table auth.organization_members (
    tenant_id       text        not null,
    organization_id text        not null,
    user_id         text        not null,
    created_at      timestamptz not null default now(),
    primary key (tenant_id, organization_id, user_id),
    foreign key (tenant_id, organization_id) references auth.organizations on delete cascade,
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);
create index organization_members_by_user on auth.organization_members (tenant_id, user_id);

-- What a member may do within the organization, besides what its own roles allow.
create table auth.organization_member_roles (
    tenant_id       text        not null,
    organization_id text        not null,
    user_id         text        not null,
    role_id         text        not null,
    created_at      timestamptz not null default now(),
    primary key (tenant_id, organization_id, user_id, role_id),
    foreign key (tenant_id, organization_id, user_id) references auth.organization_members on delete cascade,
    foreign key (tenant_id, role_id) references auth.roles on delete cascade
);
create index organization_member_roles_by_role on auth.organization_member_roles (tenant_id, role_id);

create table auth.organization_connections (
    tenant_id                  text        not null,
    organization_id            text        not null,
    connection_id              text        not null,
    -- whoever logs in by it becomes a member
    assign_membership_on_login boolean     not null default false,
    show_as_button             boolean     not null default true,
    is_signup_enabled          boolean     not null default false,
    created_at                 timestamptz not null default now(),
    updated_at                 timestamptz not null default now(),
    primary key (tenant_id, organization_id, connection_id),
    foreign key (tenant_id, organization_id) references auth.organizations on delete cascade,
    foreign key (tenant_id, connection_id) references auth.connections on delete cascade
);
create index organization_connections_by_connection on auth.organization_connections (tenant_id, connection_id);

select latchkey.watch(t::regclass)
  from unnest(array['auth.organizations', 'auth.organization_members', 'auth.organization_member_roles', 'auth.organization_connections']) as t;

-- +goose Down
drop table auth.organization_connections, auth.organization_member_roles, auth.organization_members, auth.organizations;
