//! The catalogue of problems: every `code` an error body can carry, with its status and meaning.
//!
//! Codes are part of the contract: clients match on them. They are added, never renamed. The same
//! table answers `GET /problems/{code}`, to which the `type` member of every error points.

use axum::http::StatusCode;

/// A kind of error a client can meet.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable name: the `code` member and the last segment of `type`.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// One line, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what to do about it.
    pub description: &'static str,
}

macro_rules! problems {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $status:ident, $title:literal, $description:literal;)+) => {
        $(
            $(#[$meta])*
            pub const $name: &Problem = &Problem {
                code: $code,
                status: StatusCode::$status,
                title: $title,
                description: $description,
            };
        )+

        /// Every problem, in the order of the documentation.
        pub const ALL: &[&Problem] = &[$($name),+];
    };
}

problems! {
    /// The body is no JSON.
    MALFORMED_JSON = "malformed-json", BAD_REQUEST, "The body is not valid JSON",
        "The request body could not be read as JSON. The detail names line and column of the first \
         offending byte. Send one JSON object in UTF-8.";
    /// Nested too deeply.
    JSON_TOO_DEEP = "json-too-deep", BAD_REQUEST, "The JSON body is nested too deeply",
        "No request of this interface needs more than a few levels of nesting; deeper bodies are \
         refused before they are looked at.";
    /// Query string.
    BAD_QUERY = "bad-query", BAD_REQUEST, "The query string is not valid",
        "A query parameter is unknown, given twice, or has a value outside its range. `errors` lists \
         each one; its pointer is `?name`.";
    /// Cursor.
    BAD_CURSOR = "bad-cursor", BAD_REQUEST, "The cursor is not valid here",
        "A cursor is opaque: send back the `next_cursor` of the same list with the same filters, \
         unchanged, or leave it out to begin at the start.";
    /// Idempotency-Key.
    BAD_IDEMPOTENCY_KEY = "bad-idempotency-key", BAD_REQUEST, "The Idempotency-Key is not valid",
        "The header Idempotency-Key takes 1 to 255 visible ASCII characters and may be sent once. A \
         random UUID for each new job is a good choice.";
    /// Anything else.
    BAD_REQUEST = "bad-request", BAD_REQUEST, "The request cannot be understood",
        "The request breaks a rule that has no code of its own; the detail says which.";
    /// Broken HTTP body.
    UNREADABLE_BODY = "unreadable-body", BAD_REQUEST, "The body could not be read",
        "The connection broke or the transfer encoding was wrong before the whole body had arrived.";
    /// No key, or none that is valid.
    UNAUTHORIZED = "unauthorized", UNAUTHORIZED, "The request needs a valid key",
        "This server answers holders of keys (`auth.mode = \"keys\"`). Send one as `Authorization: Bearer KEY` \
         or `X-API-Key: KEY`; its operator creates it with `pnl-tracker keys create`. A key that has expired \
         or was revoked is answered like one that never was.";
    /// A key without the scope.
    FORBIDDEN = "forbidden", FORBIDDEN, "The key is not good for this request",
        "Reading needs a key with the scope `read`; submitting, cancelling and retrying jobs one with the \
         scope `submit`; the state of the service one with the scope `admin`. The detail names the scope that \
         is missing.";
    /// A page of somebody else.
    FOREIGN_ORIGIN = "foreign-origin", FORBIDDEN, "A page of another host may not ask for this",
        "Browsers let any page open a WebSocket anywhere, so one whose header Origin is not the Host of the \
         request is refused. Serve the page from the same host, or let a proxy in front set Host.";
    /// Unknown route.
    NOT_FOUND = "not-found", NOT_FOUND, "There is nothing at this path",
        "The path names no route of this service. docs/api.md lists all routes.";
    /// Unknown job.
    UNKNOWN_JOB = "unknown-job", NOT_FOUND, "There is no such job",
        "The job id is not known here: it was mistyped, the job was never accepted, or it is not of the tenant \
         of your key. \
         GET /api/pnl/batch lists the jobs.";
    /// Not a group.
    NO_GROUP = "no-group", NOT_FOUND, "The job has no result of a group",
        "The job was submitted without group = true, or its group has not ended with a result: \
         GET /api/pnl/batch/status/{job_id} tells how it stands.";
    /// Nothing to tell.
    NO_WEBHOOK = "no-webhook", NOT_FOUND, "The job has no webhook",
        "The job was submitted without `webhook_url`, so its end is told to nobody.";
    /// No webhooks here.
    WEBHOOKS_OFF = "webhooks-off", CONFLICT, "This server sends no webhooks",
        "Webhooks are signed, so they are sent where the operator has set `webhooks.secrets` or `webhooks.root_secrets`.";
    /// Unknown wallet.
    UNKNOWN_WALLET = "unknown-wallet", NOT_FOUND, "The wallet has not been analyzed",
        "No full-history analysis of this wallet is stored. Submit it with \
         POST /api/pnl/batch/run and ask again when the job has completed.";
    /// Not in the list.
    NOT_WATCHED = "not-watched", NOT_FOUND, "The wallet is not watched",
        "The wallet is not in the list of watched wallets of the tenant of your key. \
         GET /api/pnl/watched lists them, POST /api/pnl/watched/add adds some.";
    /// The list is full.
    TOO_MANY_WATCHED = "too-many-watched", CONFLICT, "The tenant watches too many wallets",
        "Each tenant may watch so many wallets (`continuous.max_wallets`). Nothing was changed: take wallets off \
         the list, or add fewer.";
    /// No key to sign with.
    NOT_SIGNING = "not-signing", NOT_FOUND, "This server signs no results",
        "Results are signed where the operator has set `signing.key_file` to a key that `pnl-tracker signing-key` \
         has made.";
    /// Unknown disposal.
    UNKNOWN_DISPOSAL = "unknown-disposal", NOT_FOUND, "The wallet has no such disposal",
        "The newest ledger of the wallet has no disposal with this id. \
         GET /api/v2/wallets/{wallet}/disposals lists them with their ids.";
    /// Unknown result.
    UNKNOWN_RESULT = "unknown-result", NOT_FOUND, "The job has no result of this wallet",
        "The wallet is not part of the job, or has not ended with a result there. \
         GET /api/pnl/batch/results/{job_id} lists what the job has.";
    /// Replaced ledger.
    LEDGER_REPLACED = "ledger-replaced", GONE, "What the result was computed from is not stored any more",
        "A newer analysis has replaced the ledger of the result longer ago than replaced ledgers are kept \
         (`retention.replaced_ledgers_hours`), another version of the engine computed it, or its history was \
         cut and so is not kept. Submit the wallet again.";
    /// Method.
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED,
        "The method is not offered at this path",
        "The path exists, but not for this HTTP method. The header Allow lists the methods it takes.";
    /// Accept.
    NOT_ACCEPTABLE = "not-acceptable", NOT_ACCEPTABLE,
        "The answer has no form that the Accept header takes",
        "The route answers with one media type, named in the detail, and the header Accept of the \
         request excludes it.";
    /// Slow request.
    REQUEST_TIMEOUT = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        "Request line and headers, or the body, had not arrived completely within the time limit \
         (`api.request_timeout_seconds`). Nothing was stored.";
    /// Job still running.
    JOB_RUNNING = "job-running", CONFLICT, "The job has not ended yet",
        "The operation needs a job that has ended. Wait for a terminal status, or, for the CSV export, \
         ask for what is there with `?partial=true`.";
    /// Nothing to retry.
    NOTHING_TO_RETRY = "nothing-to-retry", CONFLICT, "The job has no wallet to retry",
        "Only wallets that failed or timed out are retried, and this job has none.";
    /// The first request with this key is running.
    IDEMPOTENCY_KEY_IN_FLIGHT = "idempotency-key-in-flight", CONFLICT,
        "A request with this Idempotency-Key is being processed",
        "The original request with the same Idempotency-Key has not been answered yet. Repeat the \
         request after a moment to receive its answer.";
    /// Removed by retention, or because somebody asked for it.
    JOB_EXPIRED = "job-expired", GONE, "The job has been removed",
        "The job ended longer ago than the server keeps jobs (`retention.results_days`), or was removed with \
         `DELETE /api/pnl/batch/{job_id}`; its results went with it. Submit its wallets again for new ones.";
    /// Body size.
    BODY_TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The request body exceeds `api.max_body_bytes`. Split the wallets over several jobs.";
    /// List size.
    TOO_MANY_WALLETS = "too-many-wallets", PAYLOAD_TOO_LARGE, "Too many wallets in one job",
        "`wallet_addresses` is longer than `api.max_wallets`, or there are more lines of wallets than \
         `api.max_streamed_wallets` (counted before duplicates are removed). Send more wallets as \
         application/x-ndjson, or split them over several jobs.";
    /// Header count or size.
    HEADERS_TOO_LARGE = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers of the request are too large",
        "A request has at most 100 headers and 65,536 bytes before its body. Leave out cookies and \
         other headers that this interface does not know.";
    /// Address length.
    URI_TOO_LONG = "uri-too-long", URI_TOO_LONG, "The request address is too long",
        "Path and query string together exceed 8,192 bytes; no request of this interface needs that.";
    /// Content type.
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "The content type is not supported",
        "Send the body as `Content-Type: application/json`, without a content encoding; a submission may also \
         come as `application/x-ndjson`.";
    /// A part that is not there.
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable", RANGE_NOT_SATISFIABLE,
        "The file has no such part",
        "The header Range begins behind the end of the file; Content-Range has its length.";
    /// Field errors.
    VALIDATION_FAILED = "validation-failed", UNPROCESSABLE_ENTITY,
        "The request has invalid fields",
        "`errors` lists each invalid field with a JSON pointer into the request body, a code and an \
         explanation (the first 100; the detail says how many there are). Nothing was stored.";
    /// No provider.
    CHAIN_UNAVAILABLE = "chain-unavailable", UNPROCESSABLE_ENTITY,
        "The chain is not configured on this server",
        "The chain is known, but this server has no data provider for it: its operator adds one at \
         `[[chains.<chain>.providers]]`.";
    /// Key with another body.
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused", UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used for a different request",
        "The key belongs to an earlier request with different content. Use a new key for a new job, \
         or repeat the original request unchanged to receive its answer.";
    /// No WebSocket.
    UPGRADE_REQUIRED = "upgrade-required", UPGRADE_REQUIRED, "The route is a WebSocket",
        "The request is no WebSocket handshake (RFC 6455, version 13), or a proxy in front has taken its \
         headers Connection and Upgrade away.";
    /// Limit of a client.
    RATE_LIMITED = "rate-limited", TOO_MANY_REQUESTS, "The client has made too many requests",
        "Each client has a number of requests per minute and class (`limits` in the configuration). The header \
         RateLimit says how many are left; try again after the time in Retry-After.";
    /// Panic or broken data.
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "The server failed to answer",
        "A defect in the service. The log has the details under the `trace_id` of the answer; \
         please report it with them.";
    /// Batch limit.
    CAPACITY_EXHAUSTED = "capacity-exhausted", SERVICE_UNAVAILABLE,
        "The maximum number of concurrent batch jobs is running",
        "The server runs a fixed number of batch jobs at a time (`batch.max_concurrent`), shared between its \
         tenants, and no more may wait behind them (`batch.admission`, `batch.queue_limit`). Try again \
         after the time in Retry-After. Nothing was stored, and an Idempotency-Key can be sent again.";
    /// Too much at once.
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, "The process works on as much as it can",
        "So many requests are worked on at this moment that one more would only make all of them late. \
         Expensive ones are refused first. Ask again after the time in `Retry-After`.";
    /// Waiting requests.
    TOO_MANY_WAITING = "too-many-waiting", SERVICE_UNAVAILABLE,
        "Too many requests wait for jobs",
        "Only so many requests of one process wait for a job at a time (`live.max_waiting`). Ask without \
         `wait`, or try again after the time in Retry-After.";
    /// Streams.
    TOO_MANY_STREAMS = "too-many-streams", SERVICE_UNAVAILABLE,
        "Too many clients follow jobs",
        "Only so many clients follow a job at one process at a time (`live.max_streams`). Ask for the status \
         instead, or try again after the time in Retry-After.";
    /// One profile at a time.
    PROFILE_RUNNING = "profile-running", CONFLICT, "A profile is being taken",
        "One profile of a process is taken at a time. Ask again when it is done.";
    /// No moment of a job.
    JOB_BUSY = "job-busy", SERVICE_UNAVAILABLE, "Too much happens in the job just now",
        "The events of the job come so fast that no snapshot of it could be taken. Try again after the time in \
         Retry-After, or follow it behind an event that is known.";
    /// No database.
    DATABASE_UNAVAILABLE = "database-unavailable", SERVICE_UNAVAILABLE,
        "The database cannot be reached",
        "The service keeps everything in its database and cannot answer without it. Try again after \
         the time in Retry-After; accepted jobs continue when the database is back.";
    /// A slow statement.
    DATABASE_TIMEOUT = "database-timeout", SERVICE_UNAVAILABLE,
        "The database did not answer in time",
        "A statement took longer than its class may (`database.request_statement_timeout_seconds` for \
         what is read) and was cancelled. Ask for less (a smaller `limit`, a narrower filter), or try again \
         after the time in Retry-After. A submission was not stored.";
    /// Readiness.
    NOT_READY = "not-ready", SERVICE_UNAVAILABLE, "The process should not get requests now",
        "The answer of the readiness probes while the process stops or a dependency it cannot work \
         without is away. `checks` names each.";
    /// Too slow.
    DEADLINE_EXCEEDED = "deadline-exceeded", SERVICE_UNAVAILABLE,
        "The answer was not ready in time",
        "The service could not answer within `api.request_timeout_seconds`. A submission may or may \
         not have been stored: repeat it with the same Idempotency-Key to be sure.";
}

