//! One disposal down to its inputs: from the realized gain of the wallet to its token, the disposal,
//! the lots it consumed, the events that made them, and the prices behind those.
//!
//! The sums close exactly at each level: every `left_over` is computed from sums of the parts, and is
//! zero.

mod remainders;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::results;
use pnl_core::engine::{Disposal, DisposalLeg, LotMatch};
use pnl_core::ledger::{LedgerKind, LegSide};
use pnl_core::{AssetId, Method, Pin, RawAmount, Usd, WalletRef, Window};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::disposals::with_ids;
use super::origin::Origin;
use super::walk::{Ended, Walk};
use super::{LedgerPlace, Reader, View, Wallets, WalletsError, corrupt};
use crate::request::Analysis;
use crate::stages::replay::{self, lines};

/// Names a disposal of a history: an event and the part of it, such as `5h…:0:out`. A second fee of
/// the same event is `…:fee.2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisposalId {
    /// The event.
    pub event: Arc<str>,
    /// The part of it.
    pub leg: DisposalLeg,
    /// Which one of this part, from 1.
    pub which: u32,
}

impl DisposalId {
    /// The id of the disposal that comes behind the one called `last`.
    pub(super) fn behind(last: Option<&Self>, event: &str, leg: DisposalLeg) -> Self {
        let same = last.filter(|last| *last.event == *event && last.leg == leg);
        let which = same.map_or(1, |last| last.which + 1);
        Self { event: event.into(), leg, which }
    }
}

const LEGS: [(&str, DisposalLeg); 3] =
    [("main", DisposalLeg::Main), ("out", DisposalLeg::Out), ("fee", DisposalLeg::Fee)];

impl fmt::Display for DisposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leg = LEGS.iter().find(|(_, leg)| *leg == self.leg).map_or("", |(name, _)| name);
        write!(f, "{}:{leg}", self.event)?;
        if self.which > 1 { write!(f, ".{}", self.which) } else { Ok(()) }
    }
}

/// The text is no id of a disposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no id of a disposal: expected <event>:main, <event>:out or <event>:fee")]
pub struct BadDisposalId;

impl FromStr for DisposalId {
    type Err = BadDisposalId;

    fn from_str(text: &str) -> Result<Self, BadDisposalId> {
        let (event, part) = text.rsplit_once(':').ok_or(BadDisposalId)?;
        let (name, which) = match part.split_once('.') {
            None => (part, 1),
            Some((name, which)) => (name, which.parse().map_err(|_| BadDisposalId)?),
        };
        let leg = LEGS.iter().find(|(known, _)| *known == name).ok_or(BadDisposalId)?.1;
        let id = Self { event: event.into(), leg, which };
        let is_event = event.contains(':')
            && event.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':');
        // One disposal has one name.
        if is_event && id.to_string() == text { Ok(id) } else { Err(BadDisposalId) }
    }
}

impl Serialize for DisposalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A realized gain and what it is the sum of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Level {
    /// The sum.
    pub realized_gain_usd: Usd,
    /// Of it: what is explained further down.
    pub here_usd: Usd,
    /// Of it: all the other parts.
    pub others_usd: Usd,
    /// How many other parts there are.
    pub others: u64,
    /// The sum less its parts: zero.
    pub left_over_usd: Usd,
}

impl Level {
    fn new(sum: Usd, here: Usd, others: Usd, count: u64) -> Result<Self, WalletsError> {
        Ok(Self {
            realized_gain_usd: sum,
            here_usd: here,
            others_usd: others,
            others: count,
            left_over_usd: sum.checked_sub(here)?.checked_sub(others)?,
        })
    }
}

/// A disposal explained.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The disposal.
    pub id: DisposalId,
    /// The wallet's address.
    pub wallet: String,
    /// Its chain.
    pub chain: pnl_core::Chain,
    /// Up to where the ledger goes.
    #[serde(skip)]
    pub pin: Pin,
    /// The method.
    pub method: Method,
    /// The realized gain of the wallet, by tokens.
    pub result: Level,
    /// The asset of the disposal.
    pub asset: AssetId,
    /// Its decimals.
    pub decimals: Option<u8>,
    /// The realized gain of the token, by disposals.
    pub token: Level,
    /// The disposal, by lots.
    pub disposal: ExplainedDisposal,
    /// The lots on this page.
    pub matches: Vec<ExplainedMatch>,
    /// The lots that are not on this page, summed.
    pub other_matches: OtherMatches,
    /// The first lot behind this page; `None` at the end.
    #[serde(skip)]
    pub next: Option<LedgerPlace>,
}

