//! Every route: its path, its handler, and what the document says of it.

mod continuous;
mod of_wallet;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::json;

use crate::dto::job::Origin;
use crate::dto::result::WALLET_STATUSES;
use crate::dto::webhook::WebhookView;
use crate::extract::NDJSON;
use crate::handlers::{
    batches, best, docs, exports, group, health, latest, live, performance, problems, results,
    services, signed, webhooks,
};
use crate::metrics::UNMATCHED;
use crate::openapi::shapes::{
    Accepted, AccountingDocument, Comparison, DatabaseProbe, DryRun, GroupResult, Job, JobList,
    LatestResults, Leaderboard, LedgerPage, Liveness, NoMembers, Probe, PurgeRequest, Results,
    ServiceStatus, SigningKey, Submission,
};
use crate::openapi::{Api, Operation, params};
use crate::performance::traffic;
use crate::slo::RouteClass;
use persistence_layer::batches::BatchStatus;
use persistence_layer::results::LatestSort;

pub use continuous::switches;

const JOBS: &str = "jobs";
const WALLETS: &str = "wallets";
const SERVICE: &str = "service";

/// All of the public listener, for the document.
pub fn all() -> Api {
    probes().and(explanations()).and(
        service()
            .and(performance())
            .and(switches())
            .and(data())
            .and(streams())
            .and(files())
            .keyed(),
    )
}

/// Where a tenant finds its own requests.
pub const TRAFFIC: &str = "/api/performance/traffic-analysis";

/// What a scrape asks for at the listener of operators.
pub const METRICS: &str = "/metrics";

/// Where the listener of operators tells what the processor does.
pub const PROFILE: &str = "/debug/profile";

static CLASSES: LazyLock<HashMap<String, RouteClass>> = LazyLock::new(|| all().classes());

/// What is expected of the time of a matched route; [`RouteClass::Other`] of one that is not described.
pub fn class_of(route: &str) -> RouteClass {
    CLASSES.get(route).copied().unwrap_or(RouteClass::Other)
}

/// The label of a matched route; that of no route where it is not known.
pub fn label_of(route: &str) -> &'static str {
    match CLASSES.get_key_value(route) {
        Some((known, _)) => known,
        None => [METRICS, PROFILE].into_iter().find(|known| *known == route).unwrap_or(UNMATCHED),
    }
}

/// Probes: on both listeners, whatever the process does.
pub fn probes() -> Api {
    let detailed = || {
        Operation::new(SERVICE, RouteClass::Health, "Every dependency, the database asked now")
            .json::<Probe>("Nothing that is required is away")
    };
    Api::default()
        .get(
            "/health",
            health::live,
            Operation::new(SERVICE, RouteClass::Health, "The process lives")
                .json::<Liveness>("It does"),
        )
        .get(
            "/api/health",
            health::ready,
            Operation::new(SERVICE, RouteClass::Health, "Whether requests should be sent here")
                .json::<Probe>("Ready"),
        )
        .get(
            "/api/health/db",
            health::database,
            Operation::new(SERVICE, RouteClass::Health, "The database, asked now")
                .json::<DatabaseProbe>("It answers"),
        )
        .get("/api/health/detailed", health::detailed, detailed())
        .get("/api/performance/health-detailed", health::detailed, detailed())
}

/// What describes the interface itself.
pub fn explanations() -> Api {
    Api::default()
        .get(
            "/problems/{code}",
            problems::describe,
            Operation::new(
                SERVICE,
                RouteClass::Simple,
                "What the code of an error or of a field means",
            )
            .text("Its description", "text/plain")
            .tagged(),
        )
        .get(
            "/api/openapi.json",
            docs::document,
            Operation::new(SERVICE, RouteClass::Simple, "This document")
                .json::<crate::openapi::shapes::Open>("OpenAPI 3.1")
                .tagged(),
        )
        .get(
            "/api/docs",
            docs::page,
            Operation::new(SERVICE, RouteClass::Simple, "This document as a page")
                .text("The page", "text/html")
                .tagged(),
        )
}

