//! Two results of one wallet: what changed the number, in parts that sum to the difference.

mod causes;
mod events;
mod ledgers;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::{ledgers as stored, results};
use pnl_core::report::{Coverage, Truncation};
use pnl_core::{AmountError, AssetId, ENGINE_VERSION, Usd, UsdPrice, WalletRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::causes::{Causes, Part};
pub use self::events::{EventPair, EventPrices, EventRow, LegPrice, LegPrices};
use self::ledgers::Compared;
use super::disposals::with_ids;
use super::explain::DisposalId;
use super::origin::Pinned;
use super::{Reader, View, Wallets, WalletsError, corrupt};
use crate::stages::replay;

/// Disposals, events, prices and tokens that are listed one by one.
const MOST_LISTED: usize = 100;

/// What a result says of itself and of its sums. Results of older versions lack newer members.
#[derive(Debug, Deserialize)]
struct Side {
    method: pnl_core::Method,
    options: Value,
    window: Value,
    realized_gain_usd: Usd,
    income_usd: Usd,
    fee_expense_usd: Usd,
    unrealized_gain_usd: Usd,
    total_pnl_usd: Usd,
    tokens: Vec<Token>,
    pinned: Pinned,
    #[serde(default)]
    coverage: Option<Coverage>,
    engine_version: String,
    parser_version: String,
    price_set_hash: String,
    input_hash: String,
    /// Its ledger, where that is stored.
    #[serde(skip)]
    reader: Option<Arc<Reader>>,
}

impl Side {
    fn truncated(&self) -> Option<&Truncation> {
        self.coverage.as_ref()?.truncated.as_ref()
    }

    /// What was read and what was not, but for a truncation.
    fn read(&self) -> Option<(&[String], &[String])> {
        self.coverage.as_ref().map(|coverage| (&*coverage.sources, &*coverage.missing))
    }

    fn ledger(&self) -> LedgerState {
        if self.reader.is_some() { LedgerState::Stored } else { LedgerState::NotStored }
    }
}

/// The result with the earlier pin, the one with the later pin, and whether they were given the other way
/// round.
fn in_order<'a>(from: &'a Side, to: &'a Side) -> (&'a Side, &'a Side, bool) {
    if from.pinned.block > to.pinned.block { (to, from, true) } else { (from, to, false) }
}

#[derive(Debug, Deserialize)]
struct Token {
    asset: AssetId,
    realized_gain_usd: Usd,
    unrealized_gain_usd: Option<Usd>,
    #[serde(default)]
    rent_unrealized_gain_usd: Option<Usd>,
}

/// The difference of two results, `to` less `from`.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Of the total: the sum of the four below.
    pub total_pnl_usd: Usd,
    /// Of the realized gain: the sum of [`Self::realized`].
    pub realized_gain_usd: Usd,
    /// Of the income.
    pub income_usd: Usd,
    /// Of the fee expense, as it changes the total: a higher one is negative.
    pub fee_expense_usd: Usd,
    /// Of the unrealized gain: the sum over the tokens.
    pub unrealized_gain_usd: Usd,
    /// The total less its four parts: zero.
    pub left_over_usd: Usd,
    /// What differs between what the results were computed from and by.
    pub changed: Vec<&'static str>,
    /// The pins.
    pub from_pinned: Value,
    /// The pins.
    pub to_pinned: Value,
    /// What the results cover, where that differs.
    pub coverage: Option<Coverages>,
    /// Whether the ledgers that the results were computed from are still stored.
    pub ledgers: Ledgers,
    /// Prices that differ between the two ledgers; `None` unless both are stored.
    pub prices: Option<Prices>,
    /// Other differences of their events, up to the earlier pin; likewise.
    pub events: Option<Events>,
    /// What the difference is made of; `None` also where the results are not of the same view or another
    /// engine computed one of them.
    pub causes: Option<Causes>,
    /// The realized gain: transactions between the pins, and everything else.
    pub realized: Realized,
    /// The tokens of which a figure differs, those with the largest differences first.
    pub tokens: Vec<TokenDifference>,
    /// The sum over the differing tokens that are not listed.
    pub other_tokens: TokenSums,
    /// Of the unrealized gain: what no token names, which is zero.
    pub tokens_left_over_usd: Usd,
}

/// What two results cover; `None` in one of a version that did not say it.
#[derive(Debug, Serialize)]
pub struct Coverages {
    /// The one.
    pub from: Option<Coverage>,
    /// The other.
    pub to: Option<Coverage>,
}

/// Whether a ledger is stored: the newest whole one of a wallet, and for some time those before and those of a part
/// of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerState {
    /// It is.
    Stored,
    /// It was replaced, or never kept, as that of a history that ends in the past.
    NotStored,
}

