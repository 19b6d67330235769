//! What plain events do to the books, in a form that engines of several methods share.
//!
//! The first engine reads events and queues what they do to each asset as steps; then each engine takes the
//! steps, those of an asset one after the other while what they touch is near in memory. Of the books of one
//! asset only the order of that asset's own events counts, and sums do not depend on an order: results are
//! equal to the last unit, and so is the error of a history that has one.
//!
//! What depends on more than one asset is never queued ([`Engine::is_plain`]): everything before is worked
//! off first. Nor is anything that has to be recorded: only sums are known afterwards.

use std::sync::Arc;

use super::apply::Holder;
use super::choice::Choice;
use super::error::Fault;
use super::rows::{self, Wide};
use super::{Engine, EngineError, FeePolicy, HifoKey};
use crate::amount::{RawAmount, Usd};
use crate::event::{Event, EventFee, EventKind, EventLeg};
use crate::method::Method;
use crate::narrow::NarrowUsd;
use crate::unit_cost::UnitCost;

/// Steps after which a block is worked off: few enough for a cache, of 48 bytes each.
const MOST_STEPS: usize = 4_096;

/// What a step does to the books of its asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Opens a lot; the money is its cost.
    Acquire,
    /// Takes lots for proceeds.
    Dispose,
    /// Takes lots out at their basis.
    Leave,
    /// Adds to what was earned.
    Earn,
    /// Adds to the fees that a trade carries.
    Fee,
    /// Adds to the fees, and to those that no trade carries.
    Expense,
}

/// What an event does to one asset.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// A word, or where the wide numbers begin.
    quantity: u64,
    money: NarrowUsd,
    event: u32,
    holder: Holder,
    act: Act,
    known: bool,
    wide: bool,
}

impl Step {
    fn quantity(&self, wide: &Wide) -> RawAmount {
        rows::quantity(self.quantity, self.wide, wide)
    }

    fn money(&self, wide: &Wide) -> Option<Usd> {
        let place = self.wide.then(|| self.quantity + 1);
        self.known.then(|| rows::money(self.money, place, wide))
    }
}

/// Steps in the order of their events.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    steps: Vec<Step>,
    wide: Wide,
    /// Ids of the events from this number on.
    first_event: u32,
    ids: Vec<Arc<str>>,
    /// By asset: its steps here. While they are sorted, where the next one of them goes.
    counts: Vec<u32>,
    /// Assets that have steps here.
    touched: Vec<u32>,
    /// Steps by number: those of an asset stand together, in their order.
    order: Vec<u32>,
}

impl Block {
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        act: Act,
        holder: Holder,
        event: u32,
        quantity: &RawAmount,
        money: Option<&Usd>,
    ) {
        let known = money.is_some();
        let amount = money.unwrap_or(&Usd::ZERO);
        let (quantity, money, wide) = match (quantity.word(), NarrowUsd::of(amount)) {
            (Some(quantity), Some(money)) => (quantity, money, false),
            _ => {
                let numbers = [quantity.to_u256(), amount.units().into_raw()];
                (rows::put(&mut self.wide, numbers), NarrowUsd::ZERO, true)
            }
        };
        let asset = holder.asset as usize;
        if asset >= self.counts.len() {
            self.counts.resize(asset + 1, 0);
        }
        if self.counts[asset] == 0 {
            self.touched.push(holder.asset);
        }
        self.counts[asset] += 1;
        self.steps.push(Step { quantity, money, event, holder, act, known, wide });
    }

    pub(super) fn is_full(&self) -> bool {
        self.steps.len() >= MOST_STEPS || self.ids.len() >= MOST_STEPS
    }

    /// Puts the steps of each asset together.
    pub(super) fn sort(&mut self) {
        let mut behind = 0;
        for asset in &self.touched {
            let count = &mut self.counts[*asset as usize];
            (*count, behind) = (behind, behind + *count);
        }
        self.order.resize(self.steps.len(), 0);
        for (step, number) in self.steps.iter().zip(0..) {
            let place = &mut self.counts[step.holder.asset as usize];
            self.order[*place as usize] = number;
            *place += 1;
        }
    }

    /// The numbers of the steps of one asset after the other, once they are sorted.
    fn by_asset(&self) -> impl Iterator<Item = &[u32]> {
        let mut begin = 0;
        self.touched.iter().map(move |asset| {
            let end = self.counts[*asset as usize] as usize;
            &self.order[std::mem::replace(&mut begin, end)..end]
        })
    }

    /// Empties the block; its memory stays.
    pub(super) fn clear(&mut self) {
        self.touched.drain(..).for_each(|asset| self.counts[asset as usize] = 0);
        self.steps.clear();
        self.wide.clear();
        self.ids.clear();
    }
}

