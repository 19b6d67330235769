//! Limits of clients, by themselves and over two processes.

use reqwest::Method;
use service_runtime::config::{Role, Settings};
use uuid::Uuid;

use crate::cache;
use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, reply};

/// Clients behind a proxy of ours on this machine, so that one test can be many clients.
fn behind_a_proxy(settings: &mut Settings) {
    settings.limits.unlimited = Vec::new();
    settings.limits.trusted_proxies = vec!["127.0.0.1".to_owned()];
}

async fn app(redis: bool) -> TestApp {
    let app = TestApp::start(Plan { redis, adjust: behind_a_proxy, ..Plan::default() }).await;
    if redis {
        app.sees_redis().await;
    }
    app
}

/// An address that no other test has.
fn client() -> String {
    let bytes = Uuid::new_v4().into_bytes();
    format!(
        "2001:db8:{:x}:{:x}::1",
        u16::from_be_bytes([bytes[0], bytes[1]]),
        u16::from_be_bytes([bytes[2], bytes[3]])
    )
}

async fn ask(app: &TestApp, client: &str, path: &str) -> Reply {
    reply(app.request(Method::GET, path).header("x-forwarded-for", client)).await
}

/// The number behind `key=` in the header RateLimit.
fn told(reply: &Reply, key: &str) -> u32 {
    let header = reply.header("ratelimit");
    let part = header.split(';').find_map(|part| part.strip_prefix(&format!("{key}=")));
    part.unwrap_or_else(|| panic!("{header:?} has no {key}")).parse().unwrap()
}

/// As many requests as the class allows are let in, and told how many are left; no more.
async fn is_limited(app: &TestApp, path: &str, class: &str, most: u32) {
    let client = client();
    for left in (0..most).rev() {
        let answer = ask(app, &client, path).await;
        assert_ne!(answer.status, 429, "{path} with {left} left");
        assert_eq!(answer.header("ratelimit-policy"), format!("\"{class}\";q={most};w=60"));
        assert!(answer.header("ratelimit").starts_with(&format!("\"{class}\";")), "{answer:?}");
        assert_eq!(told(&answer, "r"), left, "{path}");
        assert!((1..=60).contains(&told(&answer, "t")), "{path}");
    }
    let refused = ask(app, &client, path).await;
    refused.problem(429, "rate-limited");
    assert_eq!(
        (told(&refused, "r"), refused.header("retry-after")),
        (0, told(&refused, "t").to_string().as_str())
    );
    assert_ne!(ask(app, &self::client(), path).await.status, 429, "another client");
    // One network of IPv6 is one client, however it counts its addresses.
    let neighbour = client.replace("::1", ":0:ffff:1:2");
    assert_eq!(ask(app, &neighbour, path).await.status, 429);
}

async fn all_classes(app: &TestApp) {
    let wallet = format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana");
    for (path, class, most) in [
        ("/api/services/status", "services", 5),
        (wallet.as_str(), "wallets", 10),
        ("/api/pnl/results?limit=7", "results", 30),
        ("/api/pnl/batch?limit=7", "default", 100),
        ("/nowhere", "default", 100),
    ] {
        is_limited(app, path, class, most).await;
    }
    let client = client();
    for _ in 0..105 {
        let probe = ask(app, &client, "/api/health").await;
        assert_eq!((probe.status.as_u16(), probe.header("ratelimit")), (200, ""));
    }
}

#[tokio::test]
async fn each_class_has_its_limit_without_redis() {
    all_classes(&app(false).await).await;
}

#[tokio::test]
async fn each_class_has_its_limit_in_redis() {
    let app = app(true).await;
    all_classes(&app).await;
    let scrape = app.admin_get("/metrics").await.text;
    assert!(scrape.contains("http_rate_limited_total{class=\"services\"} 2"), "{scrape}");
}