/// The state of the service.
pub fn service() -> Api {
    Api::default()
        .get(
            "/api/services/status",
            services::status,
            Operation::new(
                SERVICE,
                RouteClass::Simple,
                "What runs, how much waits, how the providers are",
            )
            .json::<ServiceStatus>("The state")
            .tagged()
            .kept(),
        )
        .get(
            "/api/signing/key",
            signed::key,
            Operation::new(
                SERVICE,
                RouteClass::Simple,
                "The key that signed results are checked with",
            )
            .json::<SigningKey>("The public key")
            .tagged(),
        )
}

/// What operators ask of a running process.
pub fn performance() -> Api {
    let window = || {
        params::query(
            "window",
            "How far back",
            json!({"type": "string", "enum": ["1h", "24h", "7d"], "default": "1h"}),
        )
    };
    let number = |name, description, most: u64| {
        params::query(name, description, json!({"type": "integer", "minimum": 1, "maximum": most}))
    };
    Api::default()
        .get(
            "/api/performance/performance-metrics",
            performance::snapshot,
            Operation::new(
                SERVICE,
                RouteClass::Simple,
                "Load, memory, pools and cache of this process",
            )
            .json::<performance::Snapshot>("One look"),
        )
        .get(
            TRAFFIC,
            performance::traffic,
            Operation::new(SERVICE, RouteClass::Simple, "What was asked of this process")
                .takes([window()])
                .json::<traffic::Report>("Counts; without the scope admin of the own tenant"),
        )
        .get(
            "/api/performance/capacity",
            performance::capacity,
            Operation::new(
                SERVICE,
                RouteClass::Simple,
                "Gates of capacity that are reached, and instances a load wants",
            )
            .takes([
                number("rps", "Requests a second to plan for", 1_000_000),
                number("latency_ms", "Mean time of an answer to plan with", 600_000),
            ])
            .json::<performance::CapacityView>("Gates and plan"),
        )
        .get(
            "/api/performance/cost",
            performance::cost,
            Operation::new(SERVICE, RouteClass::Simple, "What calls to providers have cost")
                .takes([
                    window(),
                    params::query(
                        "job_id",
                        "A job, not a window",
                        json!({"type": "string", "format": "uuid"}),
                    ),
                ])
                .json::<performance::CostView>("Calls and prices"),
        )
        .post(
            "/api/performance/optimize",
            performance::optimize,
            Operation::new(
                SERVICE,
                RouteClass::Submit,
                "Forget kept answers, renew statistics of tables",
            )
            .body::<NoMembers>(false)
            .accepts::<performance::OptimizationView>("It is being done"),
        )
        .post(
            "/api/performance/cache/purge",
            performance::purge,
            Operation::new(
                SERVICE,
                RouteClass::Submit,
                "Every process forgets what it keeps of some tags",
            )
            .body::<PurgeRequest>(true)
            .accepts::<performance::PurgeView>("It is done here; the others hear of it"),
        )
}

/// What needs the database.
pub fn data() -> Api {
    jobs().and(continuous::watched_wallets()).and(job_results()).and(of_wallet::all())
}

/// What goes on for as long as the client wants, and needs the database.
pub fn streams() -> Api {
    Api::default()
        .get(
            "/api/pnl/batch/{job_id}/events",
            live::events,
            Operation::new(JOBS, RouteClass::Live, "Follow a job: its events as they happen")
                .takes(params::after_event())
                .streams("Server-sent events, each a CloudEvent", live::EVENT_STREAM)
                .nothing("The job is over, and nothing comes behind that event"),
        )
        .get(
            "/api/events",
            live::events_of,
            Operation::new(JOBS, RouteClass::Live, "The same stream, of the job in the query")
                .takes([params::job("job_id")])
                .takes(params::after_event())
                .streams("Server-sent events, each a CloudEvent", live::EVENT_STREAM)
                .nothing("The job is over, and nothing comes behind that event"),
        )
        .get(
            "/api/pnl/batch/{job_id}/ws",
            live::socket_of_job,
            Operation::new(
                JOBS,
                RouteClass::Live,
                "Follow a job over a WebSocket: the same events",
            )
            .takes([params::last_event_id()])
            .switches("A WebSocket; each message is a CloudEvent"),
        )
        .get(
            "/api/ws",
            live::socket,
            Operation::new(
                JOBS,
                RouteClass::Live,
                "A WebSocket whose first message names the job to follow",
            )
            .switches("A WebSocket; each message is a CloudEvent"),
        )
}

