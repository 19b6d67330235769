//! The result of a wallet.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::{Hash, Ratio, Raw, Time, Usd};

/// A block up to which something goes.
#[derive(ToSchema)]
pub struct Pinned {
    pub block: u64,
    pub block_time: Time,
}

/// A span of time, half-open.
#[derive(ToSchema)]
pub struct Window {
    pub from: Option<Time>,
    pub to: Option<Time>,
}

/// The accounting options, every one spelled out.
#[derive(ToSchema)]
pub struct Options {
    pub scope: String,
    pub fee_policy: String,
    pub swap_fee_side: String,
    pub quote_assets: Vec<String>,
    pub cash_assets: Vec<String>,
    pub oversold: String,
    pub transfer_in: String,
    pub transfer_out: String,
    pub unpriced: String,
    pub hifo_key: String,
    pub same_ts: String,
    /// By event, parts of lots; only where lots were chosen.
    #[schema(required = false)]
    pub lots: BTreeMap<String, Vec<ChosenLot>>,
}

/// A part of a lot that is to leave.
#[derive(ToSchema)]
pub struct ChosenLot {
    pub lot: String,
    pub raw: Raw,
}

/// Trading metrics.
#[derive(ToSchema)]
pub struct Metrics {
    pub realized_pnl: Ratio,
    pub fee_leg_gain: Ratio,
    pub trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    pub trade_win_rate: Option<Ratio>,
    pub closed_tokens: u64,
    pub token_win_rate: Option<Ratio>,
    pub profit_factor: Option<Ratio>,
    pub roi_pct: Option<Ratio>,
    pub avg_roi_pct: Option<Ratio>,
    pub median_roi_pct: Option<Ratio>,
    pub expectancy_pct: Option<Ratio>,
    pub skill_pnl_ratio: Ratio,
    pub avg_hold_s: Option<Ratio>,
    pub median_hold_s: Option<Ratio>,
    pub max_drawdown_usd: Ratio,
    pub win_streak: u64,
    pub loss_streak: u64,
    pub volume_usd: Ratio,
    pub active_days: u64,
    pub unique_tokens: u64,
}

/// One asset of a result; the members of deposits only where there are some.
#[derive(ToSchema)]
pub struct TokenRow {
    pub asset: String,
    pub decimals: Option<u8>,
    pub raw: Raw,
    pub basis_usd: Usd,
    pub realized_gain_usd: Usd,
    pub unrealized_gain_usd: Option<Usd>,
    pub unknown_raw: Raw,
    pub unmatched_raw: Raw,
    pub unsolicited: bool,
    #[schema(required = false)]
    pub rent_raw: Raw,
    #[schema(required = false)]
    pub rent_basis_usd: Usd,
    pub rent_unrealized_gain_usd: Option<Usd>,
}

/// What balances do not explain.
#[derive(ToSchema)]
pub struct Unexplained {
    pub asset: String,
    pub raw: Raw,
}

/// What the realized gain can be.
#[derive(ToSchema)]
pub struct Bounds {
    pub known: Usd,
    pub min: Option<Usd>,
    /// Whether `min` holds only if nothing was acquired above the highest price known up to its disposal.
    pub min_assumed: bool,
    pub max: Option<Usd>,
}

/// How much of the disposals is known whole.
#[derive(ToSchema)]
pub struct CoverageScore {
    pub disposals: u64,
    pub priced: u64,
    pub matched: u64,
    pub known: u64,
    pub priced_share: Option<Ratio>,
    pub matched_share: Option<Ratio>,
    pub score: Option<Ratio>,
}

/// Where every base unit of an asset went.
#[derive(ToSchema)]
pub struct AssetAudit {
    pub asset: String,
    pub in_raw: Raw,
    pub out_raw: Raw,
    pub fee_raw: Raw,
    pub rent_raw: Raw,
    pub balance_raw: Option<Raw>,
    pub residual_raw: Option<Raw>,
}