/// What a disposal gave.
#[derive(Debug, Serialize)]
pub struct ExplainedDisposal {
    /// Unix seconds.
    pub ts: i64,
    /// Base units that left.
    pub qty: RawAmount,
    /// Market value of what left; `None` = unpriced.
    pub value: Option<Usd>,
    /// Fees that came off it.
    pub attached_fees: Option<Usd>,
    /// Value less attached fees.
    pub proceeds: Option<Usd>,
    /// Basis of the matched quantity.
    pub basis: Usd,
    /// Gain on the matched quantity.
    pub gain: Option<Usd>,
    /// Base units covered by lots of known basis.
    pub matched_qty: RawAmount,
    /// Base units covered by lots of unknown basis.
    pub unknown_qty: RawAmount,
    /// Base units that no lot covers.
    pub unmatched_qty: RawAmount,
    /// Of the proceeds: for what has a known basis.
    pub matched_proceeds: Usd,
    /// Of the proceeds: for what has an unknown basis.
    pub unknown_proceeds: Usd,
    /// Of the proceeds: for what no lot covers.
    pub unmatched_proceeds: Usd,
    /// Gain on what no lot covers, where that counts as gain.
    pub uncovered_gain: Usd,
    /// What the shares of the proceeds, each rounded down to 1e-36 USD, leave; the later ones carry it.
    pub rounding_remainder: Usd,
    /// Gain less the sum of the lots and `uncovered_gain`: zero.
    pub left_over: Usd,
    /// The event as the ledger has it: transaction, block, legs with the source and time of each price.
    pub ledger: Option<Box<RawValue>>,
}

/// A piece of a lot, and the event that made the lot.
#[derive(Debug, Serialize)]
pub struct ExplainedMatch {
    /// The lot: the id of the event that made it.
    pub lot: Arc<str>,
    /// Base units.
    pub qty: RawAmount,
    /// Unix seconds of the acquisition.
    pub acquired_ts: i64,
    /// Seconds from acquisition to disposal.
    pub hold_s: i64,
    /// Cost of the piece; `None` = unknown basis.
    pub basis: Option<Usd>,
    /// Its share of the proceeds.
    pub proceeds: Option<Usd>,
    /// Proceeds less basis.
    pub gain: Option<Usd>,
    /// What the lot cost when it was made; `None` where that is unknown, and for average cost, which has no lots
    /// of their own cost.
    pub lot_basis: Option<Usd>,
    /// Basis less the piece's share of `lot_basis`, rounded down: what the shares of earlier pieces left.
    pub rounding_remainder: Option<Usd>,
    /// The event that made the lot as the ledger has it.
    pub ledger: Option<Box<RawValue>>,
}

/// Lots that are on other pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OtherMatches {
    /// How many.
    pub count: usize,
    /// Sum of their bases.
    pub basis: Usd,
    /// Sum of their gains.
    pub gain: Usd,
}

/// What is noted of the disposal when the engine comes by.
struct Found {
    asset: AssetId,
    gain: Usd,
    disposal: ExplainedDisposal,
    matches: Vec<ExplainedMatch>,
    other: OtherMatches,
    next: Option<usize>,
}

/// Why a disposal of a result cannot be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotExplained {
    /// The job has no result of the wallet.
    NoResult,
    /// Another version of the engine computed the result.
    OtherEngine,
    /// The ledger that the result was made from is not stored (any more).
    NotStored,
    /// Of a result that ends in the past no ledger is kept, and the wallet has none, or one that ends before it or
    /// says another thing of it.
    OtherHistory,
    /// The result counts no such disposal.
    NoDisposal,
}

/// Which disposal is to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its id.
    pub id: &'a DisposalId,
    /// Behind which of its lots the page begins.
    pub after: Option<LedgerPlace>,
    /// Lots on a page, at most.
    pub limit: usize,
}

