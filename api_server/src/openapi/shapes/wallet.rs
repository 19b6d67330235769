//! Answers about one wallet.

use utoipa::ToSchema;

use super::ledger::{Event, Leg};
use super::result::{
    Audit, Bounds, Coverage, CoverageScore, Disposal, LotMatch, OpenLot, TokenRow, Unexplained,
    Warning,
};
use super::{JobId, Open, Pinned, Ratio, Raw, Time, Usd, WalletResult};

/// The result of a wallet's newest ledger.
#[derive(ToSchema)]
pub struct WalletPnl {
    pub wallet: String,
    pub chain: String,
    #[serde(flatten)]
    pub figures: WalletResult,
    #[schema(required = false)]
    pub lots: Vec<OpenLot>,
    #[schema(required = false)]
    pub disposals: Vec<Disposal>,
    pub analyzed_at: Time,
}

/// Which ledger an answer is from, and how it was looked at.
#[derive(ToSchema)]
pub struct Head {
    pub wallet: String,
    pub chain: String,
    pub pinned: Pinned,
    pub method: String,
}

/// A token with its price.
#[derive(ToSchema)]
pub struct Token {
    #[serde(flatten)]
    pub row: TokenRow,
    pub price_usd: Option<Usd>,
    pub market_value_usd: Option<Usd>,
    /// Swaps and purchases in which it came in.
    pub buys: u64,
    /// Swaps and sales in which it left.
    pub sells: u64,
    pub bought_usd: Usd,
    pub sold_usd: Usd,
    /// Sells with a known gain.
    pub trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    pub realized_pnl: Usd,
    pub trades_basis_usd: Usd,
    pub trades_proceeds_usd: Usd,
    pub roi_pct: Option<Ratio>,
    pub avg_hold_s: Option<Ratio>,
    pub first_trade_ts: Option<i64>,
    pub last_trade_ts: Option<i64>,
}

