//! Jobs, their results, and the newest result of every wallet.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::result::{Disposal, OpenLot};
use super::{JobId, Open, Pinned, Ratio, Time, Usd, WalletResult};

/// What is submitted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Counted before duplicates are removed.
    #[schema(min_items = 1)]
    pub wallet_addresses: Vec<String>,
    /// A chain or its alias.
    pub chain: String,
    /// `all`, `1h`, `1d`, `7d`, `30d`, `90d`, `1y`, or `{"from", "to"}`.
    #[schema(value_type = Option<TimeRange>)]
    pub time_range: Option<TimeRange>,
    /// A time of the past at which the history ends, or `{"block"}`: its last block (Solana: slot).
    #[schema(value_type = Option<EndOfHistory>)]
    pub as_of: Option<EndOfHistory>,
    /// Only the newest transactions of each wallet.
    #[schema(minimum = 1)]
    pub max_transactions: Option<u64>,
    /// `fifo`, `lifo`, `hifo`, `average`, `specific`.
    pub method: Option<String>,
    /// Accounting options by name.
    pub options: Option<Open>,
    /// Whether the wallets are also computed as one history.
    pub group: Option<bool>,
    /// Whether the request is only checked and estimated.
    pub dry_run: Option<bool>,
    /// Where the end of the job is told.
    #[schema(max_length = 2048)]
    pub webhook_url: Option<String>,
}

/// Wallets that are to be watched.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToBeWatched {
    /// Counted before duplicates are removed.
    #[schema(min_items = 1)]
    pub wallet_addresses: Vec<String>,
    /// A chain or its alias.
    pub chain: String,
    /// From the beginning of a round to that of the next; bounded by the configuration.
    #[schema(minimum = 1)]
    pub every_seconds: Option<u32>,
    /// `all`, `1h`, `1d`, `7d`, `30d`, `90d`, `1y`, or `{"from", "to"}`.
    #[schema(value_type = Option<TimeRange>)]
    pub time_range: Option<TimeRange>,
    /// Only the newest transactions of each wallet.
    #[schema(minimum = 1)]
    pub max_transactions: Option<u64>,
    /// `fifo`, `lifo`, `hifo`, `average`, `specific`.
    pub method: Option<String>,
    /// Accounting options by name.
    pub options: Option<Open>,
}

/// What a submission would cost.
#[derive(ToSchema)]
pub struct DryRun {
    pub dry_run: bool,
    pub chain: String,
    pub total_wallets: u32,
    pub duplicates_removed: u32,
    pub estimate: Estimate,
}

/// Calls to providers, as far as they are known.
#[derive(ToSchema)]
pub struct Estimate {
    /// Wallets that have a full-history result.
    pub known_wallets: u32,
    pub unknown_wallets: u32,
    /// Wallets that there was no time to look up.
    pub unexamined_wallets: u32,
    /// For the known wallets.
    pub calls: u64,
    pub calls_by_method: BTreeMap<String, u64>,
    /// Listed, and to be fetched.
    pub missing_transactions: u64,
    /// The median of the newest analyses.
    pub typical_calls_of_a_wallet: Option<u64>,
    pub calls_with_unknown_wallets: Option<u64>,
    pub providers: Vec<EstimatedProvider>,
    /// `unknown_wallets`, `new_transactions`, `prices`, `other_jobs`.
    pub not_counted: Vec<String>,
}

/// A provider, as if it took all calls.
#[derive(ToSchema)]
pub struct EstimatedProvider {
    pub name: String,
    pub kind: String,
    pub requests_per_second: u32,
    pub seconds: u64,
    pub seconds_with_unknown_wallets: Option<u64>,
}

/// A preset or two times.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum TimeRange {
    Preset(String),
    Times { from: Option<Time>, to: Option<Time> },
}

/// A time, or a block.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum EndOfHistory {
    Time(Time),
    #[serde(deny_unknown_fields)]
    Block {
        #[schema(minimum = 0)]
        block: u64,
    },
}

/// An empty object, or no body at all.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoMembers {}

/// A job that was accepted.
#[derive(ToSchema)]
pub struct Accepted {
    pub job_id: JobId,
    pub status: String,
    pub chain: String,
    pub total_wallets: u32,
    pub duplicates_removed: u32,
    pub created_at: Time,
    pub status_url: String,
    pub results_url: String,
    pub cancel_url: String,
    #[schema(required = false)]
    pub group_url: String,
}

/// Wallets of a job by state.
#[derive(ToSchema)]
pub struct Counts {
    pub total: u32,
    pub queued: u32,
    pub running: u32,
    pub done: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub cancelled: u32,
}

/// Why queued wallets wait.
#[derive(ToSchema)]
pub struct Waiting {
    pub continued: u32,
    pub provider_throttled: u32,
}

/// How the group of a job stands.
#[derive(ToSchema)]
pub struct GroupStatus {
    pub status: String,
    pub group_url: String,
}