impl Wallets {
    /// Explains a disposal that `view` counts. The outer `None`: no ledger of the wallet is stored; the inner
    /// one: it has no such disposal.
    ///
    /// # Errors
    /// [`WalletsError::CursorExpired`] when the ledger was replaced since; others.
    pub async fn explain(
        &self,
        wallet: &WalletRef,
        view: View,
        asked: Asked<'_>,
    ) -> Result<Option<Option<Explanation>>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        Box::pin(self.explain_by(reader, wallet, view, asked)).await.map(Some)
    }

    /// Explains a disposal that the wallet's result in `job` counts, which was asked for by `analysis`. What is
    /// computed again has the gain of the result, to the last digit, or is not given.
    ///
    /// # Errors
    /// As [`Self::explain`].
    pub async fn explain_result(
        &self,
        wallet: &WalletRef,
        job: BatchId,
        analysis: &Analysis,
        asked: Asked<'_>,
    ) -> Result<Result<Explanation, NotExplained>, WalletsError> {
        let of_job = BatchRef { tenant: self.tenant.clone(), id: job };
        let Some(report) = results::report(&self.all.store, &of_job, wallet).await? else {
            return Ok(Err(NotExplained::NoResult));
        };
        let origin: Origin = serde_json::from_str(&report).map_err(corrupt)?;
        if !origin.is_of_this_engine() {
            return Ok(Err(NotExplained::OtherEngine));
        }
        let end = analysis.time_range.end();
        let reader = if end.is_none() {
            match self.reader_of_result(wallet, job, &origin, analysis).await? {
                Some(reader) => reader,
                None => return Ok(Err(NotExplained::NotStored)),
            }
        } else {
            // None of its own is kept; the newest one has what happened up to then.
            match self.open(wallet).await? {
                Some(reader) => reader.by_options_of(analysis)?,
                None => return Ok(Err(NotExplained::OtherHistory)),
            }
        };
        let found = Box::pin(self.explain_by(reader, wallet, View::of(analysis), asked)).await;
        let explanation = match found {
            Ok(Some(explanation)) => explanation,
            Ok(None) => return Ok(Err(NotExplained::NoDisposal)),
            Err(WalletsError::BehindPin { .. } | WalletsError::BlockBehindPin { .. }) => {
                return Ok(Err(NotExplained::OtherHistory));
            }
            Err(error) => return Err(error),
        };
        let is_same = end.is_none_or(|end| origin.reached(end, explanation.pin))
            && explanation.result.realized_gain_usd == origin.realized_gain_usd;
        Ok(if is_same { Ok(explanation) } else { Err(NotExplained::OtherHistory) })
    }

    async fn explain_by(
        &self,
        reader: Reader,
        wallet: &WalletRef,
        view: View,
        Asked { id, after, limit }: Asked<'_>,
    ) -> Result<Option<Explanation>, WalletsError> {
        let from = usize::try_from(reader.number(after)?).unwrap_or(usize::MAX);
        let reader = Arc::new(reader);
        let walk = self.walk(&reader, view).await?;
        let Some((mut found, mut gains, ended)) = find(walk, wallet, id, from, limit).await? else {
            return Ok(None);
        };
        enrich(&reader, id, &mut found).await?;
        if view.method != Method::Average {
            let options = reader.options.clone();
            found = self.compute(move || remainders::added(&options, found)).await?;
        }
        let others = gains.by_asset.remove(&found.asset).unwrap_or_default();
        let mut of_token = others.gain.checked_add(found.gain)?;
        let mut of_others = gains.by_asset.values().map(|sum| sum.gain).collect::<Vec<_>>();
        let mut sum = gains.all;
        if ended.window == Window::ALL {
            // The totals of the engine, which disposals have to sum to.
            let by_asset = &ended.outcome.by_asset;
            sum = ended.outcome.totals.realized_gain;
            of_token = by_asset.get(&found.asset).map_or(Usd::ZERO, |row| row.realized_gain);
            let rows = by_asset.iter().filter(|(asset, _)| **asset != found.asset);
            of_others = rows.map(|(_, row)| row.realized_gain).collect();
        }
        let other_tokens =
            of_others.iter().try_fold(Usd::ZERO, |sum, gain| sum.checked_add(*gain))?;
        let facts = reader.history.facts.assets.get(&found.asset);
        Ok(Some(Explanation {
            id: id.clone(),
            wallet: wallet.address.to_string(),
            chain: wallet.chain,
            pin: ended.history.pin,
            method: view.method,
            result: Level::new(sum, of_token, other_tokens, of_others.len() as u64)?,
            decimals: facts.and_then(|facts| facts.decimals),
            token: Level::new(of_token, found.gain, others.gain, others.count)?,
            asset: found.asset,
            disposal: found.disposal,
            matches: found.matches,
            other_matches: found.other,
            next: found.next.map(|next| reader.place(next as u64)),
        }))
    }
}

