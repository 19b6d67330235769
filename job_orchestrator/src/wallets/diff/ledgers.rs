//! The ledgers of two results read beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pnl_core::engine::SumsOnly;
use pnl_core::ledger::LedgerEvent;
use pnl_core::{AssetId, Method, UsdPrice, WalletRef};

use super::causes::{Causes, Part, Steps};
use super::events::{Comparison, Differences};
use super::{Events, Listed, PinPrice, Prices, Side, in_order};
use crate::stages::replay;
use crate::wallets::{Reader, Wallets, WalletsError};

/// What two stored ledgers say of a difference.
#[derive(Debug)]
pub(super) struct Compared {
    pub prices: Prices,
    pub events: Events,
    pub causes: Option<Causes>,
}

impl Wallets {
    /// What the ledgers of the results say; `None` unless both are stored.
    pub(super) async fn compared(
        &self,
        wallet: &WalletRef,
        from: &Side,
        to: &Side,
    ) -> Result<Option<Compared>, WalletsError> {
        let (earlier, later, is_backwards) = in_order(from, to);
        let (Some(before), Some(after)) = (&earlier.reader, &later.reader) else { return Ok(None) };
        let is_repeatable = self.is_repeatable(wallet, from)? && self.is_repeatable(wallet, to)?;
        let method = (is_repeatable && from.method == to.method).then_some(from.method);
        let (mut differences, steps) = self.compare(before, after, method).await?;
        let causes = steps.map(|steps| Causes::of(earlier, &steps, later));
        let mut causes = causes.transpose()?;
        if is_backwards {
            differences = differences.turned()?;
            causes = causes.map(|causes| causes.turned()).transpose()?;
        }
        let Differences { prices, moved, only_earlier, only_later } = differences;
        let (from, to) = if is_backwards { (after, before) } else { (before, after) };
        let pins = pin_prices(&from.history.prices, &to.history.prices);
        Ok(Some(Compared {
            prices: Prices { events: prices, pins },
            events: Events { only_from: only_earlier, only_to: only_later, moved },
            causes,
        }))
    }

    /// What differs up to the pin of the earlier ledger, and by a method the steps from the one to the other.
    async fn compare(
        &self,
        earlier: &Arc<Reader>,
        later: &Arc<Reader>,
        method: Option<Method>,
    ) -> Result<(Differences, Option<Steps>), WalletsError> {
        // Of an event about twice as much is kept as of its records.
        let _held = self.all.capacity.hold(earlier.ledger.head.events.saturating_mul(2)).await?;
        let sums = method.map(|method| SumsOnly::new(method, &[], &earlier.options)).transpose()?;
        let pin = earlier.ledger.head.pin.block;
        let comparison = Comparison::default();
        let comparison = self
            .fold(earlier, pin, comparison, |comparison, _, event| comparison.take_earlier(&event))
            .await?;
        let (mut comparison, retold) = self
            .fold(later, pin, (comparison, sums.clone()), |(comparison, sums), seq, event| {
                comparison.take_later(&event)?;
                apply(sums, seq, &event)
            })
            .await?;
        let mut repriced = retold.clone();
        if comparison.differs() {
            (comparison, repriced) = self
                .fold(earlier, pin, (comparison, sums), |(comparison, sums), seq, mut event| {
                    comparison.take_again(&mut event)?;
                    apply(sums, seq, &event)
                })
                .await?;
        }
        let (earlier, later) = (Arc::clone(earlier), Arc::clone(later));
        self.compute(move || {
            let valued = |sums: SumsOnly, reader: &Reader| {
                Ok::<_, WalletsError>(Part::of_sums(&sums.finish(Some(&reader.history.prices))?)?)
            };
            let steps = match (repriced, retold) {
                (Some(repriced), Some(retold)) => Some(Steps {
                    repriced: valued(repriced, &earlier)?,
                    retold: valued(retold.clone(), &earlier)?,
                    revalued: valued(retold, &later)?,
                }),
                _ => None,
            };
            Ok((comparison.into_differences(), steps))
        })
        .await
    }

    /// Reads a ledger up to a block, event by event.
    async fn fold<T: Send + 'static>(
        &self,
        reader: &Arc<Reader>,
        until: u64,
        mut state: T,
        step: fn(&mut T, u64, LedgerEvent) -> Result<(), WalletsError>,
    ) -> Result<T, WalletsError> {
        let mut seq = 0;
        for no in 0..reader.ledger.head.chunks {
            let chunk = reader.chunk(no).await?;
            let is_more;
            (state, seq, is_more) = self
                .compute(move || {
                    for line in replay::lines(&chunk)? {
                        let event = replay::event(line)?;
                        if event.block > until {
                            return Ok((state, seq, false));
                        }
                        step(&mut state, seq, event)?;
                        seq += 1;
                    }
                    Ok((state, seq, true))
                })
                .await?;
            if !is_more {
                break;
            }
        }
        Ok(state)
    }
}

/// The prices at two pins that differ.
fn pin_prices(
    from: &BTreeMap<AssetId, UsdPrice>,
    to: &BTreeMap<AssetId, UsdPrice>,
) -> Listed<PinPrice> {
    let mut listed = Listed::default();
    for asset in from.keys().chain(to.keys()).collect::<BTreeSet<_>>() {
        let (from_usd, to_usd) = (from.get(asset).copied(), to.get(asset).copied());
        if from_usd != to_usd {
            listed.push(|| PinPrice { asset: asset.clone(), from_usd, to_usd });
        }
    }
    listed
}

/// Gives the next event to the sums, where there are any.
fn apply(sums: &mut Option<SumsOnly>, seq: u64, event: &LedgerEvent) -> Result<(), WalletsError> {
    if let (Some(sums), Some(event)) = (sums, event.to_event(seq)?) {
        sums.apply(&event)?;
    }
    Ok(())
}