/// The tokens of a wallet.
#[derive(ToSchema)]
pub struct Tokens {
    #[serde(flatten)]
    pub head: Head,
    pub data: Vec<Token>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// What the figures of a wallet cover.
#[derive(ToSchema)]
pub struct CoverageReport {
    #[serde(flatten)]
    pub head: Head,
    pub coverage: Coverage,
    pub coverage_score: CoverageScore,
    pub bounds: Option<Bounds>,
    pub unknown_proceeds_usd: Usd,
    pub unmatched_proceeds_usd: Usd,
    pub unpriced_assets: Vec<String>,
    pub unexplained_raw: Option<Vec<Unexplained>>,
    pub conservation: Audit,
    pub warnings: Vec<Warning>,
}

/// A point of a curve.
#[derive(ToSchema)]
pub struct Point {
    pub time: Time,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fees_usd: Usd,
    pub fee_expense_usd: Usd,
    pub net_realized_usd: Usd,
    pub basis_usd: Usd,
    pub market_value_usd: Usd,
    pub unrealized_gain_usd: Usd,
    pub equity_usd: Usd,
    pub unpriced: u64,
    pub stale: u64,
}

/// The largest fall of a curve.
#[derive(ToSchema)]
pub struct Drawdown {
    pub usd: Usd,
    pub pct: Option<Ratio>,
    pub peak_usd: Usd,
    pub peak_time: Option<Time>,
    pub low_time: Time,
}

/// A wallet over time.
#[derive(ToSchema)]
pub struct Equity {
    #[serde(flatten)]
    pub head: Head,
    pub period: String,
    pub points: Vec<Point>,
    pub drawdown: Option<Drawdown>,
}

/// A period in which something happened.
#[derive(ToSchema)]
pub struct Period {
    pub from: Time,
    pub to: Time,
    pub trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    pub realized_pnl: Usd,
    pub volume_usd: Usd,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fee_expense_usd: Usd,
    pub fees_usd: Usd,
    pub net_realized_usd: Usd,
}

/// A wallet by periods.
#[derive(ToSchema)]
pub struct Calendar {
    #[serde(flatten)]
    pub head: Head,
    pub period: String,
    pub winning_periods: u64,
    pub losing_periods: u64,
    pub data: Vec<Period>,
}

/// Returns between two edges.
#[derive(ToSchema)]
pub struct Bucket {
    pub from_pct: Option<Raw>,
    pub to_pct: Option<Raw>,
    pub count: u64,
    pub closed: u64,
    pub gain_usd: Usd,
    pub basis_usd: Usd,
}

/// Gains of one holding term.
#[derive(ToSchema)]
pub struct Term {
    pub pieces: u64,
    pub proceeds: Usd,
    pub basis: Usd,
    pub gain: Usd,
}

/// Where a long holding time begins: one of the two.
#[derive(ToSchema)]
pub struct Boundary {
    #[schema(required = false)]
    pub months: u16,
    #[schema(required = false)]
    pub seconds: i64,
}

/// Gains by holding time.
#[derive(ToSchema)]
pub struct HoldingTerms {
    pub boundary: Boundary,
    pub short: Term,
    pub long: Term,
    pub uncovered_gain: Usd,
}

/// Returns in buckets.
#[derive(ToSchema)]
pub struct Distribution {
    #[serde(flatten)]
    pub head: Head,
    pub by: String,
    pub buckets: Vec<Bucket>,
    pub without_return: u64,
    pub holding: HoldingTerms,
    pub sharpe_like: Option<Ratio>,
}

/// A method beside the first one.
#[derive(ToSchema)]
pub struct MethodFigures {
    pub method: String,
    pub realized_gain_usd: Usd,
    pub net_realized_usd: Usd,
    pub unrealized_gain_usd: Usd,
    pub total_pnl_usd: Usd,
    pub remaining_basis_usd: Usd,
    pub gain_difference_usd: Usd,
    pub remaining_difference_usd: Usd,
    pub other_difference_usd: Usd,
    pub other: OtherFigures,
}

/// What another difference is.
#[derive(ToSchema)]
pub struct OtherFigures {
    pub unknown_basis_usd: Usd,
    pub uncovered_usd: Usd,
    pub unpriced_usd: Usd,
    pub transferred_usd: Usd,
    pub fees_ignored_usd: Usd,
    pub in_transit_usd: Usd,
}

/// The same of a token.
#[derive(ToSchema)]
pub struct OtherOfToken {
    pub unknown_basis_usd: Usd,
    pub uncovered_usd: Usd,
    pub unpriced_usd: Usd,
    pub left_usd: Usd,
}

/// A token by one method.
#[derive(ToSchema)]
pub struct TokenMethod {
    pub method: String,
    pub realized_gain_usd: Usd,
    pub remaining_basis_usd: Usd,
    pub gain_difference_usd: Usd,
    pub remaining_difference_usd: Usd,
    pub other_difference_usd: Usd,
    pub other: OtherOfToken,
}

/// A token whose gain depends on the method.
#[derive(ToSchema)]
pub struct TokenByMethod {
    pub asset: String,
    pub decimals: Option<u8>,
    pub by_method: Vec<TokenMethod>,
}

/// Under what a wallet is computed by all methods.
#[derive(ToSchema)]
pub struct WhatIfOptions {
    /// Accounting options by name, as of a submission.
    pub options: Option<Open>,
}

/// A wallet by all methods.
#[derive(ToSchema)]
pub struct WhatIf {
    pub wallet: String,
    pub chain: String,
    pub pinned: Pinned,
    pub methods: Vec<MethodFigures>,
    pub differing_tokens: u64,
    pub tokens: Vec<TokenByMethod>,
    pub other_tokens: Vec<TokenMethod>,
}

/// A disposal that one can ask about.
#[derive(ToSchema)]
pub struct DisposalRow {
    pub id: String,
    pub event: String,
    pub leg: String,
    pub asset: String,
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
    pub matches_total: u64,
}

/// The disposals of a wallet, oldest first.
#[derive(ToSchema)]
pub struct Disposals {
    #[serde(flatten)]
    pub head: Head,
    pub data: Vec<DisposalRow>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// A sum and the part of it that is looked at.
#[derive(ToSchema)]
pub struct Level {
    pub realized_gain_usd: Usd,
    pub here_usd: Usd,
    pub others_usd: Usd,
    pub others: u64,
    pub left_over_usd: Usd,
}

/// A disposal with the event behind it.
#[derive(ToSchema)]
pub struct ExplainedDisposal {
    pub ts: i64,
    pub qty: Raw,
    pub value: Option<Usd>,
    pub attached_fees: Option<Usd>,
    pub proceeds: Option<Usd>,
    pub basis: Usd,
    pub gain: Option<Usd>,
    pub matched_qty: Raw,
    pub unknown_qty: Raw,
    pub unmatched_qty: Raw,
    pub matched_proceeds: Usd,
    pub unknown_proceeds: Usd,
    pub unmatched_proceeds: Usd,
    pub uncovered_gain: Usd,
    pub rounding_remainder: Usd,
    pub left_over: Usd,
    pub ledger: Option<Event>,
}

/// A piece of a lot with the event that made the lot.
#[derive(ToSchema)]
pub struct ExplainedMatch {
    #[serde(flatten)]
    pub piece: LotMatch,
    /// What the lot cost when it was made.
    pub lot_basis: Option<Usd>,
    /// What the shares of earlier pieces of the lot left to this one.
    pub rounding_remainder: Option<Usd>,
    pub ledger: Option<Event>,
}

/// Lots on other pages.
#[derive(ToSchema)]
pub struct OtherMatches {
    pub count: u64,
    pub basis: Usd,
    pub gain: Usd,
}

/// Why a disposal has its gain.
#[derive(ToSchema)]
pub struct Explanation {
    #[serde(flatten)]
    pub head: Head,
    pub id: String,
    pub result: Level,
    pub asset: String,
    pub decimals: Option<u8>,
    pub token: Level,
    pub disposal: ExplainedDisposal,
    pub matches: Vec<ExplainedMatch>,
    pub other_matches: OtherMatches,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// A disposal behind the earlier pin.
#[derive(ToSchema)]
pub struct NewDisposal {
    pub id: String,
    pub asset: String,
    pub ts: i64,
    pub gain: Option<Usd>,
}

/// What two results cover.
#[derive(ToSchema)]
pub struct Coverages {
    pub from: Option<Coverage>,
    pub to: Option<Coverage>,
}

/// Whether the ledgers of two results are stored: `stored` or `not_stored`.
#[derive(ToSchema)]
pub struct LedgerStates {
    pub from: String,
    pub to: String,
}

/// What a movement was valued at.
#[derive(ToSchema)]
pub struct LegPrice {
    pub value_usd: Option<Usd>,
    pub price_usd: Option<Usd>,
    pub price_source: Option<String>,
    pub price_time: Option<i64>,
}

/// A movement whose price differs.
#[derive(ToSchema)]
pub struct LegPrices {
    pub side: String,
    pub asset: String,
    pub from: LegPrice,
    pub to: LegPrice,
    pub value_difference_usd: Option<Usd>,
}

/// An event of which prices differ.
#[derive(ToSchema)]
pub struct EventPrices {
    pub event: String,
    pub ts: i64,
    pub kind: String,
    pub legs: Vec<LegPrices>,
}

/// The first of these events, and how many there are.
#[derive(ToSchema)]
pub struct ListedEventPrices {
    pub count: u64,
    pub listed: Vec<EventPrices>,
}

/// The price of an asset at the pins.
#[derive(ToSchema)]
pub struct PinPrice {
    pub asset: String,
    pub from_usd: Option<Usd>,
    pub to_usd: Option<Usd>,
}

/// The first of these prices, and how many there are.
#[derive(ToSchema)]
pub struct ListedPinPrices {
    pub count: u64,
    pub listed: Vec<PinPrice>,
}

/// Prices that differ between two ledgers.
#[derive(ToSchema)]
pub struct PriceDifferences {
    pub events: ListedEventPrices,
    pub pins: ListedPinPrices,
}

/// An event of one of two ledgers.
#[derive(ToSchema)]
pub struct EventRow {
    pub event: String,
    pub block: u64,
    /// Block and index in it; the index is null where it is not known.
    pub order: Vec<Option<u64>>,
    pub ts: i64,
    pub kind: String,
    pub legs: Vec<Leg>,
}

/// The first of these events, and how many there are.
#[derive(ToSchema)]
pub struct ListedEvents {
    pub count: u64,
    pub listed: Vec<EventRow>,
}

/// An event with other movements in the other ledger.
#[derive(ToSchema)]
pub struct EventPair {
    pub from: EventRow,
    pub to: EventRow,
}

/// The first of these events, and how many there are.
#[derive(ToSchema)]
pub struct ListedEventPairs {
    pub count: u64,
    pub listed: Vec<EventPair>,
}

/// Events that are not the same in two ledgers.
#[derive(ToSchema)]
pub struct EventDifferences {
    pub only_from: ListedEvents,
    pub only_to: ListedEvents,
    pub moved: ListedEventPairs,
}

/// A part of a difference.
#[derive(ToSchema)]
pub struct DifferencePart {
    pub total_pnl_usd: Usd,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fee_expense_usd: Usd,
    pub unrealized_gain_usd: Usd,
}

/// The parts of a difference.
#[derive(ToSchema)]
pub struct DifferenceCauses {
    pub event_prices: DifferencePart,
    pub events: DifferencePart,
    pub pin_prices: DifferencePart,
    pub new_transactions: DifferencePart,
}

/// Where a difference of realized gains is from.
#[derive(ToSchema)]
pub struct RealizedDifference {
    pub new_transactions_usd: Option<Usd>,
    pub new_disposals: Option<u64>,
    pub disposals: Vec<NewDisposal>,
    pub elsewhere_usd: Usd,
    pub elsewhere_by: Vec<String>,
}

/// Sums over some tokens.
#[derive(ToSchema)]
pub struct TokenSums {
    pub count: u64,
    pub realized_gain_usd: Usd,
    pub unrealized_gain_usd: Usd,
}

/// A token whose figures changed.
#[derive(ToSchema)]
pub struct TokenDifference {
    pub asset: String,
    pub difference: TokenSums,
}

/// What changed a wallet's number from one job to another.
#[derive(ToSchema)]
pub struct Difference {
    pub wallet: String,
    pub chain: String,
    pub from: JobId,
    pub to: JobId,
    pub total_pnl_usd: Usd,
    pub realized_gain_usd: Usd,
    pub income_usd: Usd,
    pub fee_expense_usd: Usd,
    pub unrealized_gain_usd: Usd,
    pub left_over_usd: Usd,
    pub changed: Vec<String>,
    pub from_pinned: Pinned,
    pub to_pinned: Pinned,
    pub coverage: Option<Coverages>,
    pub ledgers: LedgerStates,
    pub prices: Option<PriceDifferences>,
    pub events: Option<EventDifferences>,
    pub causes: Option<DifferenceCauses>,
    pub realized: RealizedDifference,
    pub tokens: Vec<TokenDifference>,
    pub other_tokens: TokenSums,
    pub tokens_left_over_usd: Usd,
}
