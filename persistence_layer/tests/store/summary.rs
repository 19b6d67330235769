//! Figures over all newest results, and the statistics that answer for many.

use persistence_layer::results::{Refresh, Summary, refresh, refresh_if_due, summary};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Store, Tenant};
use pnl_core::Chain;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Newest results of so many wallets of a chain, with totals of 1, 2, 3 and so on.
async fn fill(database: &TestDatabase, tenant: &str, chain: Chain, wallets: u32) {
    let batch = "insert into batches (id, chain, request, trace_id, total)
        values ('00000000-0000-0000-0000-000000000001', 'solana', '{}', repeat('0', 32), 1)
        on conflict do nothing";
    database.execute(batch).await;
    let rows = format!(
        "insert into latest_results (chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd,
             unrealized_gain_usd, fees_usd, trades, transactions, complete, tenant)
         select '{chain}', 'wallet' || n, '00000000-0000-0000-0000-000000000001', 1, n, n, 0, 0, 2, 2, true, '{tenant}'
         from generate_series(1, {wallets}) n"
    );
    database.execute(&rows).await;
}

async fn all(store: &Store) -> Summary {
    summary(store, &Tenant::default(), None).await.unwrap()
}

#[tokio::test]
async fn figures_of_many_wallets_are_those_of_the_last_refresh_and_say_how_old_they_are() {
    let database = TestDatabase::create().await;
    let store = database.store();
    fill(&database, "default", Chain::Solana, 1500).await;
    let computed = all(store).await;
    assert_eq!((computed.total_wallets, computed.stale_seconds), (1500, 0));
    assert_eq!(computed.total_pnl_usd, "1125750");

    assert_eq!(refresh(store).await.unwrap(), 2);
    let aged = "update pnl_summary_stats set refreshed_at = refreshed_at - interval '1 hour'";
    database.execute(aged).await;
    fill(&database, "default", Chain::Base, 10).await;
    let kept = all(store).await;
    assert!(kept.stale_seconds >= 3600, "{kept:?}");
    assert_eq!(Summary { stale_seconds: 0, ..kept }, computed);
    let few = summary(store, &Tenant::default(), Some(Chain::Base)).await.unwrap();
    assert_eq!((few.total_wallets, few.stale_seconds), (10, 0), "few are counted when asked for");

    assert_eq!(refresh(store).await.unwrap(), 3);
    let renewed = all(store).await;
    assert_eq!((renewed.total_wallets, renewed.total_trades), (1510, 3020));
    assert!(renewed.stale_seconds < 3600, "{renewed:?}");
}

#[tokio::test]
async fn each_tenant_has_its_own_figures_and_none_when_its_results_are_gone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    fill(&database, "default", Chain::Solana, 1000).await;
    fill(&database, "acme", Chain::Solana, 2000).await;
    refresh(store).await.unwrap();
    let acme: Tenant = "acme".parse().unwrap();
    assert_eq!(all(store).await.total_wallets, 1000);
    assert_eq!(summary(store, &acme, None).await.unwrap().total_wallets, 2000);
    database.execute("delete from latest_results where tenant = 'acme'").await;
    refresh(store).await.unwrap();
    assert_eq!(summary(store, &acme, None).await.unwrap().total_wallets, 0);
    let left = "select count(*) from pnl_summary_stats where tenant = 'acme'";
    assert_eq!(database.number(left).await, 0);
}

#[tokio::test]
async fn of_all_processes_one_refreshes_in_a_pause() {
    let database = TestDatabase::create().await;
    fill(&database, "default", Chain::Solana, 1000).await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(database.second_store().await);
    }
    let tries = stores.iter().map(|store| refresh_if_due(store, HOUR));
    let ends: Vec<_> = futures::future::try_join_all(tries).await.unwrap();
    let done = ends.iter().filter(|end| matches!(end, Refresh::Done(_))).count();
    assert_eq!(done, 1, "{ends:?}");
    assert_eq!(refresh_if_due(&stores[0], HOUR).await.unwrap(), Refresh::NotDue);
    assert_eq!(refresh_if_due(&stores[0], Duration::ZERO).await.unwrap(), Refresh::Done(2));
}

#[tokio::test]
async fn a_refresh_under_way_holds_up_neither_readers_nor_a_process_that_looks() {
    let database = TestDatabase::create().await;
    let store = database.store();
    fill(&database, "default", Chain::Solana, 1000).await;
    refresh(store).await.unwrap();
    let mut session = database.connection().await;
    let mut under_way = sqlx::Connection::begin(&mut session).await.unwrap();
    for statement in [
        include_str!("../../queries/pnl_summary_stats/lock.sql"),
        include_str!("../../queries/pnl_summary_stats/refresh.sql"),
        include_str!("../../queries/pnl_summary_stats/remove_gone.sql"),
    ] {
        sqlx::query(statement).execute(&mut *under_way).await.unwrap();
    }
    // With a lock in the way these would end at the statement timeout.
    assert_eq!(all(store).await.total_wallets, 1000);
    assert_eq!(refresh_if_due(store, Duration::ZERO).await.unwrap(), Refresh::Busy);
    under_way.commit().await.unwrap();
    assert_eq!(refresh_if_due(store, Duration::ZERO).await.unwrap(), Refresh::Done(2));
}
