-- What logins leave. None of it is published: of all that opens something only the hash stands (SHA-256), and a login under
-- way is nobody's business but the server's. What hooks hear of is raised as a row of auth.auth_events.

-- +goose Up

-- A browser in which a user is logged in.
create table auth.sessions (
    tenant_id        text        not null,
    id               text        not null default auth.new_id('sess_') check (id <> ''),
    -- of the cookie
    hash             bytea       not null check (length(hash) = 32),
    user_id          text        not null,
    connection       text        not null default '',
    -- how the user showed who it is: [{"name": "pwd", "timestamp": "..."}]
    methods          jsonb       not null default '[]' check (jsonb_typeof(methods) = 'array'),
    -- that were logged in to in it
    client_ids       text[]      not null default '{}',
    ip               text,
    user_agent       text,
    created_at       timestamptz not null default now(),
    authenticated_at timestamptz not null default now(),
    used_at          timestamptz not null default now(),
    idle_expires_at  timestamptz not null,
    expires_at       timestamptz not null,
    ended_at         timestamptz,
    primary key (tenant_id, id),
    constraint sessions_hash_key unique (tenant_id, hash),
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);
create index sessions_by_user on auth.sessions (tenant_id, user_id) where ended_at is null;
create index sessions_by_expiry on auth.sessions (expires_at);

-- A login, from the authorization request to the code: a state machine, each step of which names the steps that it may follow.
create table auth.login_sessions (
    tenant_id       text        not null,
    id              text        not null default auth.new_id('login_') check (id <> ''),
    -- of the state in the pages' URLs, and of the cookie of the browser that began it
    state_hash      bytea       not null check (length(state_hash) = 32),
    browser_hash    bytea       check (length(browser_hash) = 32),
    step            text        not null default 'identifier',
    client_id       text        not null,
    -- what was asked for: redirect_uri, scope, audience, state, nonce, code_challenge, ...
    request         jsonb       not null default '{}' check (jsonb_typeof(request) = 'object'),
    connection      text        not null default '',
    user_id         text,
    session_id      text,
    methods         jsonb       not null default '[]' check (jsonb_typeof(methods) = 'array'),
    -- what PostLogin's hooks made of it: claims, and where they stopped
    outcome         jsonb       not null default '{}' check (jsonb_typeof(outcome) = 'object'),
    -- what forms and pages collected; never a password or a code
    answers         jsonb       not null default '{}' check (jsonb_typeof(answers) = 'object'),
    ip              text,
    user_agent      text,
    -- of the authorization code
    code_hash       bytea       check (length(code_hash) = 32),
    code_expires_at timestamptz,
    code_used_at    timestamptz,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    expires_at      timestamptz not null,
    primary key (tenant_id, id),
    -- of all tenants: a state that comes back says whose login it is of
    constraint login_sessions_state_key unique (state_hash),
    constraint login_sessions_code_key unique (tenant_id, code_hash),
    foreign key (tenant_id, client_id) references auth.clients on delete cascade,
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);
create index login_sessions_by_user on auth.login_sessions (tenant_id, user_id);
create index login_sessions_by_client on auth.login_sessions (tenant_id, client_id);
create index login_sessions_by_expiry on auth.login_sessions (expires_at);

-- Refresh tokens rotate: each is used once and followed by another of its family, all of which end at the same time. One that
-- is used again ends the family.
create table auth.refresh_tokens (
    tenant_id        text        not null,
    id               text        not null default auth.new_id('rt_') check (id <> ''),
    -- the login or the exchange that it began with, as tokens name it
    family_id        text        not null check (family_id <> ''),
    hash             bytea       not null check (length(hash) = 32),
    client_id        text        not null,
    user_id          text        not null,
    session_id       text,
    audience         text        not null default '',
    scope            text[]      not null default '{}',
    methods          jsonb       not null default '[]' check (jsonb_typeof(methods) = 'array'),
    -- of PostLogin's hooks, for the tokens to come
    claims           jsonb       not null default '{}' check (jsonb_typeof(claims) = 'object'),
    authenticated_at timestamptz not null,
    created_at       timestamptz not null default now(),
    used_at          timestamptz,
    idle_expires_at  timestamptz,
    expires_at       timestamptz not null,
    revoked_at       timestamptz,
    primary key (tenant_id, id),
    constraint refresh_tokens_hash_key unique (tenant_id, hash),
    foreign key (tenant_id, client_id) references auth.clients on delete cascade,
    foreign key (tenant_id, user_id) references auth.users on delete cascade
);
create index refresh_tokens_by_family on auth.refresh_tokens (tenant_id, family_id);
create index refresh_tokens_by_user on auth.refresh_tokens (tenant_id, user_id) where revoked_at is null;
create index refresh_tokens_by_client on auth.refresh_tokens (tenant_id, client_id);
create index refresh_tokens_by_expiry on auth.refresh_tokens (expires_at);

-- Codes that are sent to an address: one at a time for each, few tries.
create table auth.login_codes (
    tenant_id  text        not null references auth.tenants on delete cascade,
    connection text        not null,
    -- lowercased
    address    text        not null check (address <> ''),
    id         text        not null default auth.new_id('code_'),
    hash       bytea       not null check (length(hash) = 32),
    client_id  text,
    -- what the login that asked for it is to be continued with, for a link
    request    jsonb       not null default '{}' check (jsonb_typeof(request) = 'object'),
    tries      int         not null default 0,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (tenant_id, connection, address)
);
create index login_codes_by_expiry on auth.login_codes (expires_at);

-- Tries that failed, counted by what is tried: an account, an address. The name is hashed, as people type passwords into the
-- wrong field.
create table auth.tries (
    tenant_id  text        not null references auth.tenants on delete cascade,
    kind       text        not null check (kind <> ''),
    name_hash  bytea       not null check (length(name_hash) = 32),
    count      int         not null default 0,
    began_at   timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (tenant_id, kind, name_hash)
);
create index tries_by_expiry on auth.tries (expires_at);

-- Ids that tokens carry (jti, sid, grant) and that ended before the token does. A row is needed until the last of these expires.
create table auth.revocations (
    tenant_id  text        not null references auth.tenants on delete cascade,
    id         text        not null check (id <> ''),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (tenant_id, id)
);
create index revocations_by_expiry on auth.revocations (expires_at);

-- +goose Down
drop table auth.revocations, auth.tries, auth.login_codes, auth.refresh_tokens, auth.login_sessions, auth.sessions;
