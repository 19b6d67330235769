//! The scrape in the text format of OpenMetrics 1.0, read by the rules of that standard.

use std::collections::BTreeMap;

use reqwest::Method;

use crate::support::{Reply, TestApp, reply};

const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";

/// What a bucket or a counter has behind a `#`.
#[derive(Debug)]
struct Exemplar {
    trace_id: String,
    value: f64,
    at: f64,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    exemplar: Option<Exemplar>,
}

#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    help: String,
    samples: Vec<Sample>,
}

/// The families of a whole exposition. Panics on what the standard does not allow.
fn read(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let [told, name, value] = rest.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            if name != current {
                assert!(!families.contains_key(name), "{name} is in two places");
                name.clone_into(&mut current);
            }
            let family = families.entry(current.clone()).or_default();
            assert!(family.samples.is_empty(), "{line} comes behind samples");
            let into = match told {
                "TYPE" => &mut family.kind,
                "UNIT" => &mut family.unit,
                "HELP" => &mut family.help,
                _ => panic!("{line}"),
            };
            assert!(into.is_empty(), "{line} comes twice");
            value.clone_into(into);
        } else {
            let sample = sample(line);
            families.get_mut(&current).unwrap().samples.push(sample);
        }
    }
    for (name, family) in &families {
        check(name, family);
    }
    families
}

fn sample(line: &str) -> Sample {
    let (own, exemplar) = match line.split_once(" # ") {
        Some((own, exemplar)) => (own, Some(exemplar)),
        None => (line, None),
    };
    let (series, value) = own.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let exemplar = exemplar.map(|text| {
        let (labels, rest) = text.strip_prefix('{').unwrap().split_once("} ").unwrap();
        let mut labels = read_labels(&format!("{labels}}}"));
        let (value, at) = rest.split_once(' ').unwrap();
        let trace_id = labels.remove("trace_id").unwrap();
        assert!(labels.is_empty(), "{line}");
        Exemplar { trace_id, value: number(value), at: number(at) }
    });
    Sample { name: name.to_owned(), labels: read_labels(labels), value: number(value), exemplar }
}

/// `a="b",c="d"}`; no value of ours has a comma behind a quote.
fn read_labels(text: &str) -> BTreeMap<String, String> {
    let inner = text.strip_suffix('}').unwrap();
    let mut labels = BTreeMap::new();
    for pair in inner.split_inclusive("\",").filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.trim_end_matches(',').split_once("=\"").unwrap();
        let value = value.strip_suffix('"').unwrap();
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{text}");
    }
    labels
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => {
            assert!(!text.contains("inf"), "{text}");
            text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
        }
    }
}

fn check(name: &str, family: &Family) {
    assert!(!family.kind.is_empty() && !family.help.is_empty(), "{name}");
    assert!(family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)), "{name}");
    for unit in ["seconds", "bytes"] {
        assert_eq!(name.ends_with(&format!("_{unit}")), family.unit == unit, "{name}");
    }
    let ends: &[&str] = match &*family.kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => panic!("{name} is a {other}"),
    };
    for sample in &family.samples {
        let end = sample.name.strip_prefix(name).unwrap();
        assert!(ends.contains(&end), "{sample:?}");
        if let Some(exemplar) = &sample.exemplar {
            assert!(["_bucket", "_total"].contains(&end), "{sample:?}");
            assert!(exemplar.at > 1.7e9, "{sample:?}");
            assert_eq!(exemplar.trace_id.len(), 32);
        }
    }
    if family.kind == "histogram" {
        check_buckets(&family.samples);
    }
}

/// Every series has rising bounds up to `+Inf`, counts that rise with them, and exemplars between its bounds.
fn check_buckets(samples: &[Sample]) {
    let (mut below, mut count) = (0.0, 0.0);
    for sample in samples {
        if sample.name.ends_with("_count") {
            assert_eq!((below, sample.value), (f64::INFINITY, count), "{sample:?}");
            (below, count) = (0.0, 0.0);
        } else if sample.name.ends_with("_bucket") {
            let text = &sample.labels["le"];
            assert!(text == "+Inf" || text.contains('.'), "{sample:?}");
            let bound = number(text);
            assert!(bound > below && sample.value >= count, "{sample:?}");
            if let Some(exemplar) = &sample.exemplar {
                assert!(sample.value > count, "{sample:?}");
                assert!(exemplar.value > below && exemplar.value <= bound, "{sample:?}");
            }
            (below, count) = (bound, sample.value);
        }
    }
}

async fn scrape(app: &TestApp, accept: &str) -> Reply {
    app.admin_get_as("/metrics", accept).await
}

#[tokio::test]
async fn a_scrape_may_have_the_format_of_open_metrics_with_traces() {
    let app = TestApp::without_worker().await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let request = app.request(Method::GET, "/api/pnl/batch").header("traceparent", traceparent);
    assert_eq!(reply(request).await.status, 200);
    let open = scrape(&app, ACCEPTED).await;
    assert_eq!(
        open.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let families = read(&open.text);
    let durations = &families["http_request_duration_seconds"];
    let of_route = durations
        .samples
        .iter()
        .filter(|sample| sample.labels.get("route").is_some_and(|route| route == "/api/pnl/batch"));
    let traces: Vec<_> = of_route.filter_map(|sample| sample.exemplar.as_ref()).collect();
    assert_eq!(traces.len(), 1);
    assert_eq!(traces[0].trace_id, trace_id);
    // The same metrics as in the other format, where counters have their end in the name of the family.
    let text = scrape(&app, "text/plain").await;
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(!text.text.contains(trace_id) && !text.text.contains("# EOF"));
    let names = text.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names: Vec<_> = names
        .map(
            |(name, kind)| {
                if kind == "counter" { name.strip_suffix("_total").unwrap() } else { name }
            },
        )
        .collect();
    let mut open: Vec<_> = families.keys().map(String::as_str).collect();
    open.retain(|name| names.contains(name));
    assert_eq!(open.len(), names.len());
    assert_eq!(scrape(&app, "*/*").await.header("content-type"), text.header("content-type"));
}

#[test]
fn what_the_standard_does_not_allow_is_found() {
    let sound = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds A.\n\
        a_seconds_bucket{le=\"0.5\"} 1\n\
        a_seconds_bucket{le=\"+Inf\"} 2 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.7 1800000000.5\n\
        a_seconds_sum 1.2\na_seconds_count 2\n# TYPE b counter\n# HELP b B.\nb_total 7\n# EOF\n";
    read(sound);
    for (from, to) in [
        ("# EOF\n", ""),
        ("b_total 7", "b 7"),
        ("# UNIT a_seconds seconds\n", ""),
        ("seconds seconds", "seconds bytes"),
        ("+Inf", "0.7"),
        ("+Inf", "0.1"),
        ("\"0.5\"", "\"1\""),
        ("0.7 18", "0.4 18"),
        ("count 2", "count 3"),
        ("b_total 7", "b_total 7 # {trace_id=\"1\"} 1 1"),
        ("# TYPE b counter", "# TYPE a_seconds counter"),
    ] {
        let broken = sound.replace(from, to);
        assert_ne!(broken, sound);
        assert!(std::panic::catch_unwind(|| read(&broken)).is_err(), "{from} {to}");
    }
}
