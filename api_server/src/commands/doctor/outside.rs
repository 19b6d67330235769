//! What the process needs around it: database, disk, Redis, endpoints, ports.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use job_orchestrator::probes;
use persistence_layer::redis::Redis;
use persistence_layer::server::{self, ServerFacts};
use persistence_layer::{Judgement, Store, Trouble};
use service_runtime::config::Settings;
use service_runtime::postgres;
use service_runtime::telemetry::Chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Findings;
use crate::database::Database;

/// Oldest server that the statements are written for.
const OLDEST_SERVER: i32 = 140_000;

/// Free space below which a disk soon is full, and below which it is.
const LITTLE_SPACE_MB: u64 = 5_000;
const NO_SPACE_MB: u64 = 500;

/// Difference of clocks that shows in durations, and one that nobody should work with.
const SKEW_SECONDS: i64 = 2;
const WRONG_SECONDS: i64 = 60;

/// Longest wait for something on this machine.
const PATIENCE: Duration = Duration::from_secs(3);

pub async fn check(settings: &Settings, offline: bool, findings: &mut Findings) {
    match Database::open_for_a_look(settings).await {
        Err(error) => findings
            .fail("database", format!("{error:#}; start it, or correct database.postgres_url")),
        Ok(database) => {
            ask_database(settings, &database.store, findings).await;
            database.close().await;
        }
    }
    if settings.database.postgres_url.is_empty() {
        ask_disk(&postgres::Database::home(&settings.database), findings).await;
    }
    ask_redis(settings, findings).await;
    if offline {
        findings.ok("endpoints", "not asked (--offline)");
    } else if !settings.service.role.works_on_wallets() {
        findings.ok("endpoints", "not asked: a process with the role api calls none");
    } else {
        for probe in probes::all(settings).await {
            match probe.outcome {
                Ok(text) if text.contains("does not know") => findings.warn(
                    probe.name,
                    format!("{text}: recent transactions stay without a value; renew the table"),
                ),
                Ok(text) => findings.ok(probe.name, text),
                Err(text) => findings.fail(
                    probe.name,
                    format!("{text}; look at its URL, its key and the network between"),
                ),
            }
        }
    }
    for (subject, host, port) in [
        ("api port", &settings.api.host, settings.api.port),
        ("admin port", &settings.admin.host, settings.admin.port),
    ] {
        ask_port(subject, host, port, findings).await;
    }
}

async fn ask_database(settings: &Settings, store: &Store, findings: &mut Findings) {
    let asked = (Utc::now(), Instant::now());
    let facts = match server::facts(store).await {
        Ok(facts) => facts,
        Err(error) => {
            let text = format!("{} ({}); see the server's log", Chain(&error), error.code());
            return findings.fail("database", text);
        }
    };
    let (begun, took) = (asked.0, asked.1.elapsed());
    judge_server(&facts, findings);
    judge_clock(begun, took, facts.clock, findings);
    match store.server_budget().await {
        Ok(budget) => {
            let database = &settings.database;
            match budget.judge(database.min_connections, database.max_connections) {
                Judgement::Ok => findings.ok(
                    "connections",
                    format!(
                        "{} in use of {}, this process takes up to {}",
                        facts.connections, budget.max_connections, database.max_connections
                    ),
                ),
                Judgement::Warn(text) => findings.warn("connections", text),
                Judgement::Refuse(text) => findings.fail("connections", text),
            }
        }
        Err(error) => findings.fail("connections", Chain(&error)),
    }
    match store.schema_version().await {
        Ok((applied, newest)) if applied == newest => {
            findings.ok("schema", format!("version {applied}, the newest this program knows"));
            match store.diagnose().await {
                Ok(()) => findings.ok("writes", "the database takes them"),
                Err(Trouble { error, .. }) => findings.fail(
                    "writes",
                    format!("{} ({}); see the runbook database", Chain(&error), error.code()),
                ),
            }
        }
        Ok((applied, newest)) if applied < newest => findings.warn(
            "schema",
            format!("version {applied}, this program knows {newest}; `migrate` or `serve` brings it there"),
        ),
        Ok((applied, newest)) => findings.warn(
            "schema",
            format!("version {applied}, newer than the {newest} of this program; install the newer one"),
        ),
        Err(error) => findings.fail("schema", Chain(&error)),
    }
}