#[tokio::test]
async fn two_processes_let_in_together_what_one_may() {
    let (one, two) = (app(true).await, app(true).await);
    let client = client();
    let path = "/api/pnl/results";
    let mut asked = Vec::new();
    for n in 0..80 {
        let app = if n % 2 == 0 { &one } else { &two };
        asked.push(ask(app, &client, path));
    }
    let answers = futures::future::join_all(asked).await;
    let let_in = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(let_in, 30, "to the last one");
    for app in [&one, &two] {
        ask(app, &client, path).await.problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn the_thirty_first_is_refused_whichever_process_it_asks() {
    let (one, two) = (app(true).await, app(true).await);
    for first in 0..2 {
        let client = client();
        let asked = [&one, &two].into_iter().cycle().skip(first);
        for (app, left) in asked.clone().zip((0..30).rev()) {
            let answer = ask(app, &client, "/api/pnl/results").await;
            assert_eq!((answer.status.as_u16(), told(&answer, "r")), (200, left));
        }
        for app in asked.take(2) {
            ask(app, &client, "/api/pnl/results").await.problem(429, "rate-limited");
        }
    }
}

#[tokio::test]
async fn what_the_client_has_already_is_free() {
    for redis in [false, true] {
        let app = app(redis).await;
        let (client, path) = (client(), "/api/pnl/results");
        let first = ask(&app, &client, path).await;
        for _ in 0..40 {
            let request = app
                .request(Method::GET, path)
                .header("x-forwarded-for", &client)
                .header("if-none-match", first.header("etag"));
            let unchanged = reply(request).await;
            assert_eq!((unchanged.status.as_u16(), told(&unchanged, "r")), (304, 29));
        }
        assert_eq!(told(&ask(&app, &client, path).await, "r"), 28);
    }
}

/// The same for a client that has the answer with `tag`.
async fn ask_with(app: &TestApp, client: &str, path: &str, tag: &str) -> Reply {
    let request = app.request(Method::GET, path).header("x-forwarded-for", client);
    reply(request.header("if-none-match", tag)).await
}

#[tokio::test]
async fn a_kept_answer_is_given_to_a_client_whose_limit_is_used_up() {
    for redis in [false, true] {
        let plan = |role| Plan { role, redis, adjust: with_cache, ..Plan::default() };
        let one = TestApp::start(plan(Role::All)).await;
        let two = TestApp::beside(&one, plan(Role::Api)).await;
        if redis {
            one.sees_redis().await;
            two.sees_redis().await;
        }
        let wallets = demo_wallets();
        one.completed(&wallets[..2]).await;
        let path = |wallet: &str| format!("/api/v2/wallets/{wallet}/pnl?chain=solana");
        let (kept, other) = (path(&wallets[0]), path(&wallets[1]));
        let client = client();
        let made = ask(&one, &client, &kept).await;
        assert_eq!((made.header("x-cache"), told(&made, "r")), ("MISS", 9), "{made:?}");
        if !redis {
            ask(&two, &client, &kept).await;
        }

        // More at once than the limit has requests: none of them takes another's place.
        let apps = [&one, &two].into_iter().cycle();
        let at_once = apps.clone().take(24).map(|app| ask(app, &client, &kept));
        for hit in futures::future::join_all(at_once).await {
            assert_eq!((hit.status.as_u16(), hit.header("x-cache")), (200, "HIT"), "{hit:?}");
            assert_eq!(told(&hit, "r"), 9);
        }
        let with_made = apps.clone().take(9).map(|app| ask(app, &client, &kept));
        let with_made = futures::future::join_all(with_made);
        let unused = path(UNUSED);
        let others = apps.clone().take(18).map(|app| ask(app, &client, &unused));
        let (hits, others) = tokio::join!(with_made, futures::future::join_all(others));
        assert!(hits.iter().all(|hit| hit.status == 200), "{hits:?}");
        let made = others.iter().filter(|answer| answer.status == 404).count();
        assert_eq!(made, if redis { 9 } else { 18 }, "to the last one");

        for app in apps.take(4) {
            ask(app, &client, &other).await.problem(429, "rate-limited");
            let hit = ask(app, &client, &kept).await;
            assert_eq!((hit.header("x-cache"), told(&hit, "r")), ("HIT", 0), "{hit:?}");
            let known = ask_with(app, &client, &kept, hit.header("etag")).await;
            assert_eq!((known.status.as_u16(), told(&known, "r")), (304, 0), "{known:?}");
            ask_with(app, &client, &other, "\"made-up\"").await.problem(429, "rate-limited");
        }
        let scrape = one.admin_get("/metrics").await.text;
        assert!(scrape.contains("http_kept_answers_total{found=\"miss\"} 1"), "{scrape}");
    }
}

#[tokio::test]
async fn beyond_the_limit_a_client_is_told_what_it_has_but_cannot_guess_without_end() {
    for redis in [false, true] {
        let app = app(redis).await;
        let (client, path) = (client(), "/api/pnl/results");
        let tag = ask(&app, &client, path).await.header("etag").to_owned();
        for _ in 1..30 {
            assert_eq!(ask(&app, &client, path).await.status, 200);
        }
        for guess in 0..30 {
            let known = ask_with(&app, &client, path, &tag).await;
            assert_eq!((known.status.as_u16(), told(&known, "r")), (304, 0), "{guess}");
            ask_with(&app, &client, path, "\"made-up\"").await.problem(429, "rate-limited");
        }
        ask_with(&app, &client, path, &tag).await.problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn what_has_to_be_computed_is_counted_also_when_the_client_has_it() {
    for kept in [false, true] {
        let adjust = if kept { with_cache } else { behind_a_proxy };
        let app = TestApp::start(Plan { role: Role::All, adjust, ..Plan::default() }).await;
        let wallet = demo_wallets().swap_remove(0);
        app.completed(std::slice::from_ref(&wallet)).await;
        let (client, path) = (client(), format!("/api/v2/wallets/{wallet}/pnl?chain=solana"));
        let tag = ask(&app, &client, &path).await.header("etag").to_owned();
        for (left, tag) in (0..9).rev().zip([tag.as_str(), "*"].into_iter().cycle()) {
            let made = made_for(&app, &client, &path, tag).await;
            assert_eq!((made.status.as_u16(), told(&made, "r")), (304, left), "{made:?}");
        }
        for tag in [tag.as_str(), "*"] {
            made_for(&app, &client, &path, tag).await.problem(429, "rate-limited");
        }
    }
}

#[tokio::test]
async fn beyond_the_limit_nothing_is_made_for_who_names_every_answer_or_wants_it_anew() {
    let path = "/api/pnl/results";
    for (adjust, fresh) in [(behind_a_proxy as fn(&mut Settings), false), (with_cache, true)] {
        let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
        let client = client();
        let tag = ask(&app, &client, path).await.header("etag").to_owned();
        for _ in 1..30 {
            assert_eq!(made_for(&app, &client, path, "\"another\"").await.status, 200);
        }
        let wanted = if fresh { vec![tag.as_str()] } else { vec!["*", "\"x\", *", "*, \"x\""] };
        for tag in wanted {
            made_for(&app, &client, path, tag).await.problem(429, "rate-limited");
        }
    }
    // It is no answer to name every one from the beginning either.
    let app = TestApp::start(Plan { adjust: behind_a_proxy, ..Plan::default() }).await;
    let client = client();
    for _ in 0..30 {
        assert_eq!(made_for(&app, &client, path, "*").await.status, 304);
    }
    made_for(&app, &client, path, "*").await.problem(429, "rate-limited");
}

fn with_cache(settings: &mut Settings) {
    behind_a_proxy(settings);
    cache::kept(settings);
}

/// The answer to a client that has one with `tag`, and wants it made for itself.
async fn made_for(app: &TestApp, client: &str, path: &str, tag: &str) -> Reply {
    let request = app.request(Method::GET, path).header("x-forwarded-for", client);
    reply(request.header("cache-control", "no-cache").header("if-none-match", tag)).await
}

#[tokio::test]
async fn programs_on_the_same_machine_have_no_limit_unless_it_is_configured() {
    let app = TestApp::without_worker().await;
    for _ in 0..110 {
        let answer = app.get("/api/services/status").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""));
    }
    // A header that no proxy of ours wrote changes nothing.
    let forged = ask(&app, "203.0.113.9", "/api/services/status").await;
    assert_eq!(forged.header("ratelimit"), "");

    let app = TestApp::start(Plan {
        adjust: |settings| {
            settings.limits.unlimited = Vec::new();
            settings.limits.services_per_minute = 1;
            settings.limits.default_per_minute = 0;
        },
        ..Plan::default()
    })
    .await;
    assert_eq!(ask(&app, "203.0.113.9", "/api/services/status").await.status, 200);
    ask(&app, "203.0.113.10", "/api/services/status").await.problem(429, "rate-limited");
    for _ in 0..110 {
        assert_eq!(app.get("/api/pnl/batch").await.header("ratelimit"), "");
    }
}