/// A transaction of which something is not in the accounts.
#[derive(ToSchema)]
pub struct DoubtfulTransaction {
    pub tx_id: String,
    pub block: u64,
    /// `excluded`, `unattributed`, `uncovered`, `native_incomplete`, `fee_incomplete` or `too_large`.
    pub why: String,
    /// What is not in the accounts, as the wallet sees it; null = unknown.
    pub raw: Option<Raw>,
}

/// Why the balance of an asset is not the sum of its movements, as far as it is known.
#[derive(ToSchema)]
pub struct Residual {
    pub asset: String,
    pub residual_raw: Raw,
    pub transactions: Vec<DoubtfulTransaction>,
    pub more_transactions: u64,
    /// Null when it is more than any balance can hold.
    pub attributed_raw: Option<Raw>,
    /// What no known transaction explains.
    pub rest_raw: Option<Raw>,
}

/// Where every dollar of cost and every base unit went.
#[derive(ToSchema)]
pub struct Audit {
    pub ok: bool,
    pub cost_in_usd: Usd,
    pub basis_disposed_usd: Usd,
    pub basis_unpriced_usd: Usd,
    pub basis_transferred_usd: Usd,
    pub basis_fee_ignored_usd: Usd,
    pub basis_remaining_usd: Usd,
    pub residual_usd: Usd,
    pub assets: Option<Vec<AssetAudit>>,
    /// Where balances are known.
    #[schema(required = false)]
    pub residuals: Vec<Residual>,
}

/// Why a history was cut.
#[derive(ToSchema)]
pub struct Truncation {
    pub reason: String,
    pub oldest_block: Option<u64>,
}

/// What was looked at.
#[derive(ToSchema)]
pub struct Coverage {
    pub complete: bool,
    pub sources: Vec<String>,
    pub missing: Vec<String>,
    pub truncated: Option<Truncation>,
}

/// What a reader must know.
#[derive(ToSchema)]
pub struct Warning {
    pub code: String,
    pub detail: String,
    pub count: u64,
}

/// The figures of a wallet.
#[derive(ToSchema)]
pub struct WalletResult {
    pub method: String,
    pub options: Options,
    pub window: Window,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fee_expense_usd: Usd,
    pub net_realized_usd: Usd,
    pub unrealized_gain_usd: Usd,
    pub total_pnl_usd: Usd,
    pub fees_usd: Usd,
    pub unknown_proceeds_usd: Usd,
    pub unmatched_proceeds_usd: Usd,
    pub trades: u64,
    pub transactions: u64,
    pub metrics: Metrics,
    pub tokens: Vec<TokenRow>,
    pub unpriced_assets: Vec<String>,
    pub unexplained_raw: Option<Vec<Unexplained>>,
    pub bounds: Option<Bounds>,
    pub coverage_score: CoverageScore,
    pub conservation: Audit,
    pub pinned: Pinned,
    pub coverage: Coverage,
    pub warnings: Vec<Warning>,
    pub engine_version: String,
    pub parser_version: String,
    pub price_set_hash: Hash,
    pub input_hash: Hash,
}

/// A lot that is still held.
#[derive(ToSchema)]
pub struct OpenLot {
    pub lot: String,
    pub asset: String,
    pub wallet: String,
    pub qty: Raw,
    pub decimals: u8,
    pub basis: Option<Usd>,
    pub acquired_ts: i64,
}

/// A piece of a lot that a disposal consumed.
#[derive(ToSchema)]
pub struct LotMatch {
    pub lot: String,
    pub qty: Raw,
    pub acquired_ts: i64,
    pub hold_s: i64,
    pub basis: Option<Usd>,
    pub proceeds: Option<Usd>,
    pub gain: Option<Usd>,
}

/// What left against a value.
#[derive(ToSchema)]
pub struct Disposal {
    pub event: String,
    pub leg: String,
    pub asset: String,
    pub wallet: String,
    pub ts: i64,
    pub qty: Raw,
    pub proceeds: Option<Usd>,
    pub basis: Usd,
    pub gain: Option<Usd>,
    pub matched_qty: Raw,
    pub unknown_qty: Raw,
    pub unmatched_qty: Raw,
    pub unknown_proceeds: Usd,
    pub unmatched_proceeds: Usd,
    pub matches: Vec<LotMatch>,
}
