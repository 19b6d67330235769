//! The results of a job as files.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use axum::body::Bytes;
use load_tests::{FaultKind, Faults};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use service_runtime::config::Role;
use sha2::{Digest, Sha256};

use crate::contract;
use crate::lines::address;
use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, hold_results, release};

const FORMATS: [&str; 4] = ["csv", "ndjson", "parquet", "arrow"];

struct File {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn file(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> File {
    let mut request = app.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let head = Reply { status, headers: headers.clone(), text: String::new() };
    contract::check(&Method::HEAD, path.split('?').next().unwrap(), &head);
    File { status: status.as_u16(), headers, bytes: response.bytes().await.unwrap() }
}

/// The statement after which the ledgers of a wallet were replaced so long ago.
fn superseded(wallet: &str, since: &str) -> String {
    format!(
        "update ledgers set state = 'superseded', superseded_at = now() - interval '{since}'
            where wallet = '{wallet}'"
    )
}

/// How many rows the file at `path` has.
fn rows_in(path: &str, bytes: &Bytes) -> usize {
    if path.contains(".parquet") {
        rows_of_parquet(bytes).len()
    } else if path.contains(".arrow") {
        rows_of_arrow(bytes).len()
    } else if path.contains(".csv") {
        rows_of_csv(bytes).len()
    } else {
        rows_of_ndjson(bytes).len()
    }
}

/// The rows of a Parquet file, nulls left out.
fn rows_of_parquet(bytes: &Bytes) -> Vec<BTreeMap<String, String>> {
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let row = |row: parquet::record::Row| {
        let cell = |(name, field): (&String, &Field)| {
            let text = match field {
                Field::Null => return None,
                Field::Str(text) => text.clone(),
                other => other.to_string(),
            };
            Some((name.clone(), text))
        };
        row.get_column_iter().filter_map(cell).collect()
    };
    reader.get_row_iter(None).unwrap().map(Result::unwrap).map(row).collect()
}

/// The same of a stream of Arrow.
fn rows_of_arrow(bytes: &Bytes) -> Vec<BTreeMap<String, String>> {
    let cell = |column: &dyn Array, row: usize| match column.data_type() {
        _ if column.is_null(row) => None,
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Boolean => Some(column.as_boolean().value(row).to_string()),
        other => panic!("a column of {other}"),
    };
    let rows = |group: RecordBatch| {
        let schema = group.schema();
        let named = |row| {
            let columns = schema.fields().iter().zip(group.columns());
            columns
                .filter_map(|(field, column)| Some((field.name().clone(), cell(column, row)?)))
                .collect()
        };
        (0..group.num_rows()).map(named).collect::<Vec<_>>()
    };
    let reader = StreamReader::try_new(&bytes[..], None).unwrap();
    reader.map(Result::unwrap).flat_map(rows).collect()
}

/// The same of a CSV file; what is empty there is nothing.
fn rows_of_csv(bytes: &Bytes) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    let named = |row: BTreeMap<String, String>| {
        let filled = row.into_iter().filter(|(_, text)| !text.is_empty());
        filled.map(|(name, text)| (name.replace('.', "_"), text)).collect()
    };
    rows.map(named).collect()
}

fn rows_of_ndjson(bytes: &Bytes) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_format_has_the_figures_of_the_results() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            settings.worker.call_tries = 1;
            settings.worker.max_attempts = 1;
            settings.worker.wallet_permits = 1;
        },
        ..Plan::default()
    })
    .await;
    app.node.set_faults(Faults {
        only: Some("getTransaction".into()),
        ..Faults::first(1, FaultKind::RpcError)
    });
    let mut wallets = app.node.chain().synthetic_wallets();
    wallets.extend(demo_wallets());
    let job = app.accepted(&wallets).await;
    assert_eq!(app.ended(&job).await["status"], "completed_with_errors");
    let path = format!("/api/pnl/batch/results/{job}");
    let results = app.get(&format!("{path}?limit=1000")).await.json();
    let ndjson = file(&app, &format!("{path}/export.ndjson"), &[]).await;
    assert_eq!(ndjson.header("content-type"), "application/x-ndjson");
    assert_eq!(
        ndjson.header("content-disposition"),
        format!("attachment; filename=\"pnl-{job}.ndjson\"")
    );
    let lines = rows_of_ndjson(&ndjson.bytes);
    let rows = results["data"].as_array().unwrap();
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(rows) {
        let mut row = row.clone();
        row.as_object_mut().unwrap().remove("run");
        assert_eq!(line, &row);
    }
    assert_eq!(lines.iter().filter(|line| line["result"].is_null()).count(), 1);
    let csv = rows_of_csv(&file(&app, &format!("{path}/export.csv"), &[]).await.bytes);
    let parquet = file(&app, &format!("{path}/export.parquet"), &[]).await;
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(rows_of_parquet(&parquet.bytes), csv);
    let arrow = file(&app, &format!("{path}/export.arrow"), &[]).await;
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    assert_eq!(
        arrow.header("content-disposition"),
        format!("attachment; filename=\"pnl-{job}.arrows\"")
    );
    assert_eq!(rows_of_arrow(&arrow.bytes), csv);
    assert_eq!(csv.len(), rows.len());
    assert_eq!(csv[1]["metrics_trades"], rows[1]["result"]["metrics"]["trades"].to_string());
}

