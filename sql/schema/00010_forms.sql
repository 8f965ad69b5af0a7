-- Forms are steps that a login shows its user: hooks name them by form_id.

-- +goose Up
create table auth.forms (
    tenant_id    text        not null references auth.tenants on delete cascade,
    id           text        not null default auth.new_id('form_') check (id <> ''),
    name         text        not null check (name <> ''),
    nodes        jsonb       not null default '[]' check (jsonb_typeof(nodes) = 'array'),
    -- where a form begins, and what comes behind it
    start        jsonb       not null default '{}' check (jsonb_typeof(start) = 'object'),
    ending       jsonb       not null default '{}' check (jsonb_typeof(ending) = 'object'),
    style        jsonb       not null default '{}' check (jsonb_typeof(style) = 'object'),
    languages    jsonb       not null default '{}' check (jsonb_typeof(languages) = 'object'),
    messages     jsonb       not null default '{}' check (jsonb_typeof(messages) = 'object'),
    translations jsonb       not null default '{}' check (jsonb_typeof(translations) = 'object'),
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (tenant_id, id)
);

select latchkey.watch('auth.forms');

-- +goose Down
drop table auth.forms;
