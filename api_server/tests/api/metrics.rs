//! The catalogue of metrics is what a running service has, name by name.

use std::collections::{BTreeMap, BTreeSet};

use service_runtime::config::Role;

use crate::support::{Plan, TestApp, demo_wallets, eventually};

const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

/// Below this heading stand those that may be missing.
const ON_TROUBLE: &str = "## From the first trouble on";

/// Type and labels of each metric.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

fn listed(text: &str) -> Metrics {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, rest)| {
        let mut cells = rest.trim_start_matches(" |").split('|').map(str::trim);
        let kind = cells.next().unwrap().to_owned();
        let labels = cells.next().unwrap().split(", ").filter(|label| !label.is_empty());
        let meaning = cells.next().unwrap();
        assert!(!meaning.is_empty(), "{name} has no meaning");
        (name.to_owned(), (kind, labels.map(str::to_owned).collect()))
    })
    .collect()
}

fn scraped(text: &str) -> Metrics {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut found: Metrics =
        kinds.map(|(name, kind)| (name.to_owned(), (kind.to_owned(), BTreeSet::new()))).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .find(|family| found.get(*family).is_some_and(|(kind, _)| kind == "histogram"));
        let (_, known) = found.get_mut(family.unwrap_or(name)).unwrap();
        // No value of ours has a quote or an equals sign.
        let names = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',']).next());
        known.extend(
            names
                .filter(|name| !name.is_empty() && !matches!(*name, "le" | "}"))
                .map(str::to_owned),
        );
    }
    found
}

#[tokio::test]
async fn a_scrape_has_every_metric_of_the_catalogue_and_no_other() {
    let app = TestApp::start(Plan { role: Role::All, redis: true, ..Plan::default() }).await;
    app.sees_redis().await;
    app.completed(&demo_wallets()).await;
    eventually("the process has reported itself", || async {
        app.admin_get("/metrics").await.text.contains("processes_seen{role=\"all\"} 1")
    })
    .await;
    let text = app.admin_get("/metrics").await.text;
    let found = scraped(&text);
    let document = std::fs::read_to_string(CATALOGUE).unwrap();
    let (always, on_trouble) = document.split_once(ON_TROUBLE).unwrap();
    let on_trouble = listed(on_trouble);
    let mut expected = listed(always);
    for (name, described) in on_trouble {
        if found.contains_key(&name) {
            expected.insert(name, described);
        }
    }
    assert_eq!(found, expected, "{text}");
    for line in [
        "batches_open{state=\"admitted\"} 0",
        "batches_open{state=\"waiting\"} 0",
        "database_takes_writes 1",
        "wallet_tasks{state=\"queued\"} 0",
        "wallet_tasks_oldest_queued_seconds 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let bytes = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    };
    let (peak, limit) = (bytes("process_memory_peak_bytes"), bytes("process_memory_limit_bytes"));
    assert!(bytes("process_memory_anonymous_bytes") > 1 << 20 && peak < limit, "{peak} {limit}");
}