/// Gains of the disposals in the window.
#[derive(Default)]
struct Gains {
    /// Of all of them.
    all: Usd,
    /// Of each asset, without that of the disposal that is explained.
    by_asset: BTreeMap<AssetId, Others>,
}

/// Disposals of a token.
#[derive(Default)]
struct Others {
    gain: Usd,
    count: u64,
}

/// Runs the whole history, and notes the disposal when it comes by in the window.
async fn find(
    mut walk: Walk,
    wallet: &WalletRef,
    id: &DisposalId,
    from: usize,
    limit: usize,
) -> Result<Option<(Found, Gains, Ended)>, WalletsError> {
    let window = walk.window();
    let mut found: Option<Found> = None;
    let mut gains = Gains::default();
    loop {
        let taken;
        (walk, taken) = walk.records().await?;
        let Some(records) = taken else { break };
        for (this, disposal) in with_ids(&records, wallet.address.as_str()) {
            if !window.contains(disposal.ts) {
                continue;
            }
            let gain = disposal.gain.unwrap_or_default();
            gains.all = gains.all.checked_add(gain)?;
            if this == *id {
                found = Some(Found::new(&disposal, from, limit)?);
                continue;
            }
            let sum = gains.by_asset.entry(disposal.asset.clone()).or_default();
            sum.count += 1;
            sum.gain = sum.gain.checked_add(gain)?;
        }
    }
    let Some(found) = found else { return Ok(None) };
    Ok(Some((found, gains, walk.finish().await?)))
}

impl Found {
    fn new(disposal: &Disposal<'_>, from: usize, limit: usize) -> Result<Self, WalletsError> {
        let gain = disposal.gain.unwrap_or_default();
        let mut matches = Vec::new();
        let mut other = OtherMatches::default();
        let mut of_matches = Usd::ZERO;
        let mut rounded = Usd::ZERO;
        for (place, piece) in disposal.matches.iter().enumerate() {
            let of_piece = piece.gain.unwrap_or_default();
            of_matches = of_matches.checked_add(of_piece)?;
            rounded = rounded.checked_add(plain_share(disposal, piece.quantity)?)?;
            if (from..from.saturating_add(limit)).contains(&place) {
                matches.push(ExplainedMatch::from(piece));
            } else {
                other.count += 1;
                other.basis = other.basis.checked_add(piece.basis.unwrap_or_default())?;
                other.gain = other.gain.checked_add(of_piece)?;
            }
        }
        rounded = rounded.checked_add(plain_share(disposal, disposal.unmatched)?)?;
        let uncovered_gain = match disposal.gain {
            None => Usd::ZERO,
            Some(gain) => {
                gain.checked_sub(disposal.matched_proceeds.checked_sub(disposal.basis)?)?
            }
        };
        let next = from.saturating_add(matches.len());
        Ok(Self {
            asset: disposal.asset.clone(),
            gain,
            next: (next < disposal.matches.len() && !matches.is_empty()).then_some(next),
            disposal: ExplainedDisposal {
                ts: disposal.ts,
                qty: disposal.quantity,
                value: None,
                attached_fees: None,
                proceeds: disposal.proceeds,
                basis: disposal.basis,
                gain: disposal.gain,
                matched_qty: disposal.matched,
                unknown_qty: disposal.unknown,
                unmatched_qty: disposal.unmatched,
                matched_proceeds: disposal.matched_proceeds,
                unknown_proceeds: disposal.unknown_proceeds,
                unmatched_proceeds: disposal.unmatched_proceeds,
                uncovered_gain,
                rounding_remainder: disposal.proceeds.unwrap_or_default().checked_sub(rounded)?,
                left_over: gain.checked_sub(of_matches)?.checked_sub(uncovered_gain)?,
                ledger: None,
            },
            matches,
            other,
        })
    }
}