/// The results of a job as files.
pub fn files() -> Api {
    let file = |summary: &str, media_type: &str| {
        Operation::new(JOBS, RouteClass::Export, summary)
            .takes([params::rows(), params::flag("partial", "Also while the job runs")])
            .text("A row per wallet, or per disposal", media_type)
            .named()
            .in_parts(media_type)
            .tagged()
    };
    Api::default()
        .get(
            "/api/pnl/batch/results/{job_id}/export.csv",
            exports::csv,
            file("The results of a job as CSV", "text/csv"),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/export.ndjson",
            exports::ndjson,
            file("The results of a job as lines of JSON", NDJSON),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/export.parquet",
            exports::parquet,
            file("The results of a job as Parquet", "application/vnd.apache.parquet"),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/export.arrow",
            exports::arrow,
            file(
                "The results of a job as a stream of Arrow",
                "application/vnd.apache.arrow.stream",
            ),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/signed.ndjson",
            signed::results,
            Operation::new(JOBS, RouteClass::Export, "The results of a job that has ended, signed")
                .text("A row per wallet with its digest, and the signature", NDJSON)
                .named(),
        )
}

fn jobs() -> Api {
    let statuses = BatchStatus::ALL.map(BatchStatus::as_str);
    Api::default()
        .post(
            batches::RUN,
            batches::run,
            Operation::new(JOBS, RouteClass::Submit, "Submit wallets as a batch job")
                .takes([params::idempotency_key(), params::prefer_wait()])
                .body::<Submission>(true)
                .or_lines(NDJSON)
                .json_or::<Job, DryRun>(
                    "The job has ended while the answer waited for it, or what it would cost",
                )
                .accepts::<Accepted>("The job is stored, or was already with this Idempotency-Key")
                .stores(),
        )
        .get(
            "/api/pnl/batch",
            batches::list,
            Operation::new(JOBS, RouteClass::Simple, "Jobs, newest first")
                .takes([params::query(
                    "status",
                    "Only these",
                    json!({"type": "string", "enum": statuses}),
                )])
                .takes([params::query(
                    "origin",
                    "Only those of clients, or only rounds of continuous mode",
                    json!({"type": "string", "enum": Origin::ALL.map(|(name, _)| name)}),
                )])
                .takes(params::pages())
                .json::<JobList>("A page of jobs")
                .tagged(),
        )
        .get(
            "/api/pnl/batch/status/{job_id}",
            batches::status,
            Operation::new(JOBS, RouteClass::Simple, "Progress of a job")
                .takes([params::wait()])
                .json::<Job>("How it stands")
                .tagged()
                .asked_again(),
        )
        .post(
            "/api/pnl/batch/{job_id}/cancel",
            batches::cancel,
            Operation::new(JOBS, RouteClass::Submit, "Stop a job")
                .body::<NoMembers>(false)
                .accepts::<Job>("It stops, or has ended")
                .asked_again(),
        )
        .post(
            "/api/pnl/batch/{job_id}/retry",
            batches::retry,
            Operation::new(JOBS, RouteClass::Submit, "Failed and timed-out wallets again")
                .body::<NoMembers>(false)
                .accepts::<Job>("They are queued")
                .asked_again(),
        )
        .delete(
            "/api/pnl/batch/{job_id}",
            batches::purge,
            Operation::new(
                JOBS,
                RouteClass::Submit,
                "A job that has ended is removed, with its results",
            )
            .nothing("It is gone"),
        )
        .get(
            "/api/pnl/batch/{job_id}/webhook",
            webhooks::log,
            Operation::new(
                JOBS,
                RouteClass::Simple,
                "Where the end of a job is told, and what came of it",
            )
            .json::<WebhookView>("The deliveries, newest first")
            .tagged(),
        )
        .post(
            "/api/pnl/batch/{job_id}/webhook/replay",
            webhooks::replay,
            Operation::new(JOBS, RouteClass::Submit, "The newest end of a job is told again")
                .body::<NoMembers>(false)
                .accepts::<WebhookView>("It is delivered, from its first attempt on"),
        )
}

