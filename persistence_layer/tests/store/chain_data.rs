//! Stored chain data: pages of signature lists, raw transactions, snapshots.

use persistence_layer::batches::BatchId;
use persistence_layer::chain_data::{
    self, ScanPass, ScanProgress, SignaturePage, SignatureRow, StoredSnapshot,
    missing_transactions, put_signature_page, put_snapshot, put_transactions, put_whole_list, scan,
    signatures, snapshot, transactions,
};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{Lease, WorkerId};
use persistence_layer::{Store, StoreError};
use pnl_core::{Address, Chain, RawTransaction, TxId, WalletRef};
use serde_json::json;

use crate::support::{claim, claim_one, everybodys, submit, wallet};

async fn lease(database: &TestDatabase) -> Lease {
    submit(database.store(), 0..1).await;
    claim_one(database.store()).await
}

fn ids(texts: &[&str]) -> Vec<TxId> {
    texts.iter().map(|text| TxId::new(text)).collect()
}

fn raw(id: &str, json: &str) -> RawTransaction {
    RawTransaction {
        chain: Chain::Solana,
        tx_id: TxId::new(id),
        block: 42,
        block_time: Some(1_700_000_000),
        json: json.as_bytes().to_vec(),
    }
}

fn row(id: &str, slot: u64) -> SignatureRow {
    SignatureRow { tx_id: TxId::new(id), slot, block_time: Some(7), failed: id.ends_with('x') }
}

/// A page from the newest end of the list.
fn top(rows: &[SignatureRow]) -> SignaturePage {
    SignaturePage { rows: rows.to_vec(), goes_on: false }
}

/// A page that begins with the last row of the one before.
fn further(rows: &[SignatureRow]) -> SignaturePage {
    SignaturePage { rows: rows.to_vec(), goes_on: true }
}

fn more(head: &str, before: &str) -> ScanProgress {
    ScanProgress::More { head: TxId::new(head), before: TxId::new(before) }
}

fn done(covered_until: &str, covered_slot: u64) -> ScanProgress {
    ScanProgress::Finished { covered_until: Some(TxId::new(covered_until)), covered_slot }
}

async fn list(store: &Store, address: &Address, max_slot: u64) -> Vec<String> {
    let rows = signatures(store, Chain::Solana, address, max_slot).await.unwrap();
    rows.into_iter().map(|row| row.tx_id.to_string()).collect()
}

async fn progress(database: &TestDatabase, lease: &Lease) -> i64 {
    let mut connection = database.connection().await;
    sqlx::query_scalar("select progress from wallet_tasks where id = $1")
        .bind(lease.task_id)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn raw_transactions_come_back_byte_for_byte_in_the_asked_order() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let odd = "{\"amount\": 1.10, \"text\":\"\\u0000 \u{1F600}\"}";
    let all = [raw("c", odd), raw("a", &"[1,2,3]".repeat(5_000)), raw("b", "")];
    assert_eq!(put_transactions(store, &lease, &all).await.unwrap(), 3);
    let asked = ids(&["b", "missing", "c", "a"]);
    let stored = transactions(store, Chain::Solana, &asked).await.unwrap();
    assert_eq!(stored, [all[2].clone(), all[0].clone(), all[1].clone()]);
    let missing = missing_transactions(store, Chain::Solana, &ids(&["z", "a", "y", "b"])).await;
    assert_eq!(missing.unwrap(), ids(&["z", "y"]));
    let elsewhere = missing_transactions(store, Chain::Base, &ids(&["a"])).await.unwrap();
    assert_eq!(elsewhere, ids(&["a"]), "ids of another chain are others");
    let mut connection = database.connection().await;
    let (size, packed): (i64, i64) = sqlx::query_as(
        "select size::bigint, length(payload)::bigint from raw_transactions where tx_id = 'a'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(size, 35_000);
    assert!(packed < 1_000, "{packed} bytes");
}

#[tokio::test]
async fn a_transaction_is_stored_once_and_counts_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    put_transactions(store, &lease, &[raw("a", "first")]).await.unwrap();
    let again = [raw("a", "second"), raw("b", "b")];
    assert_eq!(put_transactions(store, &lease, &again).await.unwrap(), 1);
    let stored = transactions(store, Chain::Solana, &ids(&["a"])).await.unwrap();
    assert_eq!(stored, [raw("a", "first")]);
    assert_eq!(progress(&database, &lease).await, 2);
    assert_eq!(put_transactions(store, &lease, &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn workers_that_store_the_same_transactions_at_once_do_not_block_each_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..4).await;
    let leases = claim(store, &WorkerId::generate(), 4).await;
    let forwards: Vec<_> = (0..80).map(|n| raw(&format!("tx{n:03}"), "{}")).collect();
    let backwards: Vec<_> = forwards.iter().rev().cloned().collect();
    let mut new = 0;
    for chunk in 0..4 {
        let part = chunk * 20..(chunk + 1) * 20;
        let stored = futures::future::join_all(leases.iter().enumerate().map(|(n, lease)| {
            let source = if n % 2 == 0 { &forwards } else { &backwards };
            put_transactions(store, lease, &source[part.clone()])
        }))
        .await;
        new += stored.into_iter().map(Result::unwrap).sum::<u64>();
    }
    assert_eq!(new, 80);
}

#[tokio::test]
async fn an_interrupted_list_goes_on_behind_its_last_page() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let address = wallet(0);
    assert_eq!(scan(store, Chain::Solana, &address).await.unwrap(), None);
    let first = top(&[row("f", 9), row("ex", 8), row("d", 8)]);
    let new = put_signature_page(store, &lease, &address, &first, &more("f", "d")).await.unwrap();
    assert_eq!(new, 3);
    let stored = scan(store, Chain::Solana, &address).await.unwrap().unwrap();
    assert_eq!(stored.covered_until, None);
    assert_eq!(stored.covered_slot, 0);
    assert_eq!(stored.pass, Some(ScanPass { head: TxId::new("f"), before: TxId::new("d") }));

    let last = further(&[row("d", 8), row("c", 8), row("b", 2), row("a", 1)]);
    put_signature_page(store, &lease, &address, &last, &done("f", 10)).await.unwrap();
    let stored = scan(store, Chain::Solana, &address).await.unwrap().unwrap();
    assert_eq!(stored.covered_until, Some(TxId::new("f")));
    assert_eq!((stored.covered_slot, stored.pass), (10, None));
    assert_eq!(list(store, &address, 10).await, ["f", "ex", "d", "c", "b", "a"]);
    assert_eq!(list(store, &address, 8).await, ["ex", "d", "c", "b", "a"]);
    let rows = signatures(store, Chain::Solana, &address, 8).await.unwrap();
    assert_eq!(rows[0], row("ex", 8));
    assert!(rows[0].failed && !rows[1].failed);
}

