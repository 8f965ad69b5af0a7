-- Schema latchkey: the engine's own tables. None of them is ever published.
--
-- owner, lease     which process owns a group's slot, by epoch
-- hook_sets        which hooks the group's programs have, newest last
-- position         how far the stream is stored
-- relations        the shapes that stored rows have (columns as they were then)
-- event_batches    the log; latchkey.events is its readable view
-- spool            rows of a set change (role permissions) while their transaction still arrives in chunks
-- subscriptions    one per hook and run, with its cursor
-- acks, ack_batches  what is settled above a cursor
-- deliveries       a row for each delivery that failed, or waits behind one that did, and for all of a webhook's
-- backfills        rows that a table has already, read to be given to one hook: how far, and what waits

-- +goose Up
create schema latchkey;

create table latchkey.owner (
    group_name text primary key,
    epoch      bigint      not null default 0,
    instance   text        not null default '',
    taken_at   timestamptz not null default now(),
    -- false while a term runs: what finds it false at its start follows a crash
    clean      boolean     not null default true
);
comment on column latchkey.owner.epoch is 'raised by every takeover; whoever carries an older one can commit nothing';

-- A row of its own: renewing it must not touch the row that every commit reads.
create table latchkey.lease (
    group_name   text primary key references latchkey.owner on delete cascade,
    epoch        bigint      not null default 0,
    expires_at   timestamptz not null default '-infinity',
    -- the owner's hooks, and until when a process with newer ones is known to wait
    hook_set     bigint      not null default 0,
    wanted_set   bigint      not null default 0,
    wanted_until timestamptz not null default '-infinity',
    -- raised by whoever changes subscriptions or deliveries from outside: the owner then reads them again
    control      bigint      not null default 0
);

-- Every set of hooks that a process of the group has registered; the newest has the highest number.
create table latchkey.hook_sets (
    number     bigint generated always as identity primary key,
    group_name text        not null references latchkey.owner on delete cascade,
    hooks      text[]      not null,
    seen_at    timestamptz not null default now(),
    unique (group_name, hooks)
);

create table latchkey.position (
    group_name         text primary key references latchkey.owner on delete cascade,
    slot               text   not null,
    publication        text   not null,
    system_identifier  text   not null,
    timeline           bigint not null,
    -- counts the slots that this group has had
    generation         bigint not null default 1,
    state              text   not null default 'creating' check (state in ('creating', 'live')),
    consistent_lsn     pg_lsn not null default '0/0',
    done_lsn           pg_lsn not null default '0/0',
    partial_commit_lsn pg_lsn not null default '0/0',
    partial_ordinal    bigint not null default 0,
    next_seq           bigint not null default 1,
    unreadable_lsn     pg_lsn not null default '0/0',
    -- the first event that the log still has: retention moves it
    first_seq          bigint not null default 1
);
comment on column latchkey.position.done_lsn is 'end of the last transaction that is stored whole; only this is acknowledged';
comment on column latchkey.position.unreadable_lsn is 'commit of the transaction that stopped the listener: the one that skip may pass over';
comment on column latchkey.position.partial_ordinal is 'last change stored of the transaction that commits at partial_commit_lsn';

create table latchkey.relations (
    id           bigint generated always as identity primary key,
    schema_name  text   not null,
    table_name   text   not null,
    -- schema.table, in double quotes where it needs them
    name         text   not null,
    columns      text[] not null,
    type_oids    bigint[] not null,
    key_columns  text[] not null,
    -- columns whose values never reach the log
    generated    text[] not null,
    unique (schema_name, table_name, columns, type_oids, key_columns, generated)
);

create table latchkey.event_batches (
    group_name   text        not null,
    first_seq    bigint      not null,
    last_seq     bigint      not null,
    -- of its last transaction
    commit_lsn   pg_lsn      not null,
    committed_at timestamptz not null,
    events       text        not null,
    -- of events, so that a reader can stop before it has read too much
    bytes        bigint      not null,
    primary key (group_name, first_seq)
) partition by range (group_name, first_seq);
comment on column latchkey.event_batches.events is 'a JSON array, one element an event, in the order of seq; read it through latchkey.events';

-- lz4 costs a tenth of pglz here; a server built without it keeps its default.
-- +goose StatementBegin
do $$
begin
    alter table latchkey.event_batches alter column events set compression lz4;
exception when feature_not_supported then
    null;
