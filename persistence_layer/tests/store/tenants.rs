//! Tenants in the store: shares of the places, what is each one's own, and what an older program does.

use persistence_layer::Tenant;
use persistence_layer::batches::{
    self, Admission, BatchId, BatchRef, IdempotencyClaim, NewBatch, Submitted,
};
use persistence_layer::results::{self, LatestList, LatestPlace, LatestSort};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, WorkerId};
use persistence_layer::{Store, job_events, ledgers};
use pnl_core::{Chain, WalletRef};
use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::{
    batch, chunk_of, claim_one, finish, finished, ledger_head, new_batch, wallet,
};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

fn tenant(name: &str) -> Tenant {
    name.parse().unwrap()
}

/// A batch of a tenant.
fn new_of(name: &str, wallets: impl IntoIterator<Item = usize>) -> NewBatch {
    NewBatch { tenant: tenant(name), ..new_batch(wallets) }
}

fn named(name: &str, id: BatchId) -> BatchRef {
    BatchRef { tenant: tenant(name), id }
}

async fn submit_of(
    store: &Store,
    name: &str,
    wallet: usize,
    admission: Admission,
) -> Option<BatchId> {
    let new = new_of(name, wallet..=wallet);
    match batches::submit(store, &new, admission).await.unwrap() {
        Submitted::Accepted => Some(new.id),
        Submitted::AtCapacity { .. } => None,
        other => panic!("{other:?}"),
    }
}

async fn waits(store: &Store, name: &str, id: BatchId) -> bool {
    let batch = batches::get(store, &named(name, id)).await.unwrap().unwrap();
    batch.waiting_since.is_some()
}

/// Ends the batch that was claimed.
async fn end(store: &Store, name: &str, id: BatchId) {
    batches::cancel(store, &named(name, id)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_free_place_goes_to_the_waiting_tenant_that_has_the_fewest() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let admission = Admission { max_concurrent: 3, queue_limit: 4 };
    let mut many = Vec::new();
    for n in 0..7 {
        many.push(submit_of(store, "many", n, admission).await.unwrap());
    }
    assert!(
        submit_of(store, "many", 7, admission).await.is_none(),
        "its part of the queue is full"
    );
    // That of others is not, and they go first although they came last.
    let few = submit_of(store, "few", 10, admission).await.unwrap();
    let one = submit_of(store, "one", 11, admission).await.unwrap();
    let second = submit_of(store, "few", 12, admission).await.unwrap();
    assert!(waits(store, "few", few).await && waits(store, "one", one).await);
    end(store, "many", many[0]).await;
    assert!(!waits(store, "few", few).await && waits(store, "one", one).await);
    end(store, "many", many[1]).await;
    assert!(!waits(store, "one", one).await, "it has none, the other two have one each");
    // Now each has one: who waits longest is next.
    end(store, "one", one).await;
    assert!(!waits(store, "many", many[3]).await);
    assert!(waits(store, "few", second).await);
    end(store, "many", many[3]).await;
    assert!(waits(store, "few", second).await, "many waited longer with as many places");
    assert!(!waits(store, "many", many[4]).await);
}

#[tokio::test]
async fn a_place_is_kept_for_a_minute_for_whoever_was_refused_and_has_fewer() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let admission = Admission::rejecting(2);
    let first = submit_of(store, "many", 0, admission).await.unwrap();
    let second = submit_of(store, "many", 1, admission).await.unwrap();
    assert!(submit_of(store, "few", 2, admission).await.is_none());
    end(store, "many", first).await;
    assert!(submit_of(store, "many", 3, admission).await.is_none(), "it is kept");
    let few = submit_of(store, "few", 2, admission).await.expect("kept for it");
    end(store, "many", second).await;
    let third = submit_of(store, "many", 3, admission).await.expect("each has one");
    // Who was refused and does not come back keeps nobody away for longer than that.
    assert!(submit_of(store, "late", 4, admission).await.is_none());
    end(store, "few", few).await;
    assert!(submit_of(store, "many", 5, admission).await.is_none());
    database
        .execute("update refused_tenants set refused_at = refused_at - interval '1 minute'")
        .await;
    assert!(submit_of(store, "many", 5, admission).await.is_some());
    let left = "select count(*) from refused_tenants";
    assert_eq!(database.number(left).await, 0, "what is over is forgotten");
    end(store, "many", third).await;
}

