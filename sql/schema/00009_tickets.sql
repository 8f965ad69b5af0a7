-- Tickets are links for one use: verify an e-mail address, change a password. Never published; of the token only the hash stands.

-- +goose Up
create table auth.tickets (
    tenant_id   text        not null,
    id          text        not null default auth.new_id('tkt_') check (id <> ''),
    -- SHA-256 of the token
    hash        bytea       not null check (length(hash) = 32),
    type        text        not null check (type in ('verify_email', 'change_password')),
    user_id     text        not null,
    -- that the link goes to: another address since makes nothing verified
    email       text,
    result_url  text        not null default '',
    client_id   text,
    -- what else the type takes: mark_email_as_verified, includeEmailInRedirect
    options     jsonb       not null default '{}' check (jsonb_typeof(options) = 'object'),
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz,
    primary key (tenant_id, id),
    constraint tickets_hash_key unique (tenant_id, hash),
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);
create index tickets_by_user on auth.tickets (tenant_id, user_id, type);
create index tickets_by_age on auth.tickets (expires_at);

-- +goose Down
drop table auth.tickets;
