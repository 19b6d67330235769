use std::sync::atomic::{AtomicU32, Ordering};

use persistence_layer::Tenant;
use persistence_layer::operator_actions::Purge;
use prometheus::Registry;
use uuid::Uuid;

use super::*;

fn answers() -> Answers {
    Answers::new(1, None, "", DroppedMetrics::register(&Registry::new()).unwrap())
}

fn question(text: &str) -> Question {
    Question::new(Subject::Latest(Tenant::default()), text.to_owned(), "/r")
}

fn answer(text: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::from_str(&tag_of(text.as_bytes())).unwrap());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Answer::new(&headers, Bytes::from(text.to_owned())).unwrap()
}

#[test]
fn what_was_stored_is_read_back_and_anything_else_is_nothing() {
    let whole = answer("{\"a\":\n1}");
    let bytes = whole.to_bytes().unwrap();
    let back = Answer::from_bytes(bytes.clone()).unwrap();
    assert_eq!((back.body, back.headers), (whole.body, whole.headers));
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() = b'!';
    for bad in
        [Vec::new(), b"\n".to_vec(), b"{}\nx".to_vec(), bytes[..bytes.len() - 1].to_vec(), changed]
    {
        assert!(Answer::from_bytes(bad).is_none());
    }
    assert!(Answer::new(&HeaderMap::new(), Bytes::new()).is_none(), "without a tag");
}

#[tokio::test]
async fn one_makes_it_for_all_who_wait_and_a_new_version_is_made_anew() {
    let answers = Arc::new(answers());
    let made = Arc::new(AtomicU32::new(0));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (answers, made) = (Arc::clone(&answers), Arc::clone(&made));
        asking.spawn(async move {
            let make = async {
                made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, ()>(answer("1"))
            };
            answers.get(&question("q"), "v1", make).await.unwrap().1
        });
    }
    let found = asking.join_all().await;
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert_eq!(found.iter().filter(|found| **found == Found::Miss).count(), 1);
    let (second, found) =
        answers.get(&question("q"), "v2", async { Ok::<_, ()>(answer("2")) }).await.unwrap();
    assert_eq!((found, second.body.as_ref()), (Found::Miss, b"2".as_slice()));
    let again = answers.get(&question("q"), "v2", async { Err::<Answer, _>("made again") }).await;
    assert_eq!(again.unwrap().1, Found::Hit);
    assert_eq!(answers.stale(&question("q")).await.unwrap().body, "2");
    assert!(answers.stale(&question("other")).await.is_none());
    let failed = answers.get(&question("x"), "v1", async { Err::<Answer, _>("no") }).await;
    assert_eq!(failed.unwrap_err(), Some("no"));
    assert!(answers.get(&question("x"), "v1", async { Ok::<_, ()>(answer("3")) }).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_given_to_who_made_it_and_to_nobody_else() {
    let answers = Arc::new(answers());
    for round in 0..50 {
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..8 {
            let answers = Arc::clone(&answers);
            asking.spawn(async move {
                let mut is_made = false;
                let make = async {
                    is_made = true;
                    tokio::task::yield_now().await;
                    Err::<Answer, _>(number)
                };
                let told =
                    answers.get(&question(&format!("q{round}")), "v", make).await.unwrap_err();
                (is_made.then_some(number), told)
            });
        }
        for (made, told) in asking.join_all().await {
            assert_eq!(made, told);
        }
    }
}

/// As if an operator had asked for it.
fn purge(answers: &Answers, tag: &str) {
    let purge = Purge { id: Uuid::new_v4(), tags: vec![tag.to_owned()] };
    assert!(answers.purges.know(&[purge]));
}

#[tokio::test]
async fn what_is_made_while_it_is_purged_is_given_to_who_asked_and_to_nobody_else() {
    let (answers, asked) = (answers(), question("q"));
    let make = async {
        purge(&answers, "tenant:default");
        answers.forget_purged().await;
        Ok::<_, ()>(answer("before"))
    };
    assert_eq!(answers.get(&asked, "v", make).await.unwrap().0.body, "before");
    assert!(answers.at_hand(&asked, "v").is_none());
    assert!(answers.stale(&asked).await.is_none());
    let after = async { Ok::<_, ()>(answer("after")) };
    let (after, found) = answers.get(&asked, "v", after).await.unwrap();
    assert_eq!((after.body.as_ref(), found), (b"after".as_slice(), Found::Miss));
    assert_eq!(answers.at_hand(&asked, "v").unwrap().body, "after");
    assert_eq!(answers.stale(&asked).await.unwrap().body, "after");
}

#[tokio::test]
async fn a_purge_takes_what_it_is_about_and_leaves_the_rest() {
    let answers = answers();
    let make = async || Ok::<_, ()>(answer("1"));
    let other = Subject::Latest("acme".parse().unwrap());
    let other = Question::new(other, "acme".to_owned(), "/r");
    answers.get(&other, "v", make()).await.unwrap();
    for text in ["q", "r"] {
        answers.get(&question(text), "v", make()).await.unwrap();
    }
    purge(&answers, "tenant:default");
    assert_eq!(answers.forget_purged().await, 2);
    assert_eq!(answers.forget_purged().await, 0);
    assert_eq!(answers.dropped.purged.get(), 2);
    assert!(answers.at_hand(&other, "v").is_some());
}

#[tokio::test]
async fn an_answer_gives_its_memory_back_when_a_newer_one_stands_in_its_place() {
    let (answers, asked) = (answers(), question("q"));
    for version in ["1", "2"] {
        let make = async { Ok::<_, ()>(answer(version)) };
        answers.get(&asked, version, make).await.unwrap();
    }
    assert!(answers.at_hand(&asked, "1").is_none());
    assert_eq!(answers.at_hand(&asked, "2").unwrap().body, "2");
    assert_eq!((answers.dropped.superseded.get(), answers.dropped.purged.get()), (1, 0));
}