fn job_results() -> Api {
    let sorts = |sorts: &[LatestSort]| -> Vec<_> {
        let both = |sort: &LatestSort| [sort.as_str().to_owned(), format!("-{}", sort.as_str())];
        sorts.iter().flat_map(both).collect()
    };
    let usd = || json!({"type": "string", "pattern": "^-?[0-9]{1,30}(\\.[0-9]{1,36})?$"});
    let totals = || {
        [
            params::flag("profitable", "With a total above zero, or not"),
            params::query("min_pnl", "A total of at least this", usd()),
            params::query("max_pnl", "A total of at most this", usd()),
        ]
    };
    Api::default()
        .get(
            "/api/pnl/batch/results/{job_id}",
            results::page,
            Operation::new(
                JOBS,
                RouteClass::Complex,
                "Every wallet of a job, in the order of the submission",
            )
            .takes([
                params::query(
                    "status",
                    "Wallets that stand so",
                    json!({"type": "string", "enum": WALLET_STATUSES}),
                ),
                params::query(
                    "error_code",
                    "Wallets that ended with this `error.code`",
                    json!({"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}),
                ),
            ])
            .takes(totals())
            .takes([params::query(
                "sort",
                "Wallets that are done by a figure of the result, with `-` for the largest first",
                json!({"type": "string", "enum": sorts(&LatestSort::FIGURES)}),
            )])
            .takes(params::pages())
            .json::<Results>("A page of wallets")
            .tagged()
            .kept()
            .asked_again(),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/group",
            group::result,
            Operation::new(JOBS, RouteClass::Complex, "The wallets of a job as one history")
                .takes([params::include()])
                .json::<GroupResult>("The group")
                .tagged()
                .kept()
                .asked_again(),
        )
        .get(
            "/api/pnl/batch/results/{job_id}/group/ledger",
            group::ledger,
            Operation::new(JOBS, RouteClass::Report, "The merged ledger of a group")
                .takes([params::ledger_format()])
                .takes(params::pages())
                .json_or::<LedgerPage, AccountingDocument>("A page of events, or all of them")
                .tagged()
                .kept(),
        )
        .get(
            "/api/pnl/results",
            latest::latest,
            Operation::new(
                WALLETS,
                RouteClass::Complex,
                "The newest result of every wallet, with a summary",
            )
            .takes([
                params::chain(),
                params::min_trades(),
                params::query(
                    "updated_since",
                    "Analyzed then or later",
                    json!({"type": "string", "format": "date-time"}),
                ),
                params::query(
                    "sort",
                    "A member of the row, with `-` for the largest first",
                    json!({"type": "string", "enum": sorts(&LatestSort::ALL), "default": "-analyzed_at"}),
                ),
                params::query(
                    "page",
                    &format!(
                        "In place of `cursor`: a numbered page of up to {} rows. Deprecated",
                        latest::MOST_NUMBERED
                    ),
                    json!({"type": "integer", "minimum": 1, "maximum": latest::NUMBERED_ROWS}),
                ),
            ])
            .takes(totals())
            .takes(params::pages())
            .json::<LatestResults>("A page of wallets")
            .tagged()
            .kept()
            .deprecated_in_part(),
        )
        .get(
            "/api/leaderboard",
            best::leaderboard,
            Operation::new(WALLETS, RouteClass::Complex, "The first wallets by a figure")
                .takes([
                    params::chain(),
                    params::query(
                        "by",
                        "The figure",
                        json!({"type": "string", "enum": LatestSort::FIGURES.map(LatestSort::as_str),
                               "default": "total_pnl_usd"}),
                    ),
                    params::min_trades(),
                    params::query(
                        "limit",
                        "How many",
                        json!({"type": "integer", "minimum": 1, "maximum": best::MOST_LEADERS,
                               "default": best::LEADERS}),
                    ),
                ])
                .json::<Leaderboard>("The largest first")
                .tagged().kept(),
        )
        .get(
            "/api/compare",
            best::compare,
            Operation::new(WALLETS, RouteClass::Complex, "The newest results of some wallets")
                .takes([params::chain_of_wallet(), params::wallets()])
                .json::<Comparison>("Side by side, in the order of the question")
                .tagged().kept(),
        )
}