end $$;
-- +goose StatementEnd

-- make_partition makes the part of the log that begins at an event and returns where it ends. By LIKE and ATTACH, whose
-- locks let readers and writers go on; CREATE ... PARTITION OF would queue behind a pg_dump, and ingest behind it. Made and
-- dropped as their owner, so that the listener's role needs no right to change the schema.
-- +goose StatementBegin
create function latchkey.make_partition(p_group text, p_from bigint, p_events bigint) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    part text := format('event_batches_%s_%s', p_group, p_from);
begin
    if to_regclass(format('latchkey.%I', part)) is null then
        execute format('create table latchkey.%I (like latchkey.event_batches including all)', part);
        execute format('alter table latchkey.event_batches attach partition latchkey.%I for values from (%L, %s) to (%L, %s)',
            part, p_group, p_from, p_group, p_from + p_events);
    end if;
    return p_from + p_events;
end $$;
-- +goose StatementEnd

-- partitions tells of the log's parts: where each begins and ends.
create function latchkey.partitions() returns table (part regclass, group_name text, from_seq bigint, to_seq bigint) language sql stable as $$
    select c.oid::regclass, m[1], m[2]::bigint, m[4]::bigint
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
     cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), $r$FROM \('([a-z0-9_]+)', '(\d+)'\) TO \('([a-z0-9_]+)', '(\d+)'\)$r$) as m
     where i.inhparent = 'latchkey.event_batches'::regclass
$$;

-- drop_partition drops a part of the log if its events are all below p_seq: those of its last batch may go on beyond its
-- end. The caller sets lock_timeout.
-- +goose StatementBegin
create function latchkey.drop_partition(p_part regclass, p_seq bigint) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    needed boolean;
begin
    if not exists (select from latchkey.partitions() where part = p_part and to_seq <= p_seq) then
        raise exception 'latchkey: % is no part of the log that lies below event %', p_part, p_seq;
    end if;
    execute format('select exists (select from %s where last_seq >= %s)', p_part, p_seq) into needed;
    if not needed then
        execute format('drop table %s', p_part);
    end if;
    return not needed;
end $$;
-- +goose StatementEnd

-- Both work with their owner's rights: only the listener's role is to have them.
revoke execute on function latchkey.make_partition, latchkey.drop_partition from public;

create table latchkey.spool (
    group_name text   not null,
    commit_lsn pg_lsn not null,
    ordinal    bigint not null,
    change     text   not null,
    primary key (group_name, commit_lsn, ordinal)
);

create table latchkey.subscriptions (
    id         bigint generated always as identity primary key,
    group_name text   not null references latchkey.owner on delete cascade,
    -- of a webhook: webhook/<tenant>, and its id
    table_name text   not null,
    hook       text   not null,
    -- 0 is the ordinary run, others are replays and backfills
    run        bigint not null default 0,
    kind       text   not null default 'live' check (kind in ('live', 'replay', 'backfill')),
    status     text   not null default 'active' check (status in ('active', 'paused', 'done')),
    start_lsn  pg_lsn not null,
    first_seq  bigint not null default 1,
    cursor_seq bigint not null,
    -- where a replay ends; of a backfill, what is read so far
    until_seq  bigint,
    created_at  timestamptz not null default now(),
    paused_at   timestamptz,
    finished_at timestamptz,
    unique (group_name, table_name, hook, run)
) with (fillfactor = 50);
comment on column latchkey.subscriptions.start_lsn is 'events that committed before it are not this hook''s';
comment on column latchkey.subscriptions.cursor_seq is 'every event up to it is settled';

-- One row a delivery that settled in a transaction of its own. The primary key is what makes "done" happen once.
create table latchkey.acks (
    subscription_id bigint not null references latchkey.subscriptions on delete cascade,
    seq             bigint not null,
    primary key (subscription_id, seq)
);

-- Deliveries that used no transaction, many to a row.
create table latchkey.ack_batches (
    id              bigint generated always as identity primary key,
    subscription_id bigint   not null references latchkey.subscriptions on delete cascade,
    max_seq         bigint   not null,
    seqs            bigint[] not null
);