/// The same of both results.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ledgers {
    /// The one.
    pub from: LedgerState,
    /// The other.
    pub to: LedgerState,
}

/// The first rows of a list, and how many there are.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    /// All of them.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, listed: Vec::new() }
    }
}

impl<T> Listed<T> {
    fn push(&mut self, row: impl FnOnce() -> T) {
        self.count += 1;
        if self.listed.len() < MOST_LISTED {
            self.listed.push(row());
        }
    }
}

/// Prices that differ.
#[derive(Debug, Serialize)]
pub struct Prices {
    /// Of events that both ledgers have, in the order of the chain.
    pub events: Listed<EventPrices>,
    /// At the pins, in the order of assets.
    pub pins: Listed<PinPrice>,
}

/// The price of an asset at the pins.
#[derive(Debug, Serialize)]
pub struct PinPrice {
    /// The asset.
    pub asset: AssetId,
    /// US dollars per whole unit at the pin of the one; `None` = unknown.
    pub from_usd: Option<UsdPrice>,
    /// At that of the other.
    pub to_usd: Option<UsdPrice>,
}

/// Events that are not the same in both ledgers.
#[derive(Debug, Serialize)]
pub struct Events {
    /// Only the one has them.
    pub only_from: Listed<EventRow>,
    /// Only the other has them.
    pub only_to: Listed<EventRow>,
    /// Both have them, with other movements.
    pub moved: Listed<EventPair>,
}

/// Where the difference of the realized gain comes from.
#[derive(Debug, Serialize)]
pub struct Realized {
    /// Gain of disposals behind the earlier pin, negative when `from` is the later result; `None` when the
    /// ledger of the later one is no longer stored, it was computed by another engine, or the results
    /// are not of the same view, so that it cannot be told apart.
    pub new_transactions_usd: Option<Usd>,
    /// How many disposals these are.
    pub new_disposals: Option<u64>,
    /// The first of them.
    pub disposals: Vec<NewDisposal>,
    /// The rest.
    pub elsewhere_usd: Usd,
    /// What the rest is from: parts of [`Causes`] where they are known, else of [`Difference::changed`]; nothing
    /// when it is zero.
    pub elsewhere_by: Vec<&'static str>,
}

/// A disposal behind the earlier pin.
#[derive(Debug, Serialize)]
pub struct NewDisposal {
    /// Its id.
    pub id: DisposalId,
    /// What left.
    pub asset: AssetId,
    /// Unix seconds.
    pub ts: i64,
    /// Its gain.
    pub gain: Option<Usd>,
}

/// The figures of a token.
#[derive(Debug, Serialize)]
pub struct TokenDifference {
    /// The token.
    pub asset: AssetId,
    /// Its differences.
    pub difference: TokenSums,
}

/// Differences of a token, or of some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TokenSums {
    /// How many tokens.
    pub count: u64,
    /// Of the realized gain.
    pub realized_gain_usd: Usd,
    /// Of the unrealized gain, rent deposits included.
    pub unrealized_gain_usd: Usd,
}

/// Which result is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoResult {
    /// The job of `from` has none of the wallet.
    #[error("the job has no result of this wallet")]
    From,
    /// That of `to`.
    #[error("the job has no result of this wallet")]
    To,
}

impl Wallets {
    /// What changed the wallet's result from one job to another.
    ///
    /// # Errors
    /// [`WalletsError`]; the inner one when a job has no result of the wallet.
    pub async fn diff(
        &self,
        wallet: &WalletRef,
        from: BatchId,
        to: BatchId,
    ) -> Result<Result<Difference, NoResult>, WalletsError> {
        let Some(from) = self.side(wallet, from).await? else { return Ok(Err(NoResult::From)) };
        let Some(to) = self.side(wallet, to).await? else { return Ok(Err(NoResult::To)) };
        let compared = self.compared(wallet, &from, &to).await?;
        let realized = self.realized(wallet, &from, &to, compared.as_ref()).await?;
        self.compute(move || Ok(Ok(Difference::of(&from, &to, realized, compared)?))).await
    }

    async fn side(&self, wallet: &WalletRef, job: BatchId) -> Result<Option<Side>, WalletsError> {
        let job = BatchRef { tenant: self.tenant.clone(), id: job };
        let store = &self.all.store;
        let Some(report) = results::report(store, &job, wallet).await? else { return Ok(None) };
        let mut side: Side = serde_json::from_str(&report).map_err(corrupt)?;
        let (input, prices) = (&side.input_hash, &side.price_set_hash);
        let ledger = stored::of_result(store, &job, wallet, input, prices).await?;
        side.reader = ledger.map(|ledger| self.reader(wallet, ledger)).transpose()?.map(Arc::new);
        Ok(Some(side))
    }

