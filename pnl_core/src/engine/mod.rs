//! The engine: accounting events in, disposals with their lots and totals out.
//!
//! One engine for every method: the method is an order of lots ([`crate::method`]), everything else
//! is here. It is pure and exact. Quantities are integers in base units, money is in units of 1e-36
//! USD, every operation is checked, and the only rounding is the splitting of an amount over
//! quantities (module `lot`). Costs and quantities therefore balance to the last unit; the engine
//! checks that they do and gives out no result where they do not.
//!
//! Inside an event the order is: what leaves, what comes in, the fees. docs/accounting.md states
//! every rule with its source.

mod ahead;
mod apply;
mod attached;
mod balance;
mod block;
mod books;
mod choice;
mod error;
mod moment;
mod open_lots;
mod options;
mod origins;
mod outcome;
mod records;
mod rows;
mod state;
mod sums;
mod survivors;
mod transfer;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::EngineError;
pub use moment::Holding;
pub use open_lots::OpenLot;
pub use options::{
    ChosenLot, FeePolicy, HifoKey, OptionError, Options, Oversold, SameTs, Scope, SwapFeeSide,
    TransferInBasis, TransferOutAs, Unpriced,
};
pub use outcome::{AssetTotals, Conservation, Flows, Outcome, Totals, Window, WindowTotals};
pub use records::{Disposal, DisposalLeg, Disposals, FeeRecord, Income, LotMatch, Matches};
pub use rows::Records;
pub use state::StateError;
pub use sums::{MethodSums, SumsOnly};

use crate::amount::{AmountError, RawAmount, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::event::Event;
use crate::holding::Held;
use crate::lot::Lot;
use crate::method::Method;
use block::Block;
use books::Books;

/// What is on its way between own wallets.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Transit {
    asset: usize,
    quantity: RawAmount,
    pieces: Vec<Lot>,
}

/// Reads a history event by event. Small by itself: it is handed from task to task.
///
/// The events come in the order that counts: by time, and inside a second as the chain has them. A clone
/// closed with [`Engine::finish`] is the outcome as of that moment, so one pass answers any number of
/// past moments; [`Engine::state`] is the value to store and continue from.
#[derive(Debug, Clone)]
pub struct Engine {
    method: Method,
    options: Options,
    books: Box<Books>,
    transit: HashMap<Arc<str>, Transit>,
    /// Ids of the events that choices name lots by.
    chosen_lots: Arc<HashSet<Arc<str>>>,
    /// Places of those of them that have made lots.
    made_lots: HashMap<Arc<str>, u32>,
    /// Events that `options.lots` names and by which nothing has left yet.
    unmet: BTreeSet<Arc<str>>,
    first_ts: Option<i64>,
    last_ts: i64,
    records: Box<Records>,
    /// Sums of fees known in US dollars only.
    dollar_fees: Box<Flows>,
    /// Basis that left by transfers out without a link.
    transferred: Usd,
    /// Basis of fees that were paid without being a disposal (`fee_policy = ignore`).
    fee_ignored: Usd,
    failed: Option<EngineError>,
    /// What is queued; nothing but while events are read together.
    block: Box<Block>,
    /// Whether the event at hand is queued.
    queues: bool,
    /// So many events are kept by number before those that nobody needs are let go.
    most_origins: usize,
}

impl Engine {
    /// An engine that has read nothing.
    ///
    /// # Errors
    /// [`EngineError::Option`] when the options contradict the method.
    pub fn new(method: Method, options: Options) -> Result<Self, EngineError> {
        options.check(method)?;
        Ok(Self {
            unmet: options.lots.keys().cloned().collect(),
            method,
            books: Box::new(Books::new(method, options.scope)),
            chosen_lots: options.chosen_lots(),
            made_lots: HashMap::new(),
            records: Box::new(Records {
                unmatched_gains: options.oversold == Oversold::ZeroBasis,
                ..Records::default()
            }),
            options,
            transit: HashMap::new(),
            first_ts: None,
            last_ts: i64::MIN,
            dollar_fees: Box::default(),
            transferred: Usd::ZERO,
            fee_ignored: Usd::ZERO,
            failed: None,
            block: Box::default(),
            queues: false,
            most_origins: state::FEW_ORIGINS,
        })
    }

    /// Makes room for the records of about so many events.
    pub fn reserve(&mut self, events: usize) {
        let Records { origins, disposals, matches, activity, .. } = &mut *self.records;
        origins.reserve(events);
        disposals.reserve(events);
        matches.reserve(events);
        activity.reserve(events);
    }

    /// Reads the next event.
    ///
    /// Ids must be unique in the history; the engine does not check it, a document does
    /// ([`crate::document`]).
    ///
    /// # Errors
    /// [`EngineError`] when the event contradicts the history or a figure does not fit. The history
    /// has no result then: every later call repeats the error.
    pub fn apply(&mut self, event: &Event) -> Result<(), EngineError> {
        self.refused()?;
        self.step(event).map_err(|fault| self.fail(fault.of(&event.id, event.ts)))?;
        if !self.unmet.is_empty() && event.kind.disposes() {
            self.unmet.remove(&event.id);
        }
        Ok(())
    }

    /// The history has no result any more.
    fn fail(&mut self, error: EngineError) -> EngineError {
        self.failed = Some(error.clone());
        error
    }

    /// Ends the history. With prices (US dollars per whole unit at the end of the history) the
    /// holdings are valued as well.
    ///
    /// # Errors
    /// The error of an event that was refused; [`EngineError::UnknownChoice`];
    /// [`EngineError::Totals`] when a sum does not fit.
    pub fn finish(
        mut self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Outcome, EngineError> {
        let closing = self.closing()?;
        (self.records.assets, self.records.wallets) = self.books.names();
        let (assets, books) = self.books.close()?;
        let mut holdings = vec![Held::default(); assets.len()];
        for book in &books {
            book.add_to(&mut holdings[book.asset])?;
        }
        let balance::Closed { totals, by_asset, conservation, assets, .. } =
            closing.with(assets, holdings)?.close(prices)?;
        Ok(Outcome {
            method: self.method,
            options: self.options,
            records: self.records,
            books,
            totals,
            by_asset,
            conservation,
            assets,
        })
    }

    /// What the history ends with, still without its assets.
    fn closing(&self) -> Result<balance::Closing, EngineError> {
        self.refused()?;
        self.check_choices()?;
        Ok(balance::Closing {
            assets: Vec::new(),
            holdings: Vec::new(),
            unmatched_gains: self.records.unmatched_gains,
            dollar_fees: Flows::clone(&self.dollar_fees),
            transferred: self.transferred,
            fee_ignored: self.fee_ignored,
            in_transit: self.in_transit()?,
        })
    }

    /// Whether every event that lots were chosen for has come.
    fn check_choices(&self) -> Result<(), EngineError> {
        match self.unmet.first() {
            Some(event) => Err(EngineError::UnknownChoice { event: Arc::clone(event) }),
            None => Ok(()),
        }
    }

    /// Basis of the lots that are under way.
    fn in_transit(&self) -> Result<Usd, AmountError> {
        let mut pieces = self.transit.values().flat_map(|transit| &transit.pieces);
        pieces.try_fold(Usd::ZERO, |sum, piece| sum.checked_add(piece.basis.unwrap_or(Usd::ZERO)))
    }
}