#[tokio::test]
async fn the_order_inside_a_slot_is_the_nodes_over_pages_and_passes() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let address = wallet(0);
    let put = async |page: SignaturePage, next: ScanProgress| {
        put_signature_page(store, &lease, &address, &page, &next).await.unwrap()
    };
    // All in slot 5; ids that sort otherwise than the node listed them.
    put(top(&[row("m", 5), row("z", 5)]), more("m", "z")).await;
    put(further(&[row("z", 5), row("k", 5)]), done("m", 5)).await;
    // A later pass brings newer ones, its last page overlapping what is known.
    put(top(&[row("q", 5), row("b", 5)]), more("q", "b")).await;
    put(further(&[row("b", 5), row("y", 5), row("m", 5)]), done("q", 6)).await;
    assert_eq!(list(store, &address, 5).await, ["q", "b", "y", "m", "z", "k"]);
}

#[tokio::test]
async fn a_gap_that_a_bounded_walk_has_left_is_filled_in_the_nodes_order() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let address = wallet(0);
    let put = async |page: SignaturePage, next: ScanProgress| {
        put_signature_page(store, &lease, &address, &page, &next).await.unwrap()
    };
    let list_now = async || list(store, &address, 9).await;
    // A pass stops within slot 5, then bounded walks above it leave gaps within slots 7 and 8.
    put(top(&[row("h", 6), row("e", 5)]), more("h", "e")).await;
    put(top(&[row("s", 8), row("p", 7)]), more("h", "e")).await;
    put(top(&[row("w", 9), row("t", 8)]), more("h", "e")).await;
    assert_eq!(list_now().await, ["w", "t", "s", "p", "h", "e"]);
    // A whole listing goes on behind the place of the pass, and then fills the gaps.
    put(further(&[row("e", 5), row("g", 5), row("a", 4)]), done("h", 0)).await;
    put(top(&[row("w", 9), row("t", 8), row("x", 8), row("s", 8)]), more("w", "s")).await;
    put(further(&[row("s", 8), row("p", 7), row("r", 7), row("q", 7)]), done("w", 9)).await;
    let whole = ["w", "t", "x", "s", "p", "r", "q", "h", "e", "g", "a"];
    assert_eq!(list_now().await, whole);
    let of = [address.clone()];
    let sequences = chain_data::sequences(store, Chain::Solana, &of, &[5, 7, 8]).await.unwrap();
    let sequences: Vec<_> = sequences.into_iter().map(|s| s.tx_ids).collect();
    assert_eq!(sequences, [ids(&["g", "e"]), ids(&["q", "r", "p"]), ids(&["s", "x", "t"])]);
    let walked = chain_data::walked(store, Chain::Solana, &address, 9, &TxId::new("r")).await;
    assert_eq!(walked.unwrap(), chain_data::Walked { rows: 6, above: Some(TxId::new("p")) });

    // A slower reader of the pass that is over changes no place.
    put(further(&[row("e", 5), row("g", 5), row("a", 4)]), done("h", 0)).await;
    assert_eq!(list_now().await, whole);
    // A walk cannot go on from a row that is gone.
    let mut connection = database.connection().await;
    sqlx::query("delete from address_signatures where tx_id = 'e'")
        .execute(&mut connection)
        .await
        .unwrap();
    let page = further(&[row("e", 5), row("g", 5)]);
    let refused = put_signature_page(store, &lease, &address, &page, &done("w", 9)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

#[tokio::test]
async fn lists_are_read_together_and_a_walk_knows_its_place() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let (one, other) = (Address::from_chain_data("one"), Address::from_chain_data("other"));
    let page = top(&[row("e", 9), row("d", 7), row("c", 7), row("b", 7)]);
    put_signature_page(store, &lease, &one, &page, &more("e", "b")).await.unwrap();
    let page = top(&[row("b", 7), row("a", 7)]);
    put_signature_page(store, &lease, &other, &page, &done("b", 9)).await.unwrap();
    let both = [one.clone(), other.clone()];

    let sequences = chain_data::sequences(store, Chain::Solana, &both, &[7]).await.unwrap();
    let sequences: Vec<_> = sequences.into_iter().map(|s| (s.slot, s.tx_ids)).collect();
    assert_eq!(sequences, [(7, ids(&["b", "c", "d"])), (7, ids(&["a", "b"]))], "oldest first");

    let walked = async |place| {
        let walked = chain_data::walked(store, Chain::Solana, &one, 8, &TxId::new(place)).await;
        walked.map(|walked| (walked.rows, walked.above)).unwrap()
    };
    assert_eq!(walked("b").await, (3, Some(TxId::new("c"))));
    assert_eq!(walked("d").await, (1, Some(TxId::new("e"))));
    assert_eq!(walked("e").await, (0, None));
    assert_eq!(walked("unknown").await, (0, None));

    let unknown = Address::from_chain_data("unknown");
    let scans = chain_data::scans(store, Chain::Solana, &[one.clone(), unknown]).await.unwrap();
    assert_eq!(scans.len(), 1);
    assert_eq!(
        scans.get(&one),
        chain_data::scan(store, Chain::Solana, &one).await.unwrap().as_ref()
    );
}