    /// Whether a figure of `side` can be computed again from its ledger.
    fn is_repeatable(&self, wallet: &WalletRef, side: &Side) -> Result<bool, WalletsError> {
        let defaults = serde_json::to_value(self.options(wallet.chain)).map_err(corrupt)?;
        let is_default = side.options == defaults && side.method.is_offered();
        Ok(is_default && is_open(&side.window) && side.engine_version == ENGINE_VERSION)
    }

    /// The disposals behind the earlier pin, of the result with the later one.
    async fn realized(
        &self,
        wallet: &WalletRef,
        from: &Side,
        to: &Side,
        compared: Option<&Compared>,
    ) -> Result<Realized, WalletsError> {
        let all = to.realized_gain_usd.checked_sub(from.realized_gain_usd)?;
        let unknown = Realized {
            new_transactions_usd: None,
            new_disposals: None,
            disposals: Vec::new(),
            elsewhere_usd: all,
            elsewhere_by: causes(from, to, all),
        };
        let (earlier, later, is_backwards) = in_order(from, to);
        let is_same_view = from.method == to.method
            && from.options == to.options
            && is_open(&from.window)
            && is_open(&to.window);
        // The disposals are computed here, so they are those of the later result only when its ledger is
        // stored and this engine computed it.
        let Some(reader) = later.reader.clone() else { return Ok(unknown) };
        if !is_same_view || !self.is_repeatable(wallet, later)? {
            return Ok(unknown);
        }
        let new = reader.transactions_behind(earlier.pinned.block).await?;
        let mut walk = self.walk(&reader, View::by(later.method)).await?;
        let (mut sum, mut count, mut disposals) = (Usd::ZERO, 0, Vec::new());
        loop {
            let taken;
            (walk, taken) = walk.records().await?;
            let Some(records) = taken else { break };
            for (id, disposal) in with_ids(&records, wallet.address.as_str()) {
                let tx_id = id.event.rsplit_once(':').map_or(&*id.event, |(tx_id, _)| tx_id);
                if !new.contains(tx_id) {
                    continue;
                }
                count += 1;
                sum = sum.checked_add(disposal.gain.unwrap_or_default())?;
                if disposals.len() < MOST_LISTED {
                    disposals.push(NewDisposal {
                        asset: disposal.asset.clone(),
                        ts: disposal.ts,
                        gain: disposal.gain,
                        id,
                    });
                }
            }
        }
        if is_backwards {
            sum = sum.checked_neg()?;
        }
        let elsewhere_usd = all.checked_sub(sum)?;
        let mut elsewhere_by = causes(from, to, elsewhere_usd);
        // Another pin is what the new transactions are from.
        elsewhere_by.retain(|cause| *cause != "pinned");
        if let Some(causes) = compared.and_then(|compared| compared.causes.as_ref())
            && !elsewhere_usd.is_zero()
        {
            elsewhere_by = causes.of_realized();
        }
        Ok(Realized {
            new_transactions_usd: Some(sum),
            new_disposals: Some(count),
            disposals,
            elsewhere_usd,
            elsewhere_by,
        })
    }
}

impl Reader {
    /// The transactions of the ledger behind a block.
    async fn transactions_behind(&self, block: u64) -> Result<HashSet<String>, WalletsError> {
        #[derive(Deserialize)]
        struct Place<'a> {
            tx_id: &'a str,
            block: u64,
        }
        let mut behind = HashSet::new();
        for no in 0..self.ledger.head.chunks {
            let chunk = self.chunk(no).await?;
            for line in replay::lines(&chunk)? {
                let place: Place<'_> = serde_json::from_str(line).map_err(corrupt)?;
                if place.block > block && !behind.contains(place.tx_id) {
                    behind.insert(place.tx_id.to_owned());
                }
            }
        }
        Ok(behind)
    }
}

impl Difference {
    fn of(
        from: &Side,
        to: &Side,
        realized: Realized,
        compared: Option<Compared>,
    ) -> Result<Self, AmountError> {
        let less = |get: fn(&Side) -> Usd| get(to).checked_sub(get(from));
        let total = less(|side| side.total_pnl_usd)?;
        let realized_gain = less(|side| side.realized_gain_usd)?;
        let income = less(|side| side.income_usd)?;
        let fee_expense = less(|side| side.fee_expense_usd)?.checked_neg()?;
        let unrealized = less(|side| side.unrealized_gain_usd)?;
        let parts =
            realized_gain.checked_add(income)?.checked_add(fee_expense)?.checked_add(unrealized)?;
        let mut tokens = tokens(from, to)?;
        let of_tokens = sum(&tokens)?;
        let others = tokens.split_off(tokens.len().min(MOST_LISTED));
        let covers_other = from.coverage != to.coverage;
        let (mut prices, mut events, mut causes) = (None, None, None);
        if let Some(compared) = compared {
            (prices, events) = (Some(compared.prices), Some(compared.events));
            causes = compared.causes;
        }
        Ok(Self {
            total_pnl_usd: total,
            realized_gain_usd: realized_gain,
            income_usd: income,
            fee_expense_usd: fee_expense,
            unrealized_gain_usd: unrealized,
            left_over_usd: total.checked_sub(parts)?,
            changed: changed(from, to),
            from_pinned: pinned(from),
            to_pinned: pinned(to),
            coverage: covers_other
                .then(|| Coverages { from: from.coverage.clone(), to: to.coverage.clone() }),
            ledgers: Ledgers { from: from.ledger(), to: to.ledger() },
            prices,
            events,
            causes,
            realized,
            other_tokens: sum(&others)?,
            tokens_left_over_usd: realized_gain
                .checked_add(unrealized)?
                .checked_sub(of_tokens.realized_gain_usd)?
                .checked_sub(of_tokens.unrealized_gain_usd)?,
            tokens,
        })
    }
}

