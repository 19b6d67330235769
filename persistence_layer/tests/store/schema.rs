//! Migrations and what the schema itself holds.

use futures::future::join_all;
use persistence_layer::schema::newest_version;
use persistence_layer::test_util::TestDatabase;
use sqlx::Executor;

#[tokio::test]
async fn migrations_apply_to_an_empty_database_and_again_change_nothing() {
    let database = TestDatabase::empty(5).await;
    let store = database.store();
    assert_eq!(store.schema_version().await.unwrap(), (0, newest_version()));
    for _ in 0..2 {
        store.migrate().await.unwrap();
        assert_eq!(store.schema_version().await.unwrap(), (newest_version(), newest_version()));
    }
}

#[tokio::test]
async fn processes_that_start_at_once_migrate_together() {
    let database = TestDatabase::empty(5).await;
    let stores = join_all((0..4).map(|_| database.second_store())).await;
    for outcome in join_all(stores.iter().map(|store| store.migrate())).await {
        outcome.unwrap();
    }
    let mut connection = database.connection().await;
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!((applied.first(), applied.last()), (Some(&1), Some(&newest_version())));
    for store in stores {
        store.close().await;
    }
}

#[tokio::test]
async fn a_program_works_on_a_database_that_a_newer_one_migrated() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    connection
        .execute(
            "insert into _sqlx_migrations
                 (version, description, success, checksum, execution_time)
             values (9999, 'from the future', true, 'x', 0)",
        )
        .await
        .unwrap();
    database.store().migrate().await.unwrap();
    assert_eq!(database.store().schema_version().await.unwrap(), (9999, newest_version()));
}

#[tokio::test]
async fn large_tables_are_partitioned_by_chain_without_a_default() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    let partitions: Vec<(String, i64, bool)> = sqlx::query_as(
        "select p.partrelid::regclass::text, count(*), bool_or(p.partdefid <> 0)
         from pg_partitioned_table p join pg_inherits i on i.inhparent = p.partrelid
         where p.partrelid not in ('latest_results'::regclass, 'idempotent_requests'::regclass)
         group by p.partrelid order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let expected = ["address_signatures", "ledger_chunks", "pnl_results", "raw_transactions"]
        .map(|table| (table.to_owned(), 4, false));
    assert_eq!(partitions, expected);

    let unknown = connection
        .execute(
            "insert into raw_transactions (chain, tx_id, block, size, payload)
             values ('dogecoin', 'a', 1, 0, '')",
        )
        .await
        .unwrap_err();
    assert!(unknown.to_string().contains("no partition"), "{unknown}");
}

#[tokio::test]
async fn a_query_for_one_chain_reads_one_partition() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    let plan: Vec<String> =
        sqlx::query_scalar("explain select report from pnl_results where chain = 'base'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("pnl_results_base"), "{plan}");
    assert!(!plan.contains("pnl_results_solana"), "{plan}");
}

#[tokio::test]
async fn states_that_cannot_be_are_refused_by_the_schema() {
    let database = TestDatabase::create().await;
    crate::support::submit(database.store(), 0..1).await;
    let mut connection = database.connection().await;
    for (change, constraint) in [
        ("update wallet_tasks set state = 'running'", "wallet_tasks_leased_when_running"),
        ("update wallet_tasks set state = 'delayed'", "wallet_tasks_due_when_delayed"),
        ("update wallet_tasks set state = 'done'", "wallet_tasks_finished_when_terminal"),
        ("update wallet_tasks set state = 'lost'", "wallet_tasks_state_check"),
        ("update batches set state = 'completed'", "batches_counted_when_terminal"),
        ("update batches set pin_block = 1", "batches_pin_is_whole"),
        ("insert into admission values (2)", "admission_id_check"),
    ] {
        let refused = connection.execute(change).await.unwrap_err();
        let name = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(name, Some(constraint), "{change}: {refused}");
    }
}
