//! Keys of clients: what is valid, and until when.

use std::time::Duration;

use persistence_layer::api_keys::{self, KeyHash, NewKey, Rotated, Scope};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Store, Tenant};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

fn key(hash: u8, valid_for: Option<Duration>) -> NewKey {
    NewKey {
        id: Uuid::now_v7(),
        tenant: Tenant::default(),
        name: format!("key {hash}"),
        hash: [hash; 32],
        scopes: vec![Scope::Read, Scope::Submit],
        valid_for,
    }
}

async fn is_valid(store: &Store, hash: KeyHash) -> bool {
    api_keys::find(store, &hash).await.unwrap().is_some()
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_it_expires_or_is_revoked() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (ever, short) = (key(1, None), key(2, Some(DAY)));
    for new in [&ever, &short] {
        api_keys::create(store, new).await.unwrap();
    }
    let found = api_keys::find(store, &ever.hash).await.unwrap().unwrap();
    assert_eq!((found.id, found.tenant, found.left), (ever.id, Tenant::default(), None));
    assert_eq!(found.scopes, [Scope::Read, Scope::Submit]);
    let left = api_keys::find(store, &short.hash).await.unwrap().unwrap().left.unwrap();
    assert!(left <= DAY && left > DAY - Duration::from_secs(3600), "{left:?}");
    assert!(!is_valid(store, [3; 32]).await);
    assert!(api_keys::create(store, &key(1, None)).await.is_err(), "one key, one row");

    database.execute("update api_keys set expires_at = now() where expires_at is not null").await;
    assert!(!is_valid(store, short.hash).await && is_valid(store, ever.hash).await);
    for _ in 0..2 {
        assert!(api_keys::revoke(store, ever.id).await.unwrap());
        assert!(!is_valid(store, ever.hash).await);
    }
    assert!(!api_keys::revoke(store, Uuid::now_v7()).await.unwrap());

    let all = api_keys::list(store).await.unwrap();
    let told: Vec<_> =
        all.iter().map(|key| (key.id, key.is_valid, key.revoked_at.is_some())).collect();
    assert_eq!(told, [(ever.id, false, true), (short.id, false, false)]);
}

#[tokio::test]
async fn a_rotated_key_has_a_heir_and_both_are_valid_for_a_while() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let old = key(1, Some(DAY * 2));
    api_keys::create(store, &old).await.unwrap();
    let (new, hash) = (Uuid::now_v7(), [2; 32]);
    let rotated = api_keys::rotate(store, old.id, (new, hash), DAY, None).await.unwrap();
    let Rotated::Until(until) = rotated else { panic!("{rotated:?}") };
    assert!(is_valid(store, old.hash).await && is_valid(store, hash).await);
    let all = api_keys::list(store).await.unwrap();
    assert_eq!(all[0].expires_at, Some(until));
    assert_eq!((all[1].expires_at, &all[1].name, &all[1].scopes), (None, &old.name, &old.scopes));
    // An overlap never makes a key valid for longer than it was.
    let again = api_keys::rotate(store, old.id, (Uuid::now_v7(), [3; 32]), DAY * 9, None).await;
    assert_eq!(again.unwrap(), Rotated::Until(until));
    let at_once = Duration::ZERO;
    let rotated = api_keys::rotate(store, old.id, (Uuid::now_v7(), [4; 32]), at_once, None).await;
    assert!(matches!(rotated.unwrap(), Rotated::Until(_)));
    assert!(!is_valid(store, old.hash).await);
    for (id, expected) in [(old.id, Rotated::NotValid), (Uuid::now_v7(), Rotated::Unknown)] {
        let rotated = api_keys::rotate(store, id, (Uuid::now_v7(), [5; 32]), DAY, None).await;
        assert_eq!(rotated.unwrap(), expected);
        assert!(!is_valid(store, [5; 32]).await, "nothing was stored");
    }
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let new = key(1, None);
    api_keys::create(store, &new).await.unwrap();
    let used = async || api_keys::list(store).await.unwrap()[0].last_used_at;
    assert_eq!(used().await, None);
    api_keys::mark_used(store, new.id).await.unwrap();
    let first = used().await.unwrap();
    api_keys::mark_used(store, new.id).await.unwrap();
    assert_eq!(used().await, Some(first));
    database
        .execute("update api_keys set last_used_at = last_used_at - interval '2 minutes'")
        .await;
    api_keys::mark_used(store, new.id).await.unwrap();
    assert!(used().await.unwrap() > first - chrono::TimeDelta::minutes(1));
}