#[tokio::test]
async fn a_file_of_a_job_that_ended_has_a_digest_and_comes_in_parts() {
    let app = TestApp::with_worker().await;
    let other = TestApp::beside(&app, Plan::default()).await;
    let job = app.completed(&demo_wallets()).await;
    let files = FORMATS.into_iter().flat_map(|format| {
        ["", "?rows=disposals"]
            .map(|rows| format!("/api/pnl/batch/results/{job}/export.{format}{rows}"))
    });
    for path in files {
        let whole = file(&app, &path, &[]).await;
        assert_eq!(whole.status, 200);
        let length = whole.bytes.len();
        assert_eq!(whole.header("content-length"), length.to_string());
        assert_eq!(whole.header("accept-ranges"), "bytes");
        assert_eq!(whole.header("x-row-count"), rows_in(&path, &whole.bytes).to_string());
        let digest = base64(&Sha256::digest(&whole.bytes));
        assert_eq!(whole.header("repr-digest"), format!("sha-256=:{digest}:"));
        assert_eq!(whole.header("digest"), format!("SHA-256={digest}"));
        let tag = whole.header("etag").to_owned();
        // Another process makes the same file.
        let there = file(&other, &path, &[]).await;
        assert_eq!((there.header("etag"), &there.bytes), (&*tag, &whole.bytes));
        let known = file(&app, &path, &[("if-none-match", &tag)]).await;
        assert_eq!((known.status, known.bytes.len()), (304, 0));
        let head = app.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], length.to_string());
        // A download that broke off goes on, at whatever process.
        let (mut joined, step) = (Vec::new(), length / 5 + 1);
        while joined.len() < length {
            let range = format!("bytes={}-{}", joined.len(), joined.len() + step - 1);
            let headers = [("range", &*range), ("if-range", &*tag)];
            let part = file(if joined.is_empty() { &app } else { &other }, &path, &headers).await;
            let last = (joined.len() + step).min(length) - 1;
            assert_eq!(part.status, 206);
            assert_eq!(
                part.header("content-range"),
                format!("bytes {}-{last}/{length}", joined.len())
            );
            assert_eq!(part.header("repr-digest"), format!("sha-256=:{digest}:"));
            joined.extend_from_slice(&part.bytes);
        }
        assert_eq!(joined, whole.bytes);
        let end = file(&app, &path, &[("range", "bytes=-7")]).await;
        assert_eq!((end.status, &end.bytes[..]), (206, &whole.bytes[length - 7..]));
        // Of another file nothing is appended.
        let other_file =
            [("range", "bytes=7-"), ("if-range", "\"0123456789abcdef0123456789abcdef\"")];
        let all = file(&app, &path, &other_file).await;
        assert_eq!((all.status, &all.bytes), (200, &whole.bytes));
        let several = file(&app, &path, &[("range", "bytes=0-1,4-5")]).await;
        assert_eq!((several.status, several.bytes.len()), (200, length));
        let request = app.request(Method::GET, &path).header("range", format!("bytes={length}-"));
        let beyond = crate::support::reply(request).await;
        beyond.problem(416, "range-not-satisfiable");
        assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
    }
    // A digest is of the bytes as they are.
    let path = format!("/api/pnl/batch/results/{job}/export.ndjson");
    let zipped = file(&app, &path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    for name in ["repr-digest", "digest", "accept-ranges"] {
        assert_eq!(zipped.header(name), "", "{name}");
    }
    assert!(zipped.header("etag").ends_with("-gzip\""));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[tokio::test]
async fn disposals_sum_to_the_gains_of_their_wallets() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.push(UNUSED.to_owned());
    let job = app.completed(&wallets).await;
    let path = format!("/api/pnl/batch/results/{job}");
    let results = app.get(&format!("{path}?limit=1000")).await.json();
    let ndjson = file(&app, &format!("{path}/export.ndjson?rows=disposals"), &[]).await;
    assert_eq!(ndjson.header("cache-control"), "private, no-cache");
    assert!(ndjson.header("content-disposition").contains("-disposals.ndjson"));
    let lines = rows_of_ndjson(&ndjson.bytes);
    assert!(lines.len() > wallets.len());
    for row in results["data"].as_array().unwrap() {
        let wallet = row["wallet"].as_str().unwrap();
        let listed = app
            .get(&format!("/api/v2/wallets/{wallet}/disposals?chain=solana&limit=1000"))
            .await
            .json();
        let here: Vec<_> = lines
            .iter()
            .filter(|line| line["wallet"] == wallet)
            .map(|line| line["disposal"].clone())
            .collect();
        assert_eq!(&here, listed["data"].as_array().unwrap(), "{wallet}");
    }
    let csv =
        rows_of_csv(&file(&app, &format!("{path}/export.csv?rows=disposals"), &[]).await.bytes);
    let parquet = file(&app, &format!("{path}/export.parquet?rows=disposals"), &[]).await;
    assert_eq!(rows_of_parquet(&parquet.bytes), csv);
    let arrow = file(&app, &format!("{path}/export.arrow?rows=disposals"), &[]).await;
    assert_eq!(rows_of_arrow(&arrow.bytes), csv);
    assert_eq!(csv.len(), lines.len());
    assert_eq!(csv[0]["id"], lines[0]["disposal"]["id"].as_str().unwrap());
    // Also from a ledger that was replaced, and is kept.
    assert_eq!(app.database.execute(&superseded(&wallets[0], "1 hour")).await, 1);
    let kept = file(&app, &format!("{path}/export.ndjson?rows=disposals"), &[]).await;
    assert_eq!(kept.bytes, ndjson.bytes);
    assert_eq!(app.database.execute(&superseded(&wallets[0], "1 year")).await, 1);
    let after = file(&app, &format!("{path}/export.ndjson?rows=disposals"), &[]).await;
    let first: Vec<_> = rows_of_ndjson(&after.bytes)
        .into_iter()
        .filter(|line| line["wallet"] == *wallets[0])
        .collect();
    assert_eq!(first.len(), 1);
    assert_eq!(
        (&first[0]["error_code"], &first[0]["disposal"]),
        (&"ledger-replaced".into(), &Value::Null)
    );
    app.get(&format!("{path}/export.csv?rows=lots")).await.problem(400, "bad-query");
}

