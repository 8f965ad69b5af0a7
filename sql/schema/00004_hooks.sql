-- Hooks that tenants keep as data, over the API or in SQL: webhooks, forms and pages. Nothing here is published, and no
-- write here runs a hook: a bad one can always be taken away.
--
-- auth.hooks             what is to be called, and when
-- auth.hook_secrets      what signs its requests and what stands in its headers, sealed
-- latchkey.hook_changes  tells each group's owner to read them again

-- +goose Up

-- new_hook_id makes hook_ and 21 characters of base 62.
-- +goose StatementBegin
create function auth.new_hook_id() returns text language sql volatile as $$
    select 'hook_' || string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 1 + get_byte(b, i) % 62, 1), '')
      from (select uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) as b) r, generate_series(9, 29) i
$$;
-- +goose StatementEnd

create table auth.hooks (
    tenant_id           text        not null references auth.tenants on delete cascade,
    hook_id             text        not null default auth.new_hook_id() check (hook_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    name                text        not null default '',
    trigger_id          text        not null check (trigger_id <> ''),
    url                 text,
    form_id             text,
    page_id             text,
    permission_required text,
    enabled             boolean     not null default true,
    -- higher ones are asked first
    priority            int         not null default 0,
    -- of updates, only those that changed one of these columns; empty: all
    when_changed        text[]      not null default '{}',
    -- what a synchronous webhook without a usable answer decides
    on_error            text        not null default 'deny' check (on_error in ('deny', 'allow')),
    timeout_ms          int check (timeout_ms between 1000 and 30000),
    -- requests a second
    rate_limit          double precision check (rate_limit > 0),
    -- paused by an operator; disabled by us, with the reason: its receiver wants no more, or is gone
    status              text        not null default 'active' check (status in ('active', 'paused', 'disabled')),
    status_reason       text        not null default '',
    metadata            jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    -- what committed before it is none of this hook's
    start_lsn           pg_lsn      not null default pg_current_wal_insert_lsn(),
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    primary key (tenant_id, hook_id),
    constraint hooks_kind check (num_nonnulls(url, form_id, page_id) = 1)
);
create index hooks_by_trigger on auth.hooks (tenant_id, trigger_id, priority desc, created_at);

-- Sealed with the server's key, for whoever opens it as hook/<tenant>/<hook>/<kind>. signing: the key of the signatures, as
-- text (whsec_...); headers: a JSON object.
create table auth.hook_secrets (
    tenant_id  text        not null,
    hook_id    text        not null,
    id         bigint generated always as identity,
    kind       text        not null check (kind in ('signing', 'headers')),
    sealed     bytea       not null,
    created_at timestamptz not null default now(),
    -- of a signing secret that was replaced: until then both sign
    expires_at timestamptz,
    primary key (tenant_id, hook_id, id),
    foreign key (tenant_id, hook_id) references auth.hooks on delete cascade
);

-- A row for each group and change, taken away by the group's owner. Rows, and not a counter, so that no two writers wait
-- for each other, and none is seen before its change is.
create table latchkey.hook_changes (
    id         bigint generated always as identity primary key,
    group_name text not null
);

-- +goose StatementBegin
create function latchkey.hooks_changed() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into latchkey.hook_changes (group_name) select group_name from latchkey.owner;
    return null;
end $$;
-- +goose StatementEnd
create trigger latchkey_changed after insert or update or delete or truncate on auth.hooks for each statement execute function latchkey.hooks_changed();
create trigger latchkey_changed after insert or update or delete or truncate on auth.hook_secrets for each statement execute function latchkey.hooks_changed();
alter table auth.hooks enable always trigger latchkey_changed;
alter table auth.hook_secrets enable always trigger latchkey_changed;

-- A hook that is switched on again, or waits for something else, begins with what commits from then on.
-- +goose StatementBegin
create function auth.hook_begins() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.start_lsn := pg_current_wal_insert_lsn();
    return new;
end $$;
-- +goose StatementEnd
create trigger hook_begins before update on auth.hooks for each row
    when (new.enabled and not old.enabled or new.trigger_id <> old.trigger_id) execute function auth.hook_begins();

-- require_asked raises LK020 unless those who were asked are all who have to be: the tenant's enabled webhooks of a trigger that
-- is asked before a write. It stands in the write's own round trip, so a hook counts from its commit on, whoever made it.
-- +goose StatementBegin
create function auth.require_asked(p_tenant text, p_trigger text, p_asked text[]) returns void
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from auth.hooks h
                where h.tenant_id = p_tenant and h.trigger_id = p_trigger and h.enabled and h.status = 'active' and h.url is not null
                  and h.hook_id <> all (p_asked)) then
        raise exception using errcode = 'LK020', message = p_trigger, hint = 'A synchronous webhook has to be asked before the write.';
    end if;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table auth.hook_secrets, auth.hooks;
drop function auth.require_asked, auth.hook_begins, auth.new_hook_id, latchkey.hooks_changed;
drop table latchkey.hook_changes;