#[tokio::test]
async fn nothing_of_a_batch_is_told_to_another_tenant() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let new = new_of("acme", 0..2);
    batches::submit(store, &new, Admission::rejecting(3)).await.unwrap();
    finish(store, &claim_one(store).await).await;
    let (own, foreign) = (named("acme", new.id), named("bolt", new.id));
    let address = WalletRef { chain: Chain::Solana, address: wallet(0) };
    assert!(results::report(store, &own, &address).await.unwrap().is_some());
    assert!(results::report(store, &foreign, &address).await.unwrap().is_none());
    assert_eq!(results::page(store, &own, None, 9).await.unwrap().len(), 2);
    assert!(results::page(store, &foreign, None, 9).await.unwrap().is_empty());
    assert!(batches::get(store, &foreign).await.unwrap().is_none());
    assert!(batches::list(store, &foreign.tenant, None, None, None, 9).await.unwrap().is_empty());
    assert!(batches::cancel(store, &foreign).await.unwrap().is_none());
    let retried = batches::retry(store, &foreign, Admission::rejecting(3)).await.unwrap();
    assert_eq!(retried, batches::Retried::Unknown);
    assert!(job_events::snapshot(store, &foreign).await.unwrap().is_none());
    let unnumbered = "select count(*) from job_events where seq is null";
    assert!(database.number(unnumbered).await > 0, "whoever asks in vain changes nothing");
    assert!(job_events::snapshot(store, &own).await.unwrap().unwrap().last.0 > 0);
    let known = [(foreign.clone(), job_events::Number(0))];
    assert!(job_events::after(store, &known, 9).await.unwrap().is_empty());
    database
        .execute(
            "insert into expired_batches (id, chain, finished_at, tenant)
        select id, chain, now(), tenant from batches",
        )
        .await;
    assert!(batches::expired(store, &own).await.unwrap().is_some());
    assert!(batches::expired(store, &foreign).await.unwrap().is_none());
}

#[tokio::test]
async fn each_tenant_has_its_own_ledger_and_latest_result_of_a_wallet() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let of_wallet = WalletRef { chain: Chain::Solana, address: wallet(0) };
    let mut ids = Vec::new();
    for (name, block) in [("acme", 1000), ("bolt", 900)] {
        batches::submit(store, &new_of(name, 0..1), Admission::rejecting(3)).await.unwrap();
        let lease = claim_one(store).await;
        assert_eq!(lease.tenant, tenant(name));
        let id = Uuid::new_v4();
        ledgers::append_chunk(store, &lease, id, 0, &chunk_of(1, b"{}\n")).await.unwrap();
        let mut done = finished();
        done.ledger = Some(ledger_head(id, block, 1, 1));
        wallet_tasks::finish(store, &lease, done).await.unwrap();
        ids.push(id);
    }
    // An older pin replaces nothing of another tenant's, and nothing of it is in its way.
    for (name, own, foreign) in [("acme", ids[0], ids[1]), ("bolt", ids[1], ids[0])] {
        let tenant = tenant(name);
        let current = ledgers::current(store, &tenant, &of_wallet).await.unwrap().unwrap();
        assert_eq!(current.head.ledger_id, own);
        assert_eq!(ledgers::current_id(store, &tenant, &of_wallet).await.unwrap(), Some(own));
        let chunk = async |id| ledgers::chunk(store, &tenant, Chain::Solana, id, 0).await.unwrap();
        assert!(chunk(own).await.is_some() && chunk(foreign).await.is_none());
        let figures =
            async |id| ledgers::figures(store, &tenant, Chain::Solana, id, 0, 1).await.unwrap();
        assert_eq!((figures(own).await.len(), figures(foreign).await.len()), (1, 0));
        let list = LatestList::sorted(LatestSort::AnalyzedAt, false);
        let latest =
            results::latest(store, &tenant, &list, LatestPlace::Offset(0), 9).await.unwrap();
        assert_eq!(latest.rows.len(), 1);
        assert_eq!(results::count_latest(store, &tenant, &list).await.unwrap(), 1);
        assert_eq!(results::summary(store, &tenant, None).await.unwrap().total_wallets, 1);
    }
    let nobody = Tenant::default();
    assert!(ledgers::current(store, &nobody, &of_wallet).await.unwrap().is_none());
    assert_eq!(results::summary(store, &nobody, None).await.unwrap().total_wallets, 0);
}

#[tokio::test]
async fn a_wallet_is_fetched_once_at_a_time_over_all_tenants() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for name in ["acme", "bolt"] {
        batches::submit(store, &new_of(name, 0..1), Admission::rejecting(3)).await.unwrap();
    }
    let worker = WorkerId::generate();
    let first = crate::support::claim(store, &worker, 5).await;
    assert_eq!(first.len(), 1);
    finish(store, &first[0]).await;
    let second = crate::support::claim(store, &worker, 5).await;
    assert_eq!(second.len(), 1);
    assert_ne!(first[0].tenant, second[0].tenant);
}

