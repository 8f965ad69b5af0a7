-- Jobs are what takes longer than a request: users that are imported or exported. Never published: the users that an import
-- writes are, one by one.

-- +goose Up
create table auth.jobs (
    tenant_id     text        not null references auth.tenants on delete cascade,
    id            text        not null default auth.new_id('job_') check (id <> ''),
    type          text        not null check (type in ('users_import', 'users_export')),
    status        text        not null default 'pending' check (status in ('pending', 'processing', 'completed', 'failed')),
    status_reason text        not null default '',
    connection_id text,
    upsert        boolean     not null default false,
    external_id   text        not null default '',
    -- what else the type takes: an export's format, fields and limit
    options       jsonb       not null default '{}' check (jsonb_typeof(options) = 'object'),
    -- of 100
    percentage    int         not null default 0 check (percentage between 0 and 100),
    -- users that are settled, with those that failed: where a worker goes on
    processed     bigint      not null default 0,
    inserted      bigint      not null default 0,
    updated       bigint      not null default 0,
    failed        bigint      not null default 0,
    -- how often it was claimed. Only the last claim may write, and only one whose lease has ended is claimed again
    claims        int         not null default 0,
    -- the most that was ever processed (an export begins anew), and how often it was claimed since that grew
    reached       bigint      not null default 0,
    fruitless     int         not null default 0,
    leased_until  timestamptz,
    created_at    timestamptz not null default now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    primary key (tenant_id, id)
);
create index jobs_open on auth.jobs (created_at) where status in ('pending', 'processing');
create index jobs_over on auth.jobs (finished_at) where finished_at is not null;

-- What was uploaded, until the import is over; what an export made.
create table auth.job_chunks (
    tenant_id text  not null,
    job_id    text  not null,
    number    int   not null check (number >= 0),
    data      bytea not null,
    primary key (tenant_id, job_id, number),
    foreign key (tenant_id, job_id) references auth.jobs on delete cascade
);
-- compressed already, or not worth it
alter table auth.job_chunks alter column data set storage external;

-- What was wrong with a line of an import, and which user it was.
create table auth.job_errors (
    tenant_id text   not null,
    job_id    text   not null,
    line      bigint not null check (line > 0),
    details   jsonb  not null,
    primary key (tenant_id, job_id, line),
    foreign key (tenant_id, job_id) references auth.jobs on delete cascade
);

-- +goose Down
drop table auth.job_errors, auth.job_chunks, auth.jobs;
