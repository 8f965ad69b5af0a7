-- Refuses users with an e-mail address at a blocked domain, whoever writes them.
create or replace function auth.block_domain(op text, old jsonb, new jsonb) returns jsonb language plpgsql as $$
begin
    if lower(split_part(new ->> 'email', '@', 2)) in ('tempmail.com', 'disposable.com') then
        return latchkey.reject('blocked_domain', 'Signups from disposable email providers are not allowed');
    end if;
    return null; -- the row stays as it is
end $$;

select latchkey.add_sql_hook('auth.users', 'block-domain', 'insert, update', 'auth.block_domain');