impl Engine {
    /// Whether all that an event does, it does to each asset by itself.
    #[inline]
    pub(super) fn is_plain(&self, event: &Event) -> bool {
        let legs = match &event.kind {
            EventKind::Acquire(leg)
            | EventKind::Dispose(leg)
            | EventKind::Income(leg)
            | EventKind::Fee(leg)
            | EventKind::TransferIn { leg, link: None }
            | EventKind::TransferOut { leg, link: None } => [leg, leg],
            EventKind::Swap { out, into, .. } => [out, into],
            EventKind::TransferIn { .. } | EventKind::TransferOut { .. } => return false,
        };
        // What is known below 1e-36 USD is for HIFO to compare, and not part of a step.
        let is_exact = |leg: &EventLeg| leg.residue.is_none();
        let carried = event.fees.iter().all(|fee| match fee {
            EventFee::Asset(leg) => is_exact(leg),
            EventFee::Usd(_) => true,
        });
        // A step has one amount of money: that HIFO compares another one is not in it.
        let compared = self.options.hifo_key == HifoKey::UnitCost || event.fees.is_empty();
        let policy = self.options.fee_policy != FeePolicy::Ignore;
        self.method != Method::Specific
            && policy
            && compared
            && carried
            && legs.map(is_exact) == [true; 2]
    }

    /// Reads a plain event, but leaves what it does to the books for [`Self::work`]. The error of an event
    /// before may still come to light there.
    pub(super) fn queue(&mut self, event: &Event) -> Result<(), EngineError> {
        self.refused()?;
        if self.block.ids.is_empty() {
            self.block.first_event = self.records.origins.len() as u32;
        }
        self.block.ids.push(Arc::clone(&event.id));
        self.queues = true;
        let read = self.step(event);
        self.queues = false;
        read.map_err(|fault| fault.of(&event.id, event.ts))
    }

    /// Takes the steps of a sorted block.
    pub(super) fn work(&mut self, block: &Block) -> Result<(), EngineError> {
        let mut first: Option<(u32, Fault)> = None;
        for numbers in block.by_asset() {
            for &number in numbers {
                if first.as_ref().is_some_and(|(first, _)| *first < number) {
                    break;
                }
                if let Err(fault) = self.take_step(&block.steps[number as usize], &block.wide) {
                    first = Some((number, fault));
                    break;
                }
            }
        }
        let Some((number, fault)) = first else { return Ok(()) };
        let event = block.steps[number as usize].event - block.first_event;
        // No fault of a step tells the time.
        Err(self.fail(fault.of(&block.ids[event as usize], self.last_ts)))
    }

    fn take_step(&mut self, step: &Step, wide: &Wide) -> Result<(), Fault> {
        let Step { event, holder, act, .. } = *step;
        let quantity = step.quantity(wide);
        let money = step.money(wide);
        match act {
            Act::Acquire => {
                let unit_cost = match money {
                    Some(cost) if self.method == Method::Hifo => {
                        Some(Arc::new(UnitCost::new(cost, quantity, None)))
                    }
                    _ => None,
                };
                self.open_lot(holder, event, &quantity, money.as_ref(), unit_cost)?;
            }
            Act::Dispose => self.consume(holder, &quantity, money.as_ref(), Choice::default())?,
            Act::Leave => self.leave(holder, &quantity, Choice::default())?,
            Act::Earn => self.count_income(holder.asset, money.unwrap_or(Usd::ZERO))?,
            Act::Fee => self.count_fee(holder.asset, money.unwrap_or(Usd::ZERO), false)?,
            Act::Expense => self.count_fee(holder.asset, money.unwrap_or(Usd::ZERO), true)?,
        }
        Ok(())
    }
}