#[tokio::test]
async fn a_key_belongs_to_the_tenant_that_used_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let keyed = |name: &str, fingerprint: &str| {
        let mut new = new_of(name, 0..1);
        new.response = json!({ "of": name });
        new.idempotency = Some(IdempotencyClaim {
            key: "key".to_owned(),
            fingerprint: fingerprint.to_owned(),
            keep: DAY,
        });
        new
    };
    for name in ["acme", "bolt", "default"] {
        let outcome = batches::submit(store, &keyed(name, name), Admission::rejecting(9)).await;
        assert_eq!(outcome.unwrap(), Submitted::Accepted, "{name}");
    }
    for name in ["acme", "bolt", "default"] {
        let again = batches::submit(store, &keyed(name, name), Admission::rejecting(9)).await;
        assert_eq!(again.unwrap(), Submitted::Replayed { body: json!({ "of": name }) });
        let other = batches::submit(store, &keyed(name, "other"), Admission::rejecting(9)).await;
        assert_eq!(other.unwrap(), Submitted::KeyReused);
    }
}

/// The statements of the last program without tenants that name what has been moved.
#[tokio::test]
async fn an_older_program_reads_and_writes_what_is_of_the_tenant_default() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.connection().await;
    let id = BatchId::generate();
    let of_wallet = WalletRef { chain: Chain::Solana, address: wallet(0) };
    let ledger = Uuid::new_v4();
    connection
        .execute(sqlx::AssertSqlSafe(format!(
            "insert into batches (id, chain, request, trace_id, total)
             values ('{id}', 'solana', '{{}}', '0123456789abcdef0123456789abcdef', 1);
             insert into idempotency_keys (key, fingerprint, batch_id, response)
             values ('key', 'f', '{id}', '{{\"old\": true}}')
             on conflict (key) do update set fingerprint = excluded.fingerprint;
             insert into ledgers (chain, ledger_id, wallet, task, fence)
             values ('solana', '{ledger}', 'wallet0', null, 1);
             insert into ledgers (chain, ledger_id, wallet, fence, state, pin_block, pin_block_time,
                 input_hash, price_set_hash, coverage, context, chunks, events)
             values ('solana', '{ledger}', 'wallet0', 1, 'current', 5, 1, 'h', 'h', '{{}}', '{{}}', 0, 0)
             on conflict (chain, ledger_id) do update
             set state = excluded.state, pin_block = excluded.pin_block,
                 pin_block_time = excluded.pin_block_time, input_hash = excluded.input_hash,
                 price_set_hash = excluded.price_set_hash, coverage = excluded.coverage,
                 context = excluded.context, chunks = excluded.chunks, events = excluded.events
             where ledgers.state = 'building'"
        )))
        .await
        .unwrap();
    for trades in [1, 2] {
        connection
            .execute(sqlx::AssertSqlSafe(format!(
                "insert into wallet_latest (
                     chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd,
                     unrealized_gain_usd, fees_usd, trades, transactions, token_win_rate, complete)
                 values ('solana', 'wallet0', '{id}', 5, 1, 1, 0, 0, {trades}, 1, null, true)
                 on conflict (chain, wallet) do update set trades = excluded.trades
                 where wallet_latest.pin_block <= excluded.pin_block"
            )))
            .await
            .unwrap();
    }
    // The new program finds all of it as that of everybody.
    let everybody = Tenant::default();
    assert_eq!(batch(store, id).await.total, 1);
    let summary = results::summary(store, &everybody, None).await.unwrap();
    assert_eq!((summary.total_wallets, summary.total_trades), (1, 2));
    assert_eq!(ledgers::current_id(store, &everybody, &of_wallet).await.unwrap(), Some(ledger));
    let mut again = new_batch(0..1);
    again.idempotency =
        Some(IdempotencyClaim { key: "key".to_owned(), fingerprint: "f".to_owned(), keep: DAY });
    let replayed = batches::submit(store, &again, Admission::rejecting(3)).await.unwrap();
    assert_eq!(replayed, Submitted::Replayed { body: json!({ "old": true }) });
    // And the old one what the new one writes.
    again.idempotency.as_mut().unwrap().key = "new".to_owned();
    batches::submit(store, &again, Admission::rejecting(3)).await.unwrap();
    let mut done = finished();
    done.summary.trades = 7;
    wallet_tasks::finish(store, &claim_one(store).await, done).await.unwrap();
    assert_eq!(database.number("select trades from wallet_latest").await, 7);
    assert_eq!(database.number("select count(*) from idempotency_keys").await, 2);
}