/// What the `code` of an entry of `errors` can be, with its meaning.
pub const FIELD_CODES: &[(&str, &str)] = &[
    ("bad-line", "The line is no JSON value, or none that is taken there."),
    ("missing-field", "A required member is absent."),
    ("unknown-field", "The member is not known here; perhaps it is misspelled."),
    ("duplicate-key", "The member stands more than once in its object."),
    ("wrong-type", "The value has another JSON type than the field takes."),
    ("empty-list", "The list must have at least one entry."),
    ("bad-asset", "The text is no asset of the chain; the detail says what is expected."),
    ("bad-address", "The text is no address of the chain; the detail says why."),
    ("unknown-chain", "The chain is none of solana, ethereum, base, binance-smart-chain."),
    ("chain-unavailable", "The chain has no provider on this server."),
    ("unknown-method", "The cost basis method is not offered."),
    ("bad-option", "The option is not offered with this value."),
    ("bad-time-range", "The time range is no known preset or no valid pair of times."),
    ("out-of-range", "The number lies outside the range that the detail names."),
    ("contradiction", "The value contradicts another one; the detail says which."),
    ("bad-url", "The URL is none that webhooks are sent to; the detail says why."),
    ("webhooks-off", "This server sends no webhooks."),
    ("bad-tag", "The text is no tag of a purge; the detail says why."),
    ("bad-value", "The value is none of those that the detail lists."),
];

/// The problem called `code`.
pub fn find(code: &str) -> Option<&'static Problem> {
    ALL.iter().copied().find(|problem| problem.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_and_belong_to_errors() {
        let mut seen = BTreeSet::new();
        for problem in ALL {
            assert!(seen.insert(problem.code), "{} twice", problem.code);
            assert!(problem.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert!(problem.status.is_client_error() || problem.status.is_server_error());
            assert_eq!(find(problem.code), Some(*problem));
        }
        assert_eq!(find("no-such-problem"), None);
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let page = include_str!("../../docs/api.md");
        for problem in ALL {
            let row = format!("| `{}` | {} |", problem.code, problem.status.as_u16());
            assert!(page.contains(&row), "docs/api.md lacks the row {row}");
        }
        for (code, _) in FIELD_CODES {
            assert!(page.contains(&format!("| `{code}` |")), "docs/api.md lacks {code}");
        }
    }
}