#[tokio::test]
async fn a_view_of_lists_is_the_newest_of_each_with_whole_slots_when_there_is_room() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let (one, other) = (Address::from_chain_data("one"), Address::from_chain_data("other"));
    let page = top(&[row("h", 9), row("g", 8), row("f", 7), row("e", 6), row("d", 6), row("c", 5)]);
    put_signature_page(store, &lease, &one, &page, &done("h", 9)).await.unwrap();
    let page = top(&[row("f", 7), row("b", 3), row("a", 2)]);
    put_signature_page(store, &lease, &other, &page, &done("f", 9)).await.unwrap();
    let both = [one, other];
    let view = async |max_slot, bound, newer_until| {
        let view = chain_data::ListedView { max_slot, bound, newer_until };
        let listed = chain_data::listed(store, Chain::Solana, &both, view, |_| true).await;
        let listed = listed.unwrap().unwrap();
        let mut ids: Vec<_> =
            listed.slots.iter().map(|(id, slot)| (id.to_string(), *slot)).collect();
        ids.sort_unstable();
        let text: Vec<_> = ids.iter().map(|(id, slot)| format!("{id}{slot}")).collect();
        (text.join(" "), listed.newer)
    };
    assert_eq!(view(9, 9, 9).await, ("a2 b3 c5 d6 e6 f7 g8 h9".to_owned(), false));
    assert_eq!(view(8, 3, 9).await, ("a2 b3 d6 e6 f7 g8".to_owned(), true), "slot 6 is whole");
    assert_eq!(view(7, 1, 7).await, ("f7".to_owned(), false), "newer ones are not asked for");
    assert_eq!(view(1, 5, u64::MAX).await, (String::new(), true));

    let everything =
        chain_data::ListedView { max_slot: u64::MAX, bound: usize::MAX, newer_until: u64::MAX };
    let asked = std::cell::Cell::new(0);
    let refuse = |slots: &std::collections::HashMap<TxId, u64>| {
        asked.set(slots.len());
        false
    };
    let listed = chain_data::listed(store, Chain::Solana, &both, everything, refuse).await;
    assert_eq!((listed.unwrap(), asked.get()), (None, 8));
}