create table latchkey.deliveries (
    subscription_id bigint not null references latchkey.subscriptions on delete cascade,
    seq             bigint not null,
    entities        text[] not null, -- one, or two where the change was of the key
    status          text   not null check (status in ('running', 'retry', 'held', 'dead', 'done', 'discarded')),
    attempt         int    not null default 0,
    next_attempt_at timestamptz,
    last_error      text,
    -- its event, once retention has taken that from the log
    event           text,
    -- when someone asked to retry or discard it
    asked_at        timestamptz,
    -- of a webhook: what its event is called outside, and what came of its attempts (the last 20), as JSON
    event_id        text,
    attempts        jsonb,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (subscription_id, seq)
) with (fillfactor = 70);
create index deliveries_asked on latchkey.deliveries (subscription_id, seq) where asked_at is not null;
create index deliveries_unfinished on latchkey.deliveries (subscription_id, seq) where status in ('running', 'retry', 'held', 'dead');
-- a webhook's last success: all of its done ones have a row
create index deliveries_done on latchkey.deliveries (subscription_id, updated_at) where status = 'done';

create table latchkey.backfills (
    subscription_id bigint primary key references latchkey.subscriptions on delete cascade,
    -- the key of the last row read; null before the first
    last_key  text[],
    estimated bigint  not null,
    complete  boolean not null default false
);

-- As event_batches, for one run of one hook. seq counts from 1.
create table latchkey.backfill_batches (
    subscription_id bigint not null references latchkey.subscriptions on delete cascade,
    first_seq       bigint not null,
    last_seq        bigint not null,
    events          text   not null,
    bytes           bigint not null,
    primary key (subscription_id, first_seq)
);

create view latchkey.events as
select b.group_name,
       b.first_seq                                         as batch_first_seq,
       b.first_seq + t.n - 1                               as seq,
       (t.e ->> 'lsn')::pg_lsn                             as commit_lsn,
       (t.e ->> 'ord')::bigint                             as ordinal,
       (t.e ->> 'xid')::bigint                             as xid,
       (t.e ->> 'at')::timestamptz                         as committed_at,
       r.name                                              as table_name,
       t.e ->> 'op'                                        as operation,
       t.e ->> 'key'                                       as key,
       t.e ->> 'tenant'                                    as tenant_id,
       coalesce(t.e -> 'stamp' ->> 'origin', 'unknown')    as origin,
       (t.e -> 'stamp')::jsonb                             as stamp,
       case when t.e -> 'old' is not null then jsonb_object(r.columns, array(select v from json_array_elements_text(t.e -> 'old') with ordinality as o (v, i) order by i)) end as old_row,
       case when t.e -> 'new' is not null then jsonb_object(r.columns, array(select v from json_array_elements_text(t.e -> 'new') with ordinality as o (v, i) order by i)) end as new_row,
       (select jsonb_agg(jsonb_object(r.columns, array(select v from json_array_elements_text(m) with ordinality as o (v, i) order by i)))
          from json_array_elements(t.e -> 'rows') as m)     as rows,
       array(select c from unnest(r.columns) with ordinality as u (c, i)
              where t.e -> 'old' is not null and (t.e -> 'old' ->> (i::int - 1)) is distinct from (t.e -> 'new' ->> (i::int - 1))
                and t.e ->> 'op' = 'update' and not coalesce((t.e -> 'unknown')::jsonb @> to_jsonb(i - 1), false)
                and not coalesce((t.e -> 'old_unknown')::jsonb @> to_jsonb(i - 1), false)) as changed_columns,
       array(select r.columns[i::int + 1] from json_array_elements_text(t.e -> 'unknown') as u (i)) as unknown_columns
  from latchkey.event_batches b
 cross join lateral json_array_elements(b.events::json) with ordinality as t (e, n)
  left join latchkey.relations r on r.id = (t.e ->> 'rel')::bigint;
comment on view latchkey.events is 'the log, an event a row; values are in Postgres'' text form';

-- events_after reads the events of a group that follow one, without opening the rows before it.
create function latchkey.events_after(p_group text, p_seq bigint) returns setof latchkey.events language sql stable as $$
    select e.* from latchkey.events e
     where e.group_name = p_group and e.seq > p_seq
       and e.batch_first_seq >= coalesce((select max(first_seq) from latchkey.event_batches where group_name = p_group and first_seq <= p_seq + 1), 0)
$$;

