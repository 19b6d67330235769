//! Retention of balance snapshots: they go with the tasks they were taken for.

use persistence_layer::batches;
use persistence_layer::retention::RetentionRules;
use persistence_layer::test_util::TestDatabase;

use crate::retention::{
    count, done_batch, finish_with_ledger, pass_readers_time, prune_all, rules,
};
use crate::support::{PIN, claim_one, submit};

#[tokio::test]
async fn a_snapshot_goes_with_the_last_job_of_its_pin_that_has_the_wallet() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let old = done_batch(&database, 0).await;
    let young = submit(store, 0..1).await;
    batches::set_pin(store, young, PIN).await.unwrap();
    finish_with_ledger(&database, &claim_one(store).await).await;
    let for_ever = RetentionRules { results: None, ..rules() };
    for (batch, left) in [(old, 1), (young, 0)] {
        sqlx::query(
            "insert into expired_batches (id, chain, finished_at)
            select id, chain, finished_at from batches where id = $1",
        )
        .bind(batch.0)
        .execute(&mut database.connection().await)
        .await
        .unwrap();
        pass_readers_time(&database).await;
        prune_all(&database, &for_ever).await;
        assert_eq!(count(&database, "balance_snapshots").await, left);
    }
}
