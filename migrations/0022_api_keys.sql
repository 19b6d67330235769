-- Keys of clients. Nothing that was there is touched: an older program works beside it, and asks nobody
-- for a key.
create table api_keys (
    id uuid primary key,
    tenant text not null check (tenant ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text not null check (length(name) between 1 and 100),
    hash bytea not null check (length(hash) = 32),
    scopes text[] not null
        check (cardinality(scopes) > 0 and scopes <@ array['read', 'submit', 'admin']),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    constraint api_keys_hash_is_one_key unique (hash)
);
comment on table api_keys is 'Keys of clients. The key itself is shown once and stored nowhere.';
comment on column api_keys.id is 'UUID v7: its order is the order of creation.';
comment on column api_keys.tenant is 'Whose jobs and results the key reaches.';
comment on column api_keys.hash is
    'SHA-256 of the key, which has 256 random bits: nothing can be guessed that a slow hash would protect.';
comment on column api_keys.scopes is 'read, submit, admin; admin includes the others.';
comment on column api_keys.expires_at is 'Not valid from then on; null: for ever. A rotation sets it.';
comment on column api_keys.revoked_at is 'Not valid any more since then.';
comment on column api_keys.last_used_at is 'To the minute or so.';
create index api_keys_by_tenant on api_keys (tenant);