fn judge_server(facts: &ServerFacts, findings: &mut Findings) {
    let megabytes = facts.database_bytes / 1_000_000;
    let text = format!("PostgreSQL {}, {megabytes} MB", facts.version);
    if facts.version_number < OLDEST_SERVER {
        findings.fail("database", format!("{text}; PostgreSQL 14 or newer is needed"));
    } else if facts.is_replica || facts.setting("default_transaction_read_only") == "on" {
        findings.fail(
            "database",
            format!("{text}; it takes no writes: name the primary in database.postgres_url"),
        );
    } else {
        findings.ok("database", text);
    }
    let mut is_fine = true;
    for (name, bad, advice) in [
        ("fsync", "off", "a crash of the machine loses accepted jobs or the whole database"),
        ("full_page_writes", "off", "a crash of the machine can leave torn pages behind"),
    ] {
        if facts.setting(name) == bad {
            findings.fail("server settings", format!("{name} = {bad}: {advice}; switch it on"));
            is_fine = false;
        }
    }
    for (name, bad, advice) in [
        ("synchronous_commit", "off", "a crash can lose the last accepted jobs; switch it on"),
        ("autovacuum", "off", "the queue's tables will bloat; switch it on"),
    ] {
        if facts.setting(name) == bad {
            findings.warn("server settings", format!("{name} = {bad}: {advice}"));
            is_fine = false;
        }
    }
    if is_fine {
        let checksums = facts.setting("data_checksums");
        findings.ok("server settings", format!("safe for crashes; data_checksums = {checksums}"));
    }
}

fn judge_clock(
    asked: DateTime<Utc>,
    took: Duration,
    clock: DateTime<Utc>,
    findings: &mut Findings,
) {
    // The server looked at its clock somewhere within the time the question took.
    let slack = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    let ahead = (clock - asked).num_milliseconds();
    let skew = if ahead < 0 { ahead } else { (ahead - slack).max(0) };
    let seconds = skew.abs() / 1000;
    let text = format!("{skew} ms between this machine and the database");
    if seconds >= WRONG_SECONDS {
        findings.fail("clock", format!("{text}; set both clocks by NTP"));
    } else if seconds >= SKEW_SECONDS {
        findings.warn("clock", format!("{text}; leases are safe, times in the API are off"));
    } else {
        findings.ok("clock", text);
    }
}

/// Free space where the own cluster lies, as `df` tells it.
async fn ask_disk(home: &Path, findings: &mut Findings) {
    let mut asked = home;
    while !asked.exists() {
        asked = asked
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
    }
    let output = tokio::process::Command::new("df").arg("-Pk").arg(asked).output().await;
    let free = output.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    let Some(free_mb) = free.map(|kilobytes| kilobytes / 1000) else {
        return findings.warn("disk", "df does not tell how much is free; look by hand");
    };
    let text = format!("{free_mb} MB free below {}", home.display());
    if free_mb < NO_SPACE_MB {
        findings.fail("disk", format!("{text}: the database will stop; make room"));
    } else if free_mb < LITTLE_SPACE_MB {
        findings.warn("disk", format!("{text}; make room, or set a retention"));
    } else {
        findings.ok("disk", text);
    }
}

async fn ask_redis(settings: &Settings, findings: &mut Findings) {
    if settings.redis.url.is_empty() {
        return findings.ok(
            "redis",
            "not configured; each process counts requests and keeps answers by itself",
        );
    }
    let probe = async { Redis::connect(settings.redis.url.expose()).await?.probe().await };
    match tokio::time::timeout(PATIENCE * 2, probe).await {
        Ok(Ok(took)) => findings.ok("redis", format!("answers in {} ms", took.as_millis())),
        Ok(Err(error)) => findings.warn(
            "redis",
            format!("{}; the service works without it, but look at redis.url", Chain(&error)),
        ),
        Err(_) => findings.warn("redis", "no answer; the service works without it"),
    }
}

/// Free, or the service itself, or somebody else's.
async fn ask_port(subject: &str, host: &str, port: u16, findings: &mut Findings) {
    if port == 0 || TcpListener::bind((host, port)).await.is_ok() {
        return findings.ok(subject, format!("{host}:{port} is free"));
    }
    match tokio::time::timeout(PATIENCE, health(host, port)).await {
        Ok(Some(200)) => findings.ok(subject, format!("the service answers at {host}:{port}")),
        Ok(Some(503)) => findings.fail(
            subject,
            format!("the service at {host}:{port} is not ready; ask /api/health/detailed why"),
        ),
        _ => findings.fail(
            subject,
            format!("{host}:{port} cannot be used and is not this service; choose another"),
        ),
    }
}

/// The status with which something at the port answers the readiness probe.
async fn health(host: &str, port: u16) -> Option<u16> {
    let mut stream = TcpStream::connect((host, port)).await.ok()?;
    let request = format!("GET /api/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8_lossy(&answer);
    let is_ours = text.to_ascii_lowercase().contains("\r\nx-request-id:");
    let status = text.split(' ').nth(1)?.parse().ok()?;
    is_ours.then_some(status)
}