fn pinned(side: &Side) -> Value {
    serde_json::json!({ "block": side.pinned.block, "block_time": side.pinned.block_time })
}

/// By name what the two results do not share.
fn changed(from: &Side, to: &Side) -> Vec<&'static str> {
    [
        ("method", from.method != to.method),
        ("options", from.options != to.options),
        ("window", from.window != to.window),
        ("pinned", from.pinned != to.pinned),
        ("truncated", from.truncated() != to.truncated()),
        ("coverage", from.read() != to.read()),
        ("engine_version", from.engine_version != to.engine_version),
        ("parser_version", from.parser_version != to.parser_version),
        ("price_set_hash", from.price_set_hash != to.price_set_hash),
        ("input_hash", from.input_hash != to.input_hash),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// What a difference that no transaction explains is from. The hashes cover what was read, and that of the
/// input the versions, too: they are causes by themselves only where these are the same.
fn causes(from: &Side, to: &Side, difference: Usd) -> Vec<&'static str> {
    if difference.is_zero() {
        return Vec::new();
    }
    let mut causes = changed(from, to);
    let is_cut = causes.contains(&"truncated");
    if is_cut || causes.iter().any(|cause| cause.ends_with("_version")) {
        causes.retain(|cause| *cause != "input_hash");
    }
    if is_cut {
        causes.retain(|cause| *cause != "price_set_hash");
    }
    causes
}

/// The tokens of which a figure differs, those with the largest differences first.
fn tokens(from: &Side, to: &Side) -> Result<Vec<TokenDifference>, AmountError> {
    let figures = |side: &Side| {
        side.tokens
            .iter()
            .map(|token| {
                let own = token.unrealized_gain_usd.unwrap_or_default();
                let rent = token.rent_unrealized_gain_usd.unwrap_or_default();
                Ok((token.asset.clone(), (token.realized_gain_usd, own.checked_add(rent)?)))
            })
            .collect::<Result<BTreeMap<AssetId, (Usd, Usd)>, AmountError>>()
    };
    let (from, to) = (figures(from)?, figures(to)?);
    let mut rows = Vec::new();
    for asset in from.keys().chain(to.keys()).collect::<BTreeSet<_>>() {
        let of =
            |side: &BTreeMap<AssetId, (Usd, Usd)>| side.get(asset).copied().unwrap_or_default();
        let ((realized_from, held_from), (realized_to, held_to)) = (of(&from), of(&to));
        let sums = TokenSums {
            count: 1,
            realized_gain_usd: realized_to.checked_sub(realized_from)?,
            unrealized_gain_usd: held_to.checked_sub(held_from)?,
        };
        if !sums.realized_gain_usd.is_zero() || !sums.unrealized_gain_usd.is_zero() {
            rows.push(TokenDifference { asset: asset.clone(), difference: sums });
        }
    }
    let size = |row: &TokenDifference| {
        let of = |usd: Usd| usd.units().unsigned_abs();
        of(row.difference.realized_gain_usd).max(of(row.difference.unrealized_gain_usd))
    };
    rows.sort_by_key(|row| std::cmp::Reverse(size(row)));
    Ok(rows)
}

fn sum(rows: &[TokenDifference]) -> Result<TokenSums, AmountError> {
    rows.iter().try_fold(TokenSums::default(), |sum, row| {
        Ok(TokenSums {
            count: sum.count + 1,
            realized_gain_usd: sum
                .realized_gain_usd
                .checked_add(row.difference.realized_gain_usd)?,
            unrealized_gain_usd: sum
                .unrealized_gain_usd
                .checked_add(row.difference.unrealized_gain_usd)?,
        })
    })
}

/// Whether a window is the whole history.
fn is_open(window: &Value) -> bool {
    window.get("from").is_none_or(Value::is_null) && window.get("to").is_none_or(Value::is_null)
}
