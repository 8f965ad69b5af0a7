-- What holds for every writer, not only for the repositories: before-hooks in SQL, and write policies.
--
-- sql_hooks         functions to run before a row is written, kept by add_sql_hook and drop_sql_hook
-- write_policies    what becomes of writes that skip the repositories, kept by set_write_policy
--
-- Both act by triggers, and a table has one only where there is something to do. A trigger carries all it needs in its
-- arguments: it reads no table, so a writer needs no rights here, and only a table's owner decides what runs before its rows.

-- +goose Up

-- Hook functions call reject as whoever writes, and a store checks what it declared. The tables of the engine stay closed.
grant usage on schema latchkey to public;

create table latchkey.sql_hooks (
    table_id   regclass not null,
    name       text     not null check (name ~ '^[A-Za-z][A-Za-z0-9_.:-]{0,62}$'),
    operations text[]   not null,
    priority   int      not null,
    function   text     not null,
    primary key (table_id, name)
);
comment on table latchkey.sql_hooks is 'for reading: the trigger latchkey_before of each table has a copy, so change it by latchkey.add_sql_hook and latchkey.drop_sql_hook';
comment on column latchkey.sql_hooks.priority is 'higher runs first, equal ones by name';

create table latchkey.write_policies (
    table_id regclass primary key,
    policy   text not null check (policy in ('audit', 'reject'))
);
comment on table latchkey.write_policies is 'for reading: the trigger latchkey_unhooked of each table has a copy, so change it by latchkey.set_write_policy';

grant select on latchkey.sql_hooks, latchkey.write_policies to public;

-- reject is how a hook function refuses a write: code for programs, reason for people. LK010 carries the code in its detail.
-- It returns jsonb, so that a function can end with it.
-- +goose StatementBegin
create function latchkey.reject(p_code text, p_reason text) returns jsonb language plpgsql volatile as $$
begin
    raise exception using errcode = 'LK010', message = coalesce(p_reason, 'refused'), detail = coalesce(p_code, 'rejected');
end $$;
-- +goose StatementEnd

-- before_row runs a table's hooks in the order of its arguments, three for each: name, operations, function. old and new
-- are the row as jsonb, without generated columns, which have no value yet.
--
-- Only the columns that a hook changed go back into the row; the others never make the trip through jsonb. So a JSON null
-- stays one, though a hook can't tell it from NULL.
--
-- The literal in each statement stands in the context of an error: it is how db knows whose error it is. LK012 is a hook
-- that can't be called, or whose result can't be used.
-- +goose StatementBegin
create function latchkey.before_row() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    operation text := lower(tg_op);
    hooked    text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass;
    generated text[] := array(select attname from pg_attribute where attrelid = tg_relid and attgenerated <> '');
    old_row   jsonb;
    new_row   jsonb;
    function  regprocedure;
    answer    jsonb;
    changed   jsonb;
    filled    record;
    mark      text;
    problem   text;
    wrong     text;