/// A quantity's share of the proceeds, rounded towards zero.
fn plain_share(disposal: &Disposal<'_>, quantity: RawAmount) -> Result<Usd, WalletsError> {
    match disposal.proceeds {
        Some(proceeds) if !disposal.quantity.is_zero() => {
            Ok(proceeds.share(quantity, disposal.quantity)?)
        }
        _ => Ok(Usd::ZERO),
    }
}

impl From<LotMatch<'_>> for ExplainedMatch {
    fn from(piece: LotMatch<'_>) -> Self {
        Self {
            lot: piece.lot.into(),
            qty: piece.quantity,
            acquired_ts: piece.acquired_ts,
            hold_s: piece.hold_s,
            basis: piece.basis,
            proceeds: piece.proceeds,
            gain: piece.gain,
            lot_basis: None,
            rounding_remainder: None,
            ledger: None,
        }
    }
}

/// Adds the rows of the ledger that the disposal and its lots come from.
async fn enrich(reader: &Reader, id: &DisposalId, found: &mut Found) -> Result<(), WalletsError> {
    let mut wanted: BTreeMap<Arc<str>, Option<String>> =
        found.matches.iter().map(|piece| (piece.lot.clone(), None)).collect();
    wanted.insert(id.event.clone(), None);
    let mut open = wanted.len();
    for no in 0..reader.ledger.head.chunks {
        if open == 0 {
            break;
        }
        let chunk = reader.chunk(no).await?;
        for line in lines(&chunk)? {
            if let Some(row) = event_id(line).and_then(|event| wanted.get_mut(event)) {
                *row = Some(line.to_owned());
                open -= 1;
            }
        }
    }
    let raw =
        |row: &Option<String>| row.clone().map(RawValue::from_string).transpose().map_err(corrupt);
    for piece in &mut found.matches {
        piece.ledger = wanted.get(&piece.lot).map(raw).transpose()?.flatten();
    }
    let own = wanted.get(&id.event).and_then(Option::as_ref);
    if let Some(line) = own {
        found.disposal.value = value(line, id)?;
        let (value, proceeds) = (found.disposal.value, found.disposal.proceeds);
        found.disposal.attached_fees =
            value.zip(proceeds).map(|(value, proceeds)| value.checked_sub(proceeds)).transpose()?;
        found.disposal.ledger = raw(&Some(line.clone()))?;
    }
    Ok(())
}

/// The id of a stored event: its first member.
fn event_id(line: &str) -> Option<&str> {
    line.strip_prefix("{\"event\":\"")?.split('"').next()
}

/// The market value of the leg that the disposal is.
fn value(line: &str, id: &DisposalId) -> Result<Option<Usd>, WalletsError> {
    let event = replay::event(line)?;
    let is_fee = event.kind == LedgerKind::Fee;
    let mut legs = event.legs.iter().enumerate().filter(|(place, leg)| match id.leg {
        DisposalLeg::Main => *place == 0,
        DisposalLeg::Out => leg.side == LegSide::Out,
        // What a `fee` event is about is its first leg, wherever it went.
        DisposalLeg::Fee => leg.side == LegSide::Fee || (is_fee && *place == 0),
    });
    let leg = legs.nth(id.which.saturating_sub(1) as usize);
    Ok(leg.and_then(|(_, leg)| leg.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposal_has_one_name_and_is_read_back_by_it() {
        let event: Arc<str> = "5h:0".into();
        let first = DisposalId::behind(None, &event, DisposalLeg::Out);
        let fee = DisposalId::behind(Some(&first), &event, DisposalLeg::Fee);
        let second = DisposalId::behind(Some(&fee), &event, DisposalLeg::Fee);
        let names: Vec<_> = [&first, &fee, &second].map(ToString::to_string).to_vec();
        assert_eq!(names, ["5h:0:out", "5h:0:fee", "5h:0:fee.2"]);
        for id in [first, fee, second] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for bad in ["", "5h", "5h:0", "5h:0:in", "5h:0:fee.1", "5h:0:fee.02", "5h:out", "5é:0:out"]
        {
            assert_eq!(bad.parse::<DisposalId>(), Err(BadDisposalId), "{bad}");
        }
    }
}