/// How a job stands.
#[derive(ToSchema)]
pub struct Job {
    pub job_id: JobId,
    pub chain: String,
    /// `client` or `continuous`.
    pub origin: String,
    pub status: String,
    pub done: bool,
    pub cancel_requested: bool,
    pub counts: Counts,
    pub waiting: Waiting,
    pub progress: String,
    /// Counted from `updated_at`.
    pub eta_seconds: Option<u64>,
    pub created_at: Time,
    pub started_at: Option<Time>,
    pub updated_at: Time,
    pub finished_at: Option<Time>,
    pub pinned: Option<Pinned>,
    pub results_url: String,
    pub group: Option<GroupStatus>,
}

/// Jobs, newest first.
#[derive(ToSchema)]
pub struct JobList {
    pub data: Vec<Job>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// Why a wallet ended without a result.
#[derive(ToSchema)]
pub struct WalletError {
    pub code: String,
    pub title: String,
    pub detail: String,
    pub retryable: bool,
}

/// What differs between two runs over equal inputs.
#[derive(ToSchema)]
pub struct Run {
    pub attempts: u32,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// Calls to providers by method.
    pub calls: BTreeMap<String, u64>,
}

/// One wallet of a job.
#[derive(ToSchema)]
pub struct WalletRow {
    pub wallet: String,
    pub chain: String,
    pub status: String,
    pub result: Option<WalletResult>,
    pub error: Option<WalletError>,
    pub run: Run,
}

/// Wallets of a job in the order of the submission.
#[derive(ToSchema)]
pub struct Results {
    pub job_id: JobId,
    pub status: String,
    pub partial: bool,
    pub data: Vec<WalletRow>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
    pub group: Option<GroupStatus>,
}

/// The part of one wallet in the result of its group.
#[derive(ToSchema)]
pub struct Member {
    pub wallet: String,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fee_expense_usd: Usd,
    pub net_realized_usd: Usd,
    pub fees_usd: Usd,
    pub basis_usd: Option<Usd>,
    pub unrealized_gain_usd: Option<Usd>,
    pub total_pnl_usd: Option<Usd>,
}

/// The figures of a group.
#[derive(ToSchema)]
pub struct GroupFigures {
    #[serde(flatten)]
    pub figures: WalletResult,
    pub moves: u64,
    pub members: Vec<Member>,
    #[schema(required = false)]
    pub lots: Vec<OpenLot>,
    #[schema(required = false)]
    pub disposals: Vec<Disposal>,
}

/// The wallets of a job as one history.
#[derive(ToSchema)]
pub struct GroupResult {
    pub job_id: JobId,
    pub chain: String,
    pub status: String,
    pub error: Option<WalletError>,
    pub run: Run,
    pub result: Option<GroupFigures>,
}

/// The newest result of a wallet.
#[derive(ToSchema)]
pub struct Latest {
    pub wallet: String,
    pub chain: String,
    pub job_id: JobId,
    pub total_pnl_usd: Usd,
    pub realized_gain_usd: Usd,
    pub unrealized_gain_usd: Usd,
    pub fees_usd: Usd,
    pub trades: u64,
    pub transactions: u64,
    pub token_win_rate: Option<Ratio>,
    pub complete: bool,
    pub analyzed_at: Time,
}

/// Sums over all wallets of a chain, or all.
#[derive(ToSchema)]
pub struct Summary {
    pub total_wallets: u64,
    pub profitable_wallets: u64,
    pub total_pnl_usd: Usd,
    pub average_pnl_usd: Ratio,
    pub total_trades: u64,
    pub profitability_rate: Ratio,
    pub last_updated: Option<Time>,
    /// Age of the figures; 0: they are of now.
    pub stale_seconds: u64,
}

/// Where a numbered page is in its list.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    pub page: u32,
    pub limit: u32,
    pub total: u64,
    pub total_pages: u64,
    pub has_next: bool,
    pub has_prev: bool,
}

/// The newest result of every wallet.
#[derive(ToSchema)]
pub struct LatestResults {
    pub data: Vec<Latest>,
    pub summary: Summary,
    pub next_cursor: Option<String>,
    pub has_more: bool,
    #[schema(required = false)]
    pub pagination: Pagination,
}

/// A place of a leaderboard.
#[derive(ToSchema)]
pub struct Leader {
    /// From 1.
    pub rank: u32,
    #[serde(flatten)]
    pub result: Latest,
}

/// The first wallets by a figure.
#[derive(ToSchema)]
pub struct Leaderboard {
    pub by: String,
    pub chain: Option<String>,
    pub data: Vec<Leader>,
}

/// The newest results of some wallets.
#[derive(ToSchema)]
pub struct Comparison {
    pub chain: String,
    pub data: Vec<Latest>,
    /// Without a result.
    pub unknown: Vec<String>,
}