begin
    if tg_op <> 'INSERT' then
        old_row := to_jsonb(old) - generated;
    end if;
    if tg_op <> 'DELETE' then
        new_row := to_jsonb(new) - generated;
    end if;
    for i in 0 .. tg_nargs - 1 by 3 loop
        continue when not operation = any (string_to_array(tg_argv[i + 1], ','));
        mark := format('hook %s of %s', tg_argv[i], hooked);
        function := to_regprocedure(tg_argv[i + 2] || '(text, jsonb, jsonb)');
        if function is null then
            raise exception using errcode = 'LK012', table = hooked, constraint = tg_argv[i],
                message = format('%s: its function %s(text, jsonb, jsonb) is gone', mark, tg_argv[i + 2]),
                hint = format('Create it again, or remove the hook: select latchkey.drop_sql_hook(%L, %L)', hooked, tg_argv[i]);
        end if;
        execute format('select %s($1, $2, $3), %L', function::regproc, mark) into answer using operation, old_row, new_row;
        continue when answer is null or tg_op = 'DELETE';
        problem := null;
        if jsonb_typeof(answer) <> 'object' then
            problem := format('returned a jsonb %s', jsonb_typeof(answer));
        else
            select jsonb_object_agg(key, value), string_agg(quote_ident(key), ', ') filter (where not new_row ? key)
              into changed, wrong from jsonb_each(answer) where value is distinct from new_row -> key;
            continue when changed is null;
            if wrong is not null then
                problem := format('set %s, which is no column that can be set', wrong);
            end if;
            select string_agg(quote_ident(a.attname), ', ') into wrong
              from pg_index x join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any (x.indkey)
             where x.indrelid = tg_relid and x.indisprimary and changed ? a.attname;
            if wrong is not null then
                problem := format('changed the key (%s)', wrong);
            end if;
        end if;
        if problem is not null then
            raise exception using errcode = 'LK012', table = hooked, constraint = tg_argv[i], message = format('%s %s', mark, problem),
                hint = format('Have %s return null, or an object of columns of %s that are neither of its primary key nor generated', function::regproc, hooked);
        end if;
        execute format('select jsonb_populate_record($1, $2) as it, %L', mark) into filled using new, changed;
        new := filled.it; -- so that new keeps its type
        new_row := to_jsonb(new) - generated;
    end loop;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end $$;
-- +goose StatementEnd

-- hookable finds a table by its name, schema.table.
-- +goose StatementBegin
create function latchkey.hookable(p_table text) returns regclass language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_table pg_class;
begin
    select * into found_table from pg_class where oid = to_regclass(p_table);
    if found_table.oid is null then
        raise exception using errcode = '42P01', message = format('there is no table %s', p_table), hint = 'Name it as schema.table.';
    elsif found_table.relkind not in ('r', 'p') then
        raise exception using errcode = '42809', message = format('%s is no table', p_table), hint = 'Hooks and policies are for tables and partitioned tables.';
    elsif found_table.relispartition then
        raise exception using errcode = '42809', message = format('%s is a partition', p_table),
            hint = format('Name the table that it belongs to: %s', pg_partition_root(found_table.oid));
    end if;
    return found_table.oid;
end $$;
-- +goose StatementEnd

-- add_sql_hook has a function run before each row of a table is written, by whoever writes it, COPY and replica mode
-- included, in the writer's transaction. Called again for the same table and name it replaces the hook; called with what
-- is there already it does nothing. The caller owns the table; its writers are locked out for a moment.
--
--   p_table       'auth.users'
--   p_name        with the table, the hook's identity: a letter, then up to 62 letters, digits, or any of _ . : -
--   p_operations  'insert', 'update', 'delete', or several: 'insert, update'
--   p_function    'schema.function': a function (op text, old jsonb, new jsonb) returns jsonb
--   p_priority    higher runs first, equal ones by name
--   p_body        where given, the function is created, or replaced, with this PL/pgSQL body
--
-- op is 'insert', 'update' or 'delete'; old is null for an insert, new for a delete; generated columns are left out. The
-- function returns null to leave the row as it is, or an object of columns to set: the whole row, or only what changes. A
-- column's null is NULL. The primary key can't be changed: that is an error. For a delete the result is ignored. It refuses
-- by latchkey.reject(code, reason), and by any other error. Each hook sees what the one before it made of the row.
--
-- The function runs with the rights of the writer, who needs usage of its schema, and with search_path pg_catalog: it
-- names schemas, or sets a path of its own. TRUNCATE runs no row trigger.
-- +goose StatementBegin
create function latchkey.add_sql_hook(p_table text, p_name text, p_operations text, p_function text, p_priority int default 0, p_body text default null)
    returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    hooked   regclass := latchkey.hookable(p_table);
    known    constant text[] := array['insert', 'update', 'delete'];
    given    text[] := regexp_split_to_array(lower(trim(p_operations)), '\s*,\s*');
    called   text[];
    function regprocedure;