-- fence raises LK001 unless epoch is the group's: whoever lost the group commits nothing from here on. The shared lock
-- lives until commit, and a takeover takes the same one exclusively, so nobody loses the group between check and commit.
-- VOLATILE: the read must see what committed while the lock was waited for.
-- +goose StatementBegin
create function latchkey.fence(p_group text, p_epoch bigint) returns void language plpgsql volatile as $$
begin
    perform pg_catalog.pg_advisory_xact_lock_shared(1819042912, pg_catalog.hashtext(p_group));
    if (select epoch from latchkey.owner where group_name = p_group) is distinct from p_epoch then
        raise exception using errcode = 'LK001',
            message = pg_catalog.format('epoch %s of group %L is over: another process owns it now', p_epoch, p_group);
    end if;
end $$;
-- +goose StatementEnd

-- seal is the last statement before a hook transaction's COMMIT; the ack, or finish, precedes it. LK002: the hook ended
-- the transaction that it was given (its tag is gone, so its ack would not commit with its effects). LK003: a delivery
-- without a row of its own (p_attempt 0) lies below the cursor, so it was settled by someone else.
-- +goose StatementBegin
create function latchkey.seal(p_group text, p_epoch bigint, p_subscription bigint, p_seq bigint, p_attempt int, p_tag text) returns void
    language plpgsql volatile as $$
begin
    if pg_catalog.current_setting('latchkey.delivery', true) is distinct from p_tag then
        raise exception using errcode = 'LK002', message = 'the hook ended the transaction that it was given';
    end if;
    perform latchkey.fence(p_group, p_epoch);
    if p_attempt = 0 and (select cursor_seq from latchkey.subscriptions where id = p_subscription) >= p_seq then
        raise exception using errcode = 'LK003', message = pg_catalog.format('delivery %s of subscription %s is settled already', p_seq, p_subscription);
    end if;
end $$;
-- +goose StatementEnd

-- finish closes the attempt of a delivery that has a row. LK003: that attempt is not the open one.
-- +goose StatementBegin
create function latchkey.finish(p_subscription bigint, p_seq bigint, p_attempt int, p_status text, p_next timestamptz, p_error text) returns void
    language plpgsql volatile as $$
begin
    update latchkey.deliveries
       set status = p_status, next_attempt_at = p_next, last_error = coalesce(p_error, last_error), updated_at = now()
     where subscription_id = p_subscription and seq = p_seq and status = 'running' and attempt = p_attempt;
    if not found then
        raise exception using errcode = 'LK003', message = pg_catalog.format('attempt %s of delivery %s of subscription %s is closed', p_attempt, p_seq, p_subscription);
    end if;
end $$;
-- +goose StatementEnd

-- stamp_statement says who writes, once a transaction, for writers that said nothing themselves: in a transaction that
-- our code began, what it left in latchkey.context; otherwise the role, application and address of the session.
-- +goose StatementBegin
create function latchkey.stamp_statement() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stamp text := coalesce(current_setting('latchkey.context', true), '');
begin
    if stamp = '' then
        stamp := json_build_object('origin', 'external', 'role', session_user,
            'application_name', current_setting('application_name'), 'client_addr', host(inet_client_addr()))::text;
    end if;
    perform pg_logical_emit_message(true, 'latchkey', set_config('latchkey.stamped', stamp, true));
    return null;
end $$;
-- +goose StatementEnd

-- watch makes a table ready for hooks: whole old rows in the log, and the stamp's trigger, which fires in replica mode too.
-- It covers the partitions of a partitioned table, which keep an identity and triggers of their own, but not those that
-- come later: call it again, or let the listener do it.
-- +goose StatementBegin
create function latchkey.watch(p_table regclass) returns void language plpgsql as $$
declare
    part regclass;
begin
    for part in select p_table union select t.relid from pg_partition_tree(p_table) t join pg_class c on c.oid = t.relid where c.relkind <> 'f' loop
        if (select relreplident from pg_class where oid = part) <> 'f' then
            execute format('alter table only %s replica identity full', part);
        end if;
        if not exists (select from pg_trigger where tgrelid = part and tgname = 'latchkey_stamp') then
            execute format($f$create trigger latchkey_stamp before insert or update or delete or truncate on %s
                for each statement when (coalesce(current_setting('latchkey.stamped', true), '') = '')
                execute function latchkey.stamp_statement()$f$, part);
        end if;
        if (select tgenabled from pg_trigger where tgrelid = part and tgname = 'latchkey_stamp') <> 'A' then
            execute format('alter table only %s enable always trigger latchkey_stamp', part);
        end if;
    end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop schema latchkey cascade;
