-- Keeps users whose app_metadata says "protected": true from being deleted, by whoever it may be.
create or replace function auth.protected_user(op text, old jsonb, new jsonb) returns jsonb language plpgsql as $$
begin
    if old -> 'app_metadata' @> '{"protected": true}' then
        return latchkey.reject('protected', 'This user is protected');
    end if;
    return null;
end $$;

select latchkey.add_sql_hook('auth.users', 'protected', 'delete', 'auth.protected_user');