begin
    if given is null or not given <@ known then
        raise exception using errcode = '22023', message = format('operations %L of hook %s', p_operations, p_name),
            hint = 'They are insert, update, delete, or several of them with commas between.';
    elsif p_name is null or p_name !~ '^[A-Za-z][A-Za-z0-9_.:-]{0,62}$' then
        raise exception using errcode = '22023', message = format('%L can''t name a hook', p_name),
            hint = 'A name is a letter, then up to 62 letters, digits, or any of _ . : -';
    end if;
    given := array(select o from unnest(known) o where o = any (given));
    called := parse_ident(p_function);
    if cardinality(called) is distinct from 2 then
        raise exception using errcode = '22023', message = format('%L does not name a function with its schema', p_function),
            hint = 'Name it as schema.function, without arguments.';
    end if;
    p_function := format('%I.%I', variadic called);
    function := to_regprocedure(p_function || '(text, jsonb, jsonb)');
    if exists (select from latchkey.sql_hooks h join pg_trigger g on g.tgrelid = h.table_id and g.tgname = 'latchkey_before' and g.tgenabled = 'A'
                where h.table_id = hooked and h.name = p_name and h.operations = given and h.priority = p_priority and h.function = p_function)
       and exists (select from pg_proc where oid = function and prosrc = coalesce(p_body, prosrc)) then
        return;
    end if;
    lock table latchkey.sql_hooks in share row exclusive mode; -- one at a time
    if p_body is not null then
        execute format('create or replace function %s(op text, old jsonb, new jsonb) returns jsonb language plpgsql as %L', p_function, p_body);
        function := to_regprocedure(p_function || '(text, jsonb, jsonb)');
    end if;
    if not exists (select from pg_proc where oid = function and prorettype = 'jsonb'::regtype and not proretset and prokind = 'f') then
        raise exception using errcode = '42883', message = format('there is no function %s(text, jsonb, jsonb) that returns jsonb', p_function),
            hint = format('Create it first: create function %s(op text, old jsonb, new jsonb) returns jsonb ...', p_function);
    end if;
    delete from latchkey.sql_hooks where table_id = hooked and name = p_name or not exists (select from pg_class where oid = table_id);
    insert into latchkey.sql_hooks (table_id, name, operations, priority, function) values (hooked, p_name, given, p_priority, p_function);
    perform latchkey.arm(hooked);
end $$;
-- +goose StatementEnd

-- drop_sql_hook removes a hook and says whether there was one. Its function stays.
-- +goose StatementBegin
create function latchkey.drop_sql_hook(p_table text, p_name text) returns boolean language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    hooked regclass := latchkey.hookable(p_table);
begin
    lock table latchkey.sql_hooks in share row exclusive mode;
    delete from latchkey.sql_hooks where table_id = hooked and name = p_name;
    if not found then
        return false;
    end if;
    perform latchkey.arm(hooked);
    return true;
end $$;
-- +goose StatementEnd

-- arm gives a table the trigger that its hooks in sql_hooks ask for, or takes it away. A row trigger of a partitioned table
-- stands on all its leaves, later ones too.
-- +goose StatementBegin
create function latchkey.arm(p_table regclass) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    hooks  text;
    events text;
begin
    select string_agg(format('%L, %L, %L', name, array_to_string(operations, ','), function), ', ' order by priority desc, name collate "C")
      into hooks from latchkey.sql_hooks where table_id = p_table;
    if hooks is null then
        execute format('drop trigger if exists latchkey_before on %s', p_table);
        return;
    end if;
    select string_agg(distinct o, ' or ') into events from latchkey.sql_hooks, unnest(operations) o where table_id = p_table;
    execute format('create or replace trigger latchkey_before before %s on %s for each row execute function latchkey.before_row(%s)', events, p_table, hooks);
    execute format('alter table %s enable always trigger latchkey_before', p_table);
end $$;
-- +goose StatementEnd

