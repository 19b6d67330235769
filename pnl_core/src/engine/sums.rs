//! A history by several methods at once, where only sums are asked for.

use std::collections::BTreeMap;

use super::balance;
use super::outcome::{AssetTotals, Conservation, Totals};
use super::{Engine, EngineError, Options};
use crate::amount::{Usd, UsdPrice};
use crate::asset::AssetId;
use crate::event::Event;
use crate::method::Method;

/// The sums of a history by one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodSums {
    /// The method used.
    pub method: Method,
    /// Sums over the full history.
    pub totals: Totals,
    /// The same by asset: those with a known cost, a disposal, an income or a fee expense.
    pub by_asset: BTreeMap<AssetId, AssetTotals>,
    /// Cost of what is held at a known basis, by asset; nothing for an asset of which nothing is.
    pub remaining_basis: BTreeMap<AssetId, Usd>,
    /// Basis of disposals with unknown proceeds, by asset; nothing for an asset without.
    pub basis_unpriced: BTreeMap<AssetId, Usd>,
    /// The proof that the books balance.
    pub conservation: Conservation,
}

/// Reads a history for several methods that need nothing but their name. Nothing is recorded, so its memory
/// is bounded by open lots, and what the methods have in common is done once.
#[derive(Debug, Clone)]
pub struct SumsOnly {
    /// Reads the events.
    first: Engine,
    /// Work off what the first one has queued.
    others: Vec<Engine>,
}

impl SumsOnly {
    /// Engines of `first` and `others`.
    ///
    /// # Errors
    /// [`EngineError::Option`] when the options contradict a method.
    pub fn new(first: Method, others: &[Method], options: &Options) -> Result<Self, EngineError> {
        let engine = |method: Method| -> Result<Engine, EngineError> {
            let mut engine = Engine::new(method, options.clone())?;
            engine.records.sums_only = true;
            Ok(engine)
        };
        let others = others.iter().map(|method| engine(*method)).collect::<Result<_, _>>()?;
        Ok(Self { first: engine(first)?, others })
    }

    /// Reads the next event.
    ///
    /// # Errors
    /// As [`Engine::apply`], but perhaps some events later.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Result<(), EngineError> {
        if self.first.is_plain(event) {
            let queued = self.first.queue(event);
            return if queued.is_err() || self.first.block.is_full() {
                // The error of an event before is the first one.
                self.work_off()?;
                queued.map_err(|error| self.first.fail(error))
            } else {
                Ok(())
            };
        }
        self.work_off()?;
        self.first.apply(event)?;
        self.others.iter_mut().try_for_each(|engine| engine.apply(event))
    }

    /// The sums by each method, with prices at the end of the history or without.
    ///
    /// # Errors
    /// As [`Engine::finish`].
    pub fn finish(
        mut self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Vec<MethodSums>, EngineError> {
        self.so_far(prices)
    }

    /// The sums of the events up to here; more of them may follow.
    ///
    /// # Errors
    /// As [`Engine::finish`].
    pub fn so_far(
        &mut self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Vec<MethodSums>, EngineError> {
        self.work_off()?;
        let engines = std::iter::once(&self.first).chain(&self.others);
        engines.map(|engine| engine.sum_up(prices)).collect()
    }

    fn work_off(&mut self) -> Result<(), EngineError> {
        let Self { first, others } = self;
        let mut block = std::mem::take(&mut first.block);
        block.sort();
        let mut worked = first.work(&block);
        for engine in others {
            worked = worked.and_then(|()| {
                engine.follow(first);
                engine.work(&block)
            });
        }
        block.clear();
        first.block = block;
        worked
    }
}

impl Engine {
    /// Gets to know what the engine that read the events knows besides lots.
    fn follow(&mut self, first: &Self) {
        (self.first_ts, self.last_ts) = (first.first_ts, first.last_ts);
        self.records.origins.clone_from(&first.records.origins);
        self.dollar_fees.clone_from(&first.dollar_fees);
        self.books.follow(&first.books, &self.options);
    }

    fn sum_up(
        &self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<MethodSums, EngineError> {
        let closing = self.closing()?;
        let holdings = self.books.holdings()?;
        let balance::Closed { totals, by_asset, conservation, assets, holdings } =
            closing.with(self.books.assets().to_vec(), holdings)?.close(prices)?;
        let basis_unpriced = assets
            .iter()
            .filter(|asset| !asset.flows.basis_unpriced.is_zero())
            .map(|asset| (asset.id.clone(), asset.flows.basis_unpriced))
            .collect();
        let held = assets.into_iter().zip(holdings).filter(|(_, held)| !held.known.is_zero());
        let remaining_basis = held.map(|(asset, held)| (asset.id, held.basis)).collect();
        Ok(MethodSums {
            method: self.method,
            totals,
            by_asset,
            remaining_basis,
            basis_unpriced,
            conservation,
        })
    }
}