#[tokio::test]
async fn a_page_stored_twice_changes_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let address = wallet(0);
    let page = top(&[row("c", 3), row("b", 3)]);
    for new in [2, 0] {
        let stored = put_signature_page(store, &lease, &address, &page, &more("c", "b")).await;
        assert_eq!(stored.unwrap(), new);
    }
    let last = further(&[row("b", 3), row("a", 3)]);
    // The second time neither a signature nor the coverage is new.
    for progress in [2, 0] {
        let stored = put_signature_page(store, &lease, &address, &last, &done("c", 4)).await;
        assert_eq!(stored.unwrap(), progress);
    }
    assert_eq!(list(store, &address, 4).await, ["c", "b", "a"]);
    assert_eq!(progress(&database, &lease).await, 4);
}

#[tokio::test]
async fn a_silent_address_is_covered_and_counts_as_progress() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let nothing = ScanProgress::Finished { covered_until: None, covered_slot: 77 };
    let stored = put_signature_page(store, &lease, &wallet(0), &top(&[]), &nothing).await.unwrap();
    assert_eq!(stored, 1);
    let stored = scan(store, Chain::Solana, &wallet(0)).await.unwrap().unwrap();
    assert_eq!((stored.covered_until, stored.covered_slot), (None, 77));
    assert!(list(store, &wallet(0), 100).await.is_empty());
}

#[tokio::test]
async fn a_second_reader_of_an_address_is_told_to_join_the_pass_under_way() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let leases = claim(store, &WorkerId::generate(), 2).await;
    let address = Address::from_chain_data("shared token account");
    let put = async |lease: usize, page: SignaturePage, next: ScanProgress| {
        put_signature_page(store, &leases[lease], &address, &page, &next).await
    };
    put(0, top(&[row("d", 4), row("c", 3)]), more("d", "c")).await.unwrap();
    // The other one saw a newer head.
    for refused in [
        more("e", "c"),
        done("e", 9),
        ScanProgress::Finished { covered_until: None, covered_slot: 9 },
    ] {
        let outcome = put(1, top(&[row("e", 5), row("d", 4)]), refused).await;
        assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
    }
    assert_eq!(list(store, &address, 9).await, ["d", "c"], "a refused page stores nothing");
    // It goes on behind the stored page, and may finish.
    put(1, further(&[row("c", 3), row("b", 2)]), done("d", 6)).await.unwrap();
    put(1, top(&[row("e", 5)]), done("e", 7)).await.unwrap();
    // The first one, slower, finishes with less: what is covered does not shrink.
    put(0, further(&[row("c", 3), row("b", 2)]), done("d", 6)).await.unwrap();
    let stored = scan(store, Chain::Solana, &address).await.unwrap().unwrap();
    assert_eq!((stored.covered_until, stored.covered_slot), (Some(TxId::new("e")), 7));
    assert_eq!(list(store, &address, 9).await, ["e", "d", "c", "b"]);
}

#[tokio::test]
async fn the_first_snapshot_of_a_pin_holds() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let wallet_ref = WalletRef { chain: Chain::Solana, address: wallet(0) };
    assert_eq!(snapshot(store, &wallet_ref, 5).await.unwrap(), None);
    let first = StoredSnapshot { pin_slot: 5, node_slot: 6, balances: json!({"native": "1"}) };
    let second = StoredSnapshot { node_slot: 7, balances: json!({"native": "2"}), ..first.clone() };
    assert_eq!(put_snapshot(store, &lease, &first).await.unwrap(), first);
    assert_eq!(put_snapshot(store, &lease, &second).await.unwrap(), first);
    let progress = database.number("select progress from wallet_tasks").await;
    assert_eq!(progress, 1, "the first ones are progress");
    let page = &[][..];
    let listed = put_whole_list(store, &lease, &wallet(0), page, 9, Some(&second)).await.unwrap();
    assert_eq!(listed.unwrap().snapshot, Some(first.clone()));
    assert_eq!(snapshot(store, &wallet_ref, 5).await.unwrap(), Some(first));
    assert_eq!(snapshot(store, &wallet_ref, 6).await.unwrap(), None);
}

#[tokio::test]
async fn a_value_beyond_its_column_is_refused_not_wrapped() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lease = lease(&database).await;
    let outcome =
        put_transactions(store, &lease, &[RawTransaction { block: u64::MAX, ..raw("a", "{}") }])
            .await;
    assert!(matches!(outcome, Err(StoreError::OutOfRange(_))), "{outcome:?}");
    let unknown =
        persistence_layer::batches::get(store, &everybodys(BatchId::generate())).await.unwrap();
    assert!(unknown.is_none());
}
