//! `capacity`: what a running service says of its capacity. Asks the listener of operators, which wants no key.
//!
//! Exit code: 0 no gate is reached, 1 one is, 2 the service does not answer.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use futures::TryStreamExt;
use job_orchestrator::tools::download;
use serde_json::Value;
use service_runtime::config::Settings;

use super::table::{self, Align};
use crate::cli::{CapacityArgs, OutputFormat};
use crate::json::printable;

const EXIT_UNREADABLE: u8 = 2;

/// Most that is read of an answer, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Asks, prints and judges.
pub async fn run(args: CapacityArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args.config.config.as_deref())?;
    let address = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => address(&settings.admin.host, settings.admin.port),
    };
    let asked = [("rps", args.rps), ("latency_ms", args.latency_ms)];
    let asked: Vec<_> = asked
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
        .collect();
    let url = format!("{address}/api/performance/capacity?{}", asked.join("&"));
    let body = match ask(&url).await {
        Ok(body) => body,
        Err(error) => {
            let hint = "name the admin listener of a running service with --url";
            writeln!(io::stderr(), "error: no answer from {address}: {error:#}; {hint}")?;
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    let text = match args.format {
        OutputFormat::Json => serde_json::to_string_pretty(&body)? + "\n",
        OutputFormat::Table => tables(&body),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let is_reached = body["reached"].as_u64().is_none_or(|gate| gate > 0);
    Ok(if is_reached { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where a listener on this machine is asked.
fn address(host: &str, port: u16) -> String {
    match host {
        "0.0.0.0" => format!("http://127.0.0.1:{port}"),
        "::" => format!("http://[::1]:{port}"),
        _ if host.contains(':') => format!("http://[{host}]:{port}"),
        _ => format!("http://{host}:{port}"),
    }
}

async fn ask(url: &str) -> anyhow::Result<Value> {
    let mut pieces = download(url).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend(piece);
        anyhow::ensure!(
            bytes.len() <= MOST_BYTES,
            "the answer is too long to be one of the service"
        );
    }
    serde_json::from_slice(&bytes).context("the answer is none of the service")
}

/// The answer for people. It comes from the service alone; a member that is not there shows as a dash.
fn tables(body: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => printable(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut out = String::new();
    let why = list(&body["why"]);
    if why.is_empty() {
        out.push_str("ok: no gate is reached\n");
    }
    for story in &why {
        let _ = writeln!(out, "attention: {}", text(story));
    }
    out.push('\n');
    let rows: Vec<Vec<String>> = list(&body["gates"])
        .iter()
        .map(|gate| {
            let gates: Vec<_> = list(&gate["gates"]).iter().map(text).collect();
            vec![
                text(&gate["measure"]),
                text(&gate["value"]),
                text(&gate["unit"]),
                gates.join(" "),
                text(&gate["reached"]),
            ]
        })
        .collect();
    let heads = [
        ("measure", Align::Left),
        ("value", Align::Right),
        ("unit", Align::Left),
        ("gates", Align::Left),
        ("reached", Align::Right),
    ];
    out.push_str(&table::render(&heads, &rows));
    let plan = &body["plan"];
    let _ = writeln!(
        out,
        "\n{} requests/s of {} ms, {} at a time in an instance: {} instances, {} cores, {} bytes of memory",
        text(&plan["requests_per_second"]),
        text(&plan["latency_ms"]),
        text(&plan["at_a_time"]),
        text(&plan["instances"]),
        text(&plan["cores"]),
        text(&plan["memory_bytes"]),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_asked_where_it_can_be_reached() {
        for (host, expected) in [
            ("127.0.0.1", "http://127.0.0.1:9090"),
            ("0.0.0.0", "http://127.0.0.1:9090"),
            ("::", "http://[::1]:9090"),
            ("::1", "http://[::1]:9090"),
            ("ops.internal", "http://ops.internal:9090"),
        ] {
            assert_eq!(address(host, 9090), expected);
        }
    }
}