#[tokio::test]
async fn a_file_of_disposals_is_another_one_after_a_newer_analysis() {
    let app = TestApp::with_worker().await;
    let job = app.completed(&demo_wallets()).await;
    let path = format!("/api/pnl/batch/results/{job}/export.csv?rows=disposals");
    let before = file(&app, &path, &[]).await;
    let tag = before.header("etag").to_owned();
    app.completed(&demo_wallets()).await;
    // The same inputs give the same file of other ledgers, and so the same tag.
    let again = file(&app, &path, &[]).await;
    assert_eq!((again.header("etag"), &again.bytes), (&*tag, &before.bytes));
    // Nothing is appended to what was before.
    assert_eq!(app.database.execute(&superseded(&demo_wallets()[0], "1 year")).await, 2);
    let part = [("range", "bytes=0-9"), ("if-range", &*tag)];
    let after = file(&app, &path, &part).await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), tag);
    let digest = base64(&Sha256::digest(&after.bytes));
    assert_eq!(after.header("repr-digest"), format!("sha-256=:{digest}:"));
    let last = rows_of_csv(&after.bytes);
    assert!(last.iter().any(|row| row.get("error_code").is_some_and(|it| it == "ledger-replaced")));
}

#[tokio::test]
async fn a_file_of_disposals_breaks_off_when_a_ledger_goes_on_the_way_but_not_when_it_is_replaced()
{
    let app = TestApp::with_worker().await;
    let job = app.completed(&demo_wallets()).await;
    let path = format!("/api/pnl/batch/results/{job}/export.ndjson?rows=disposals");
    let whole = file(&app, &path, &[]).await;
    assert_ne!(whole.header("etag"), "");
    for (since, expected) in [("1 hour", Some(&whole.bytes[..10])), ("1 year", None)] {
        // The rows of the job are waited for: what is known of the file was looked up before.
        let holder = hold_results(&app).await;
        let request = app.request(Method::GET, &path).header("range", "bytes=0-9");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 206);
        assert_eq!(app.database.execute(&superseded(&demo_wallets()[0], since)).await, 1);
        release(&app).await;
        let part = response.bytes().await.ok();
        assert_eq!(part.as_deref(), expected, "a part of another file looks like one of this");
        assert!(holder.await.is_err());
    }
}

#[tokio::test]
async fn an_export_that_fails_breaks_off() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&(0..300).map(address).collect::<Vec<_>>()).await;
    for format in FORMATS {
        let path = format!("/api/pnl/batch/results/{job}/export.{format}");
        app.get(&path).await.problem(409, "job-running");
        let partial = file(&app, &format!("{path}?partial=true"), &[("range", "bytes=0-5")]).await;
        assert_eq!((partial.status, partial.header("etag")), (200, ""));
        assert_eq!(partial.header("cache-control"), "no-store");
    }
    let gone = format!("delete from wallet_tasks where batch_id = '{job}' and ordinal >= 150");
    assert_eq!(app.database.execute(&gone).await, 150);
    for format in FORMATS {
        let path = format!("/api/pnl/batch/results/{job}/export.{format}?partial=true");
        let response = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "a short {format} file looks whole");
    }
}
