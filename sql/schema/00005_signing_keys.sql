-- The keys that sign tokens. Never published; the private part is sealed with the server's key.

-- +goose Up
create table auth.signing_keys (
    kid          text        primary key check (kid <> ''),
    alg          text        not null check (alg in ('RS256', 'EdDSA')),
    public_jwk   jsonb       not null check (public_jwk ->> 'kid' = kid),
    -- of the private part, as signing-key/<kid>; a retired key has none any more
    sealed       bytea,
    -- next: published, so that it is known by the time that it signs; current: signs; retired: published until the last
    -- token that it signed has expired
    state        text        not null check (state in ('next', 'current', 'retired')),
    created_at   timestamptz not null default now(),
    activated_at timestamptz,
    retired_at   timestamptz,
    constraint signing_keys_sealed check ((state = 'retired') = (sealed is null)),
    constraint signing_keys_times check ((state = 'next') = (activated_at is null) and (state = 'retired') = (retired_at is not null))
);
-- one signs, and one will
create unique index signing_keys_state_key on auth.signing_keys (state) where state <> 'retired';

-- +goose Down
drop table auth.signing_keys;
