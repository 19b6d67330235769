//! Stored prices.

use persistence_layer::prices::{HourAsk, PriceAnswer, StoredPrice, StoredQuote, get, put};
use persistence_layer::test_util::TestDatabase;

use crate::support::{claim_one, submit};

const HOUR: i64 = 1_700_000_000 / 3600 * 3600;

fn ask(coin: &str, at_hour: i64) -> HourAsk {
    HourAsk { coin: coin.to_owned(), at_hour }
}

fn answer(coin: &str, at_hour: i64, price: Option<&str>) -> PriceAnswer {
    let quote = price.map(|text| StoredQuote { price: text.parse().unwrap(), price_time: at_hour });
    PriceAnswer { ask: ask(coin, at_hour), quote }
}

fn quote(stored: &Option<StoredPrice>) -> Option<Option<String>> {
    stored.as_ref().map(|stored| stored.quote.map(|quote| quote.price.to_string()))
}

#[tokio::test]
async fn prices_are_exact_and_an_unknown_one_is_remembered() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let tiny = "0.000000000000000000000000000000000001";
    let huge = "12345678901234567890123456789012345678901";
    let answers = [
        answer("a", HOUR, Some(tiny)),
        answer("b", HOUR, Some("1.50")),
        answer("c", HOUR, None),
        answer("d", HOUR, Some(&huge[..40])),
    ];
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    put(store, &lease, "llama", &answers).await.unwrap();
    let asks = [
        ask("c", HOUR),
        ask("z", HOUR),
        ask("a", HOUR),
        ask("b", HOUR + 3600),
        ask("b", HOUR),
        ask("d", HOUR),
    ];
    let stored = get(store, "llama", &asks).await.unwrap();
    let texts: Vec<_> = stored.iter().map(quote).collect();
    assert_eq!(
        texts,
        [
            Some(None),
            None,
            Some(Some(tiny.to_owned())),
            None,
            Some(Some("1.5".to_owned())),
            Some(Some(huge[..40].to_owned())),
        ]
    );
    assert_eq!(stored[4].as_ref().unwrap().quote.unwrap().price_time, HOUR);
    let other = get(store, "csv", &asks).await.unwrap();
    assert!(other.iter().all(Option::is_none), "another source was not asked");
    assert!(get(store, "llama", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_known_price_stays_and_an_unknown_one_gives_way() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let stored = async || {
        let stored = get(store, "s", &[ask("known", HOUR), ask("unknown", HOUR)]).await.unwrap();
        stored.iter().map(quote).collect::<Vec<_>>()
    };
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let put = async |answers: &[PriceAnswer]| put(store, &lease, "s", answers).await.unwrap();
    let first = [answer("known", HOUR, Some("1")), answer("unknown", HOUR, None)];
    assert_eq!(put(&first).await, 2);
    let second = [
        answer("known", HOUR, Some("2")),
        answer("unknown", HOUR, Some("3")),
        // Twice in one call.
        answer("unknown", HOUR, None),
    ];
    assert_eq!(put(&second).await, 1);
    let expected = [Some(Some("1".to_owned())), Some(Some("3".to_owned()))];
    assert_eq!(stored().await, expected);
    let third = [answer("known", HOUR, None), answer("unknown", HOUR, None)];
    assert_eq!(put(&third).await, 0);
    assert_eq!(stored().await, expected);
    let young = [answer("young", HOUR, None)];
    assert_eq!((put(&young).await, put(&young).await), (1, 0), "still unknown is no progress");
    assert_eq!(database.number("select progress from wallet_tasks").await, 4);
}