-- unhooked_write stops, or marks, a statement of a writer that skips the repositories: the trigger's WHEN has let the app's
-- pass. Its name comes after latchkey_stamp's, so the stamp is there. The mark is in the stamp, ahead of the rows: with it
-- their events say that the table was audited when they were made.
-- +goose StatementBegin
create function latchkey.unhooked_write() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stamp jsonb := coalesce(nullif(current_setting('latchkey.stamped', true), ''), '{"origin": "unknown"}')::jsonb;
begin
    if tg_argv[0] = 'reject' then
        raise exception using errcode = 'LK011', schema = tg_table_schema, table = tg_table_name,
            message = format('%s refuses writes that skip its hooks (write policy reject): write through Latchkey''s repositories', tg_argv[1]),
            hint = format('For this transaction: set local latchkey.context = ''{"origin":"app","actor":"..."}''. For good: select latchkey.set_write_policy(%L, ''allow'')', tg_argv[1]);
    end if;
    if not coalesce(stamp -> 'audit' ? tg_argv[1], false) then
        stamp := stamp || jsonb_build_object('audit', coalesce(stamp -> 'audit', '[]') || to_jsonb(tg_argv[1]));
        perform pg_logical_emit_message(true, 'latchkey', set_config('latchkey.stamped', stamp::text, true));
    end if;
    return null;
end $$;
-- +goose StatementEnd

-- leaves is a table and its partitions: a statement that names a partition fires that one's statement triggers alone.
create function latchkey.leaves(p_table regclass) returns regclass[] language sql stable set search_path = pg_catalog, pg_temp as $$
    select array(select p_table union select relid from pg_partition_tree(p_table))
$$;

-- set_write_policy says what becomes of writes to a table that skip the repositories, and so its before-hooks in Go:
--
--   allow   (the default) they are writes like any other
--   audit   they go through; a listener then runs the before-hooks on what was written, keeps nothing of what they do, and
--           notes in auth.logs what they would have said
--   reject  they fail
--
-- Who skips them is told from the stamp, which any writer can set: this is a guard rail, and no security boundary. Raw SQL
-- in a transaction of the store's counts as the app's. Partitions that are added later need another call.
-- +goose StatementBegin
create function latchkey.set_write_policy(p_table text, p_policy text) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    hooked regclass := latchkey.hookable(p_table);
    leaf   regclass;
begin
    if p_policy is null or p_policy not in ('allow', 'audit', 'reject') then
        raise exception using errcode = '22023', message = format('%L is no write policy', p_policy), hint = 'The policies are allow, audit and reject.';
    end if;
    if not exists (select from unnest(latchkey.leaves(hooked)) l
                    where p_policy is distinct from coalesce((select split_part(encode(tgargs, 'escape'), '\000', 1) from pg_trigger
                                                               where tgrelid = l and tgname = 'latchkey_unhooked' and tgenabled = 'A'), 'allow')) then
        return;
    end if;
    lock table latchkey.write_policies in share row exclusive mode; -- one at a time
    delete from latchkey.write_policies where table_id = hooked or not exists (select from pg_class where oid = table_id);
    if p_policy <> 'allow' then
        insert into latchkey.write_policies (table_id, policy) values (hooked, p_policy);
    end if;
    foreach leaf in array latchkey.leaves(hooked) loop
        if p_policy = 'allow' then
            execute format('drop trigger if exists latchkey_unhooked on %s', leaf);
            continue;
        end if;
        execute format($f$create or replace trigger latchkey_unhooked before insert or update or delete or truncate on %s for each statement
            when (coalesce(current_setting('latchkey.context', true), '') = '' and coalesce(current_setting('latchkey.stamped', true), '') not like '{"origin":"app"%%')
            execute function latchkey.unhooked_write(%L, %L)$f$, leaf, p_policy, hooked);
        execute format('alter table %s enable always trigger latchkey_unhooked', leaf);
    end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function latchkey.before_row() cascade;
drop function latchkey.unhooked_write() cascade;
drop function latchkey.set_write_policy(text, text);
drop function latchkey.leaves(regclass);
drop function latchkey.arm(regclass);
drop function latchkey.drop_sql_hook(text, text);
drop function latchkey.add_sql_hook(text, text, text, text, int, text);
drop function latchkey.hookable(text);
drop function latchkey.reject(text, text);
drop table latchkey.write_policies;
drop table latchkey.sql_hooks;
revoke usage on schema latchkey from public;
