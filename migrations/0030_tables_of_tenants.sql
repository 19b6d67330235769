-- What tenants other than default have of their own, and who was refused a place.
set local lock_timeout = '10s';

create table latest_results_of_tenants (
    like wallet_latest including comments including defaults,
    foreign key (batch_id) references batches (id) on delete cascade
);
create unique index latest_results_of_tenants_key on latest_results_of_tenants (tenant, chain, wallet);
create index latest_results_of_tenants_by_time
    on latest_results_of_tenants (tenant, analyzed_at desc, chain, wallet);
create index latest_results_of_tenants_by_total
    on latest_results_of_tenants (tenant, total_pnl_usd desc, chain, wallet);
create index latest_results_of_tenants_by_batch on latest_results_of_tenants (batch_id);
comment on table latest_results_of_tenants is 'Part of latest_results: all tenants but default.';

create table idempotent_requests_of_tenants (
    like idempotency_keys including comments including defaults including constraints,
    foreign key (batch_id) references batches (id) on delete cascade
);
create unique index idempotent_requests_of_tenants_key on idempotent_requests_of_tenants (tenant, key);
create index idempotent_requests_of_tenants_by_age on idempotent_requests_of_tenants (created_at);
create index idempotent_requests_of_tenants_by_batch on idempotent_requests_of_tenants (batch_id);
comment on table idempotent_requests_of_tenants is 'Part of idempotent_requests: all tenants but default.';

create table refused_tenants (
    tenant text primary key,
    refused_at timestamptz not null
);
comment on table refused_tenants is
    'Who was last refused for want of a place, and when: for a while a place that becomes free is kept for whoever '
    'has fewer of them than the one that asks. Read and written under the lock on admission.';
