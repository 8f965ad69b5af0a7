-- Demands what a connection's strategy needs, and keeps the last client from being taken away.
create or replace function auth.connection_options(op text, old jsonb, new jsonb) returns jsonb language plpgsql as $$
begin
    if op = 'update' and old -> 'enabled_clients' <> '[]' and new -> 'enabled_clients' = '[]' then
        return latchkey.reject('no_clients', 'Connection must have at least one enabled client');
    end if;
    if new ->> 'strategy' = 'auth0' and coalesce(new -> 'options' ->> 'client_id', '') = '' then
        return latchkey.reject('client_id_missing', 'Auth0 connections require a client_id');
    end if;
    return null;
end $$;

-- After hooks that may still fill the options in.
select latchkey.add_sql_hook('auth.connections', 'options', 'insert, update', 'auth.connection_options', p_priority => -10);
