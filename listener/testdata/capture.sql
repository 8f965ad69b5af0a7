-- What the seed corpus of FuzzDecode was captured from: messages of a real Postgres 15, one file each. To do it again,
-- run this against a throwaway server (wal_level = logical), and print what the slot has:
--
--	select data from pg_logical_slot_peek_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p', 'messages', 'true');
create type mood as enum ('sad', 'glad');
create domain short as text check (length(value) < 10);
create table roles (tenant_id text, id text, name text, feel mood, label short, meta jsonb, raw bytea, at timestamptz, primary key (tenant_id, id));
create table wide (id int primary key, big text, n int);
create table narrow (id int primary key, big text, n int);
create table role_permissions (tenant_id text, role_id text, permission text, primary key (tenant_id, role_id, permission));
create table keyless (a int, b text);
create table parent (id int, at date, primary key (id, at)) partition by range (at);
create table parent_2024 partition of parent for values from ('2024-01-01') to ('2025-01-01');
create table parent_2025 partition of parent for values from ('2025-01-01') to ('2026-01-01');
alter table wide alter column big set storage external;
alter table narrow alter column big set storage external;
alter table roles replica identity full;
alter table wide replica identity full;
alter table role_permissions replica identity full;
alter table keyless replica identity full;
alter table parent_2024 replica identity full;
alter table parent_2025 replica identity full;
create publication p for table roles, wide, narrow, role_permissions, keyless, parent with (publish_via_partition_root = true);
select pg_create_logical_replication_slot('s', 'pgoutput');

-- texts, NULLs, types of the user's own; a stamp ahead of the rows
begin;
select pg_logical_emit_message(true, 'latchkey', '{"origin":"app","actor":"anna"}');
insert into roles values ('t1', 'r1', '', null, 'x', '{"a": [1, null]}', '\x00ff', '2024-05-06 07:08:09.123456+02');
insert into roles values ('t1', 'r2', E'quote " backslash \\ tab \t line \n snow ☃ emoji 😀 sep \u2028', 'glad', null, null, null, null);
commit;
-- updates: a value, the key, the tenant
update roles set name = 'admin' where id = 'r1';
update roles set id = 'r3' where id = 'r2';
update roles set tenant_id = 't2' where id = 'r3';
delete from roles where id = 'r3';
-- values out of line: unchanged under FULL, and under the default identity
insert into wide values (1, repeat('w', 3000), 1);
update wide set n = 2;
insert into narrow values (1, repeat('n', 3000), 1);
update narrow set n = 2;
update narrow set id = 2;
delete from narrow;
-- a set; what is assigned and removed within one transaction
begin;
insert into role_permissions values ('t1', 'r1', 'read'), ('t1', 'r1', 'write');
delete from role_permissions where permission = 'write';
update role_permissions set permission = 'list' where permission = 'read';
commit;
insert into keyless values (1, null);
update keyless set b = '';
-- a row that moves is a delete and an insert
insert into parent values (1, '2024-06-01');
update parent set at = '2025-06-01';
-- one message for many tables; another one, not of a transaction
truncate roles, wide, keyless restart identity cascade;
select pg_logical_emit_message(false, 'other', 'beside');
-- columns that change between the rows of a transaction
begin;
insert into roles (tenant_id, id, name) values ('t1', 'r4', 'before');
alter table roles add column extra int default 7;
insert into roles (tenant_id, id, name) values ('t1', 'r5', 'added');
alter table roles drop column label;
alter table roles rename column name to title;
alter table roles alter column extra type text;
update roles set title = 'after' where id = 'r5';
commit;
-- a savepoint takes its rows along
begin;
insert into role_permissions values ('t1', 'r5', 'kept');
savepoint s;
insert into role_permissions values ('t1', 'r5', 'gone');
rollback to s;
commit;
-- where a replicated transaction came from
select pg_replication_origin_create('elsewhere');
select pg_replication_origin_session_setup('elsewhere');
begin;
select pg_replication_origin_xact_setup('0/ABCDEF', '2024-01-02 03:04:05+00');
insert into keyless values (2, 'from elsewhere');
commit;
select pg_replication_origin_session_reset();
