//! The parameters that routes share.

use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{RefOr, Required, Schema};

use crate::extract::{DEFAULT_LIMIT, MAX_LIMIT, MAX_WAIT_SECONDS};
use crate::handlers::best::MOST_COMPARED;

/// A schema from its JSON.
fn schema(json: Value) -> RefOr<Schema> {
    serde_json::from_value(json).expect("the schemas of this file are schemas")
}

fn parameter(name: &str, place: ParameterIn, description: &str, of: Value) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema(of)))
}

/// An optional query parameter.
pub fn query(name: &str, description: &str, of: Value) -> Parameter {
    parameter(name, ParameterIn::Query, description, of).build()
}

fn required(name: &str, description: &str, of: Value) -> Parameter {
    parameter(name, ParameterIn::Query, description, of).required(Required::True).build()
}

fn header(name: &str, description: &str, of: Value) -> Parameter {
    parameter(name, ParameterIn::Header, description, of).build()
}

/// A part of a path.
pub(super) fn in_path(name: &str) -> Parameter {
    let (description, of) = match name {
        "job_id" => {
            ("The job, as its submission named it", json!({"type": "string", "format": "uuid"}))
        }
        "wallet" => ("An address of the chain", json!({"type": "string", "minLength": 1})),
        "id" => ("A disposal: its event and leg", json!({"type": "string", "minLength": 1})),
        "code" => ("A code of an error or of a field", json!({"type": "string", "minLength": 1})),
        other => unreachable!("the path parameter {other} is not described"),
    };
    parameter(name, ParameterIn::Path, description, of).required(Required::True).build()
}

const CHAINS: [&str; 7] =
    ["solana", "ethereum", "base", "binance-smart-chain", "sol", "eth", "bsc"];

/// `chain`, a filter.
pub fn chain() -> Parameter {
    query("chain", "A chain or its alias", json!({"type": "string", "enum": CHAINS}))
}

/// `chain`, without which a wallet is none.
pub fn chain_of_wallet() -> Parameter {
    required("chain", "The wallet's chain or its alias", json!({"type": "string", "enum": CHAINS}))
}

/// `min_trades`, a filter.
pub fn min_trades() -> Parameter {
    query("min_trades", "At least so many trades", json!({"type": "integer", "minimum": 0}))
}

/// `wallets` that are compared.
pub fn wallets() -> Parameter {
    required(
        "wallets",
        &format!("1 to {MOST_COMPARED} addresses of the chain, separated by commas"),
        json!({"type": "string", "minLength": 1}),
    )
}

/// `method`.
pub fn method() -> Parameter {
    let methods =
        json!({"type": "string", "enum": ["fifo", "lifo", "hifo", "average"], "default": "fifo"});
    query("method", "The cost-basis method", methods)
}

/// `method`, `time_range`, `as_of`, `as_of_block`.
pub fn view() -> [Parameter; 4] {
    let [time_range, as_of, as_of_block] = time_range();
    [method(), time_range, as_of, as_of_block]
}

/// `time_range`, `as_of`, `as_of_block`.
pub fn time_range() -> [Parameter; 3] {
    [
        query(
            "time_range",
            "What is counted: `all`, `1h`, `1d`, `7d`, `30d`, `90d`, `1y`, or `FROM..TO` as RFC 3339 \
             times, half-open",
            json!({"type": "string", "default": "all"}),
        ),
        query(
            "as_of",
            "A time of the past at which the history ends",
            json!({"type": "string", "format": "date-time"}),
        ),
        query(
            "as_of_block",
            "The last block (Solana: slot) of the history; with a `time_range` of `all` and without `as_of`",
            json!({"type": "integer", "format": "int64", "minimum": 0}),
        ),
    ]
}

/// `limit` and `cursor`.
pub fn pages() -> [Parameter; 2] {
    [
        query(
            "limit",
            "Rows of a page",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
        ),
        query("cursor", "`next_cursor` of the page before", json!({"type": "string"})),
    ]
}

/// `include`.
pub fn include() -> Parameter {
    let records = json!({"type": "string",
        "enum": ["lots", "disposals", "lots,disposals", "disposals,lots"]});
    query("include", "The records behind the figures", records)
}

/// `format` of a ledger.
pub fn ledger_format() -> Parameter {
    let formats = json!({"type": "string", "enum": ["json", "oracle"], "default": "json"});
    query("format", "A page of events, or all of them as an accounting document", formats)
}

/// `period`.
pub fn period() -> Parameter {
    let periods = json!({"type": "string", "enum": ["day", "week", "month"], "default": "day"});
    query("period", "In UTC; weeks begin on Monday", periods)
}

/// A job in the query.
pub fn job(name: &str) -> Parameter {
    required(name, "A job", json!({"type": "string", "format": "uuid"}))
}

/// The job whose result is asked for.
pub fn optional_job(description: &str) -> Parameter {
    query("job_id", description, json!({"type": "string", "format": "uuid"}))
}

/// A switch.
pub fn flag(name: &str, description: &str) -> Parameter {
    query(name, description, json!({"type": "string", "enum": ["true", "false"]}))
}

/// `Idempotency-Key`.
pub fn idempotency_key() -> Parameter {
    header(
        "Idempotency-Key",
        "A repeated request with it gives the first answer again",
        json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
    )
}

/// `Prefer: wait=SECONDS`.
pub fn prefer_wait() -> Parameter {
    header(
        "Prefer",
        "`wait=SECONDS`: the answer waits so long for the end of the job (RFC 7240)",
        json!({"type": "string"}),
    )
}

/// `wait`.
pub fn wait() -> Parameter {
    query(
        "wait",
        "Seconds that the answer may wait for a change",
        json!({"type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": 0}),
    )
}

/// The event behind which a stream begins, in the query and as browsers send it.
pub fn after_event() -> [Parameter; 2] {
    let number = || json!({"type": "integer", "minimum": 0});
    [
        query("after", "Begin behind this event instead of with a snapshot", number()),
        header("Last-Event-ID", "The same, and stronger", json!({"type": "string"})),
    ]
}

/// The event behind which a WebSocket begins.
pub fn last_event_id() -> Parameter {
    let number = json!({"type": "integer", "minimum": 0});
    query("last_event_id", "Begin behind this event instead of with a snapshot", number)
}

/// `Range` and `If-Range`.
pub(super) fn range() -> [Parameter; 2] {
    let text = || json!({"type": "string"});
    [
        header("Range", "Bytes of the file, as `bytes=1000-`", text()),
        header("If-Range", "The tag of the file that the part must be of", text()),
    ]
}

/// `rows` of a file.
pub fn rows() -> Parameter {
    let rows = json!({"type": "string", "enum": ["wallets", "disposals"], "default": "wallets"});
    query("rows", "What has a row", rows)
}

/// `If-None-Match`.
pub(super) fn if_none_match() -> Parameter {
    header("If-None-Match", "Tags of answers at hand", json!({"type": "string"}))
}
