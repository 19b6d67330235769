//! The rules of one event.

use std::sync::Arc;

use super::block::Act;
use super::books::WalletIndex;
use super::choice::Choice;
use super::error::Fault;
use super::outcome::{Sums, add};
use super::rows::{self, ActivityFacts, DisposalFacts, FeeRow, IncomeRow, NONE, Records};
use super::{
    DisposalLeg, Engine, FeePolicy, HifoKey, Oversold, SwapFeeSide, TransferOutAs, Unpriced,
};
use crate::amount::{AmountError, RawAmount, Usd};
use crate::event::{Event, EventFee, EventKind, EventLeg, SwapSide};
use crate::held::NarrowShares;
use crate::lot::{LotBook, Shares};
use crate::method::Method;
use crate::narrow::NarrowUsd;
use crate::ratio::Ratio;
use crate::unit_cost::UnitCost;

/// A leg of an event with its asset looked up and the options applied to its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg<'a> {
    pub(super) asset: usize,
    pub(super) quantity: &'a RawAmount,
    pub(super) value: Option<&'a Usd>,
    /// What the value has below 1e-36 USD.
    pub(super) residue: Option<&'a Ratio>,
}

/// A fee of an event; without a leg when it is known in US dollars only.
#[derive(Debug, Clone, Copy)]
struct Fee<'a> {
    leg: Option<Leg<'a>>,
    value: Option<&'a Usd>,
}

/// The sum of fees that a leg carries.
#[derive(Debug, Default)]
pub(super) struct Fees {
    value: Usd,
    /// What their values have below 1e-36 USD.
    residue: Option<Ratio>,
    /// Whether one of them has no value.
    incomplete: bool,
}

/// What stands against the leg of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counterpart {
    /// Money, for what came in.
    Purchase,
    /// Money, for what left.
    Sale,
    /// The asset that came in for what left.
    Swap(usize),
}

/// What an event without fees attaches.
pub(super) static NO_FEES: Fees = Fees { value: Usd::ZERO, residue: None, incomplete: false };

impl Fees {
    /// What is left of a value.
    #[inline(always)]
    fn off(&self, value: Option<&Usd>) -> Result<Option<Usd>, AmountError> {
        match value {
            Some(value) if !self.value.is_zero() => value.checked_sub(self.value).map(Some),
            value => Ok(value.copied()),
        }
    }
}

/// Whose lots a step touches: an asset by index, and the book of it in a wallet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) asset: u32,
    pub(super) book: u32,
}

/// The event that is being applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) id: &'a Arc<str>,
    pub(super) wallet: WalletIndex,
    /// Its number.
    pub(super) event: u32,
}

impl Engine {
    /// Applies one event. After a fault the books are in between: the caller must not go on.
    pub(super) fn step(&mut self, event: &Event) -> Result<(), Fault> {
        if event.ts < self.last_ts {
            return Err(Fault::OutOfOrder { before: self.last_ts });
        }
        self.last_ts = event.ts;
        // No holding time is longer than the history, which has to fit.
        let first_ts = *self.first_ts.get_or_insert(event.ts);
        event.ts.checked_sub(first_ts).ok_or(AmountError::Overflow)?;
        let now = Now {
            id: &event.id,
            wallet: self.books.wallet(&event.wallet)?,
            event: self.number(event)?,
        };
        let sum;
        let mut attached = &NO_FEES;
        if !event.fees.is_empty() {
            sum = self.sum_fees(&event.fees)?;
            if self.options.fee_policy == FeePolicy::Attach {
                attached = &sum;
            }
        }
        // A fee that no trade can carry is an expense of its own.
        let mut standalone = false;
        match &event.kind {
            EventKind::Acquire(leg) => {
                let leg = self.leg(leg)?;
                self.note_activity(now, leg, Counterpart::Purchase, leg.value);
                self.acquire(now, leg, attached)?;
            }
            EventKind::Income(leg) => {
                let leg = self.leg(leg)?;
                self.earn(now, leg)?;
                self.acquire(now, leg, attached)?;
            }
            EventKind::Dispose(leg) => {
                let leg = self.leg(leg)?;
                self.note_activity(now, leg, Counterpart::Sale, leg.value);
                let choice = self.choice(now);
                let proceeds = attached.off(leg.value)?;
                self.dispose(now, DisposalLeg::Main, leg, proceeds.as_ref(), choice)?;
            }
            EventKind::Swap { out, into, fee_side } => {
                self.swap(now, out, into, *fee_side, attached)?;
            }
            EventKind::TransferIn { leg, link } => {
                standalone = true;
                let leg = self.leg(leg)?;
                match link {
                    Some(link) => self.arrive(now, leg, link)?,
                    None => self.receive(now, leg)?,
                }
            }
            EventKind::TransferOut { leg, link } => {
                standalone = true;
                let leg = self.leg(leg)?;
                match (link, self.options.transfer_out) {
                    (None, TransferOutAs::Dispose) => {
                        let choice = self.choice(now);
                        self.dispose(now, DisposalLeg::Main, leg, leg.value, choice)?;
                    }
                    (link, _) => self.depart(now, leg, link.as_ref())?,
                }
            }
            EventKind::Fee(leg) => {
                standalone = true;
                let leg = self.leg(leg)?;
                let choice = self.choice(now);
                self.pay(now, Fee { leg: Some(leg), value: leg.value }, true, choice)?;
            }
        }
        for fee in &event.fees {
            let fee = self.fee(fee)?;
            self.pay(now, fee, standalone, Choice::default())?;
        }
        Ok(())
    }

    /// The number of the next event.
    #[inline(always)]
    fn number(&mut self, event: &Event) -> Result<u32, Fault> {
        let Records { origins, sums_only, .. } = &mut *self.records;
        if *sums_only { origins.count() } else { origins.push(&event.id, event.ts) }
    }

    /// Looks up a leg's asset and applies `unpriced`.
    #[inline(always)]
    fn leg<'a>(&mut self, leg: &'a EventLeg) -> Result<Leg<'a>, Fault> {
        let (asset, known) = self.books.asset(&leg.asset, leg.decimals, &self.options);
        if known != leg.decimals {
            return Err(decimals_differ(leg, known));
        }
        let value = match (&leg.value, self.options.unpriced) {
            (None, Unpriced::Zero) => Some(&Usd::ZERO),
            (value, _) => value.as_ref(),
        };
        Ok(Leg { asset, quantity: &leg.quantity, value, residue: leg.residue.as_deref() })
    }

    fn fee<'a>(&mut self, fee: &'a EventFee) -> Result<Fee<'a>, Fault> {
        Ok(match fee {
            EventFee::Asset(leg) => {
                let leg = self.leg(leg)?;
                Fee { leg: Some(leg), value: leg.value }
            }
            EventFee::Usd(value) => Fee { leg: None, value: Some(value) },
        })
    }

    /// Sums the known values of an event's fees.
    fn sum_fees(&mut self, fees: &[EventFee]) -> Result<Fees, Fault> {
        let mut sum = Fees::default();
        for fee in fees {
            let fee = self.fee(fee)?;
            sum.value = sum.value.checked_add(fee.value.copied().unwrap_or(Usd::ZERO))?;
            sum.incomplete |= fee.value.is_none();
            if let Some(residue) = fee.leg.and_then(|leg| leg.residue) {
                sum.residue = Some(with(sum.residue.as_ref(), residue));
            }
        }
        Ok(sum)
    }

    /// The lots chosen for what leaves by the event itself.
    pub(super) fn choice(&self, now: Now<'_>) -> Choice {
        if self.method != Method::Specific {
            return Choice::default();
        }
        let Some(lots) = self.options.lots.get(now.id) else { return Choice::default() };
        Choice::new(lots.iter().map(|chosen| {
            let order = self.made_lots.get(&chosen.lot).copied();
            (Arc::clone(&chosen.lot), order, chosen.quantity)
        }))
    }

    /// Notes that the event makes a lot, where a choice names it.
    pub(super) fn note_lot(&mut self, now: Now<'_>) {
        if self.method == Method::Specific && self.chosen_lots.contains(now.id) {
            self.made_lots.insert(Arc::clone(now.id), now.event);
        }
    }

    fn swap(
        &mut self,
        now: Now<'_>,
        out: &EventLeg,
        into: &EventLeg,
        fee_side: Option<SwapSide>,
        attached: &Fees,
    ) -> Result<(), Fault> {
        // Volume is what the events say; `unpriced = zero` is a convention of the lots.
        let stated = into.value.as_ref().or(out.value.as_ref());
        let mut out = self.leg(out)?;
        let mut into = self.leg(into)?;
        self.note_activity(now, out, Counterpart::Swap(into.asset), stated);
        // Both sides of an exchange are worth the same: a priced leg prices the other one.
        match (out.value, into.value) {
            (None, Some(_)) => (out.value, out.residue) = (into.value, into.residue),
            (Some(_), None) => (into.value, into.residue) = (out.value, out.residue),
            _ => {}
        }
        let side = fee_side.unwrap_or_else(|| self.fee_side(out.asset, into.asset));
        let (off_proceeds, on_cost) = match side {
            SwapSide::Out => (attached, &NO_FEES),
            SwapSide::In => (&NO_FEES, attached),
        };
        let choice = self.choice(now);
        let proceeds = off_proceeds.off(out.value)?;
        self.dispose(now, DisposalLeg::Out, out, proceeds.as_ref(), choice)?;
        self.acquire(now, into, on_cost)
    }

    /// The leg of a swap that carries its fees, as the options say.
    fn fee_side(&self, out: usize, into: usize) -> SwapSide {
        match self.options.swap_fee_side {
            SwapFeeSide::In => SwapSide::In,
            SwapFeeSide::Out => SwapSide::Out,
            // A purchase with a quote asset: the token that came in carries its own cost.
            SwapFeeSide::Auto
                if self.books.entry(out).is_quote && !self.books.entry(into).is_quote =>
            {
                SwapSide::In
            }
            SwapFeeSide::Auto => SwapSide::Out,
        }
    }

    #[inline(always)]
    fn note_activity(
        &mut self,
        now: Now<'_>,
        leg: Leg<'_>,
        against: Counterpart,
        value: Option<&Usd>,
    ) {
        let second = match against {
            Counterpart::Swap(into) => into as u32,
            Counterpart::Purchase | Counterpart::Sale => NONE,
        };
        let bought = against == Counterpart::Purchase;
        let facts = ActivityFacts { event: now.event, first: leg.asset as u32, second, bought };
        self.records.add_activity(facts, value);
    }

    pub(super) fn earn(&mut self, now: Now<'_>, leg: Leg<'_>) -> Result<(), AmountError> {
        let Some(&value) = leg.value else { return Ok(()) };
        let asset = leg.asset as u32;
        if self.queues {
            let holder = Holder { asset, book: NONE };
            self.block.push(Act::Earn, holder, now.event, &RawAmount::ZERO, leg.value);
        } else {
            self.count_income(asset, value)?;
        }
        self.records.add_income(IncomeRow { value, event: now.event, asset });
        Ok(())
    }

    pub(super) fn count_income(&mut self, asset: u32, value: Usd) -> Result<(), AmountError> {
        let asset = self.books.entry_mut(asset as usize);
        asset.flowed = true;
        add(&mut asset.flows.income, value)
    }

    /// Whose lots a leg touches.
    #[inline(always)]
    pub(super) fn holder(&mut self, now: Now<'_>, asset: usize) -> Holder {
        Holder { asset: asset as u32, book: self.books.number_of(now.wallet, asset) }
    }

    /// Opens a lot at the leg's value plus `fees`; without a value its basis is unknown.
    pub(super) fn acquire(&mut self, now: Now<'_>, leg: Leg<'_>, fees: &Fees) -> Result<(), Fault> {
        if leg.quantity.is_zero() || self.books.entry(leg.asset).is_cash {
            return Ok(());
        }
        let with_fees;
        let cost = match leg.value {
            Some(value) if !fees.value.is_zero() => {
                with_fees = value.checked_add(fees.value)?;
                Some(&with_fees)
            }
            value => value,
        };
        if cost.is_none() || fees.incomplete {
            self.books.entry_mut(leg.asset).unknown_from.get_or_insert(self.last_ts);
        }
        self.note_lot(now);
        let holder = self.holder(now, leg.asset);
        if self.queues {
            self.block.push(Act::Acquire, holder, now.event, leg.quantity, cost);
            return Ok(());
        }
        let unit_cost = match self.method {
            Method::Hifo => self.unit_cost(leg, fees)?,
            _ => None,
        };
        self.open_lot(holder, now.event, leg.quantity, cost, unit_cost)
    }

    /// Puts a lot that event number `event` made into a book, with what HIFO compares of it.
    #[inline(always)]
    pub(super) fn open_lot(
        &mut self,
        holder: Holder,
        event: u32,
        quantity: &RawAmount,
        cost: Option<&Usd>,
        unit_cost: Option<Arc<UnitCost>>,
    ) -> Result<(), Fault> {
        self.books.count_in(holder.asset as usize, quantity, cost)?;
        Ok(self.books.book(holder.book).add(event, quantity, cost, unit_cost)?)
    }

    /// What HIFO compares of a lot of known basis.
    fn unit_cost(&self, leg: Leg<'_>, fees: &Fees) -> Result<Option<Arc<UnitCost>>, AmountError> {
        let Some(&value) = leg.value else { return Ok(None) };
        let unit_cost = match (self.options.hifo_key, &fees.residue) {
            (HifoKey::Spot, _) => UnitCost::new(value, *leg.quantity, leg.residue),
            (HifoKey::UnitCost, None) => {
                UnitCost::new(value.checked_add(fees.value)?, *leg.quantity, leg.residue)
            }
            (HifoKey::UnitCost, Some(residue)) => {
                let residue = with(leg.residue, residue);
                UnitCost::new(value.checked_add(fees.value)?, *leg.quantity, Some(&residue))
            }
        };
        Ok(Some(Arc::new(unit_cost)))
    }

    /// Matches what leaves with lots and books the gain. `proceeds` is `None` where unknown.
    fn dispose(
        &mut self,
        now: Now<'_>,
        name: DisposalLeg,
        leg: Leg<'_>,
        proceeds: Option<&Usd>,
        choice: Choice,
    ) -> Result<(), Fault> {
        if leg.quantity.is_zero() || self.books.entry(leg.asset).is_cash {
            return choice.refuse();
        }
        let holder = self.holder(now, leg.asset);
        if self.queues {
            self.block.push(Act::Dispose, holder, now.event, leg.quantity, proceeds);
            return Ok(());
        }
        let matches = rows::index(self.records.matches.len())?;
        self.consume(holder, leg.quantity, proceeds, choice)?;
        let (event, asset, wallet) = (now.event, leg.asset as u32, now.wallet.0);
        let facts = DisposalFacts { event, asset, wallet, matches, leg: name };
        self.records.add_disposal(facts, leg.quantity, proceeds);
        Ok(())
    }

    /// Takes lots for `proceeds`, `None` where unknown, and counts the gain.
    #[inline(always)]
    pub(super) fn consume(
        &mut self,
        holder: Holder,
        quantity: &RawAmount,
        proceeds: Option<&Usd>,
        choice: Choice,
    ) -> Result<(), Fault> {
        // Nothing where unknown: shares of nothing are nothing.
        let received = proceeds.unwrap_or(&Usd::ZERO);
        let mut sums = Sums::default();
        let narrow = match (NarrowUsd::of(received), quantity.word()) {
            (Some(money), Some(quantity)) if !choice.is_made() => {
                Some(NarrowShares::new(money, quantity))
            }
            _ => None,
        };
        match narrow {
            Some(mut shares) => {
                let book = self.books.book(holder.book);
                match_narrow(book, &mut shares, &mut self.records, &mut sums)?;
                if !shares.is_done() {
                    self.match_fully(holder, shares.in_full(), choice, &mut sums)?;
                }
            }
            None => {
                let shares = Shares::new(*received, *quantity);
                self.match_fully(holder, shares, choice, &mut sums)?;
            }
        }
        // Shares sum to the whole: parts of it, of its sign.
        sums.matched_proceeds =
            received.wrapping_sub(sums.unknown_proceeds).wrapping_sub(sums.unmatched_proceeds);
        let asset = self.books.entry_mut(holder.asset as usize);
        asset.moved = true;
        asset.raw_out = asset.raw_out.checked_add(quantity.wrapping_sub(sums.unmatched))?;
        asset.flowed = true;
        Ok(asset.flows.count_disposal(proceeds, &sums)?)
    }

    /// Matches what is chosen, and numbers of any size; the end of every disposal that is not covered.
    #[inline(never)]
    fn match_fully(
        &mut self,
        holder: Holder,
        mut shares: Shares,
        mut choice: Choice,
        sums: &mut Sums,
    ) -> Result<(), Fault> {
        let book = self.books.book(holder.book);
        while let Some(piece) = choice.next_piece(book, shares.quantity_left())? {
            let share = shares.next(&piece.quantity)?;
            match &piece.basis {
                Some(basis) => {
                    add(&mut sums.basis, *basis)?;
                    share.checked_sub(*basis)?;
                }
                None => add(&mut sums.unknown_proceeds, share)?,
            }
            self.records.add_match(piece.order, &piece.quantity, piece.basis.as_ref(), &share);
        }
        sums.unmatched = *shares.quantity_left();
        if !sums.unmatched.is_zero() {
            self.refuse_oversold(holder.asset, sums.unmatched)?;
            sums.unmatched_proceeds = shares.next(&sums.unmatched)?;
        }
        Ok(())
    }

    pub(super) fn refuse_oversold(&self, asset: u32, quantity: RawAmount) -> Result<(), Fault> {
        match self.options.oversold {
            Oversold::Error => Err(Fault::Oversold {
                asset: self.books.entry(asset as usize).id.clone(),
                quantity,
            }),
            Oversold::Exclude | Oversold::ZeroBasis => Ok(()),
        }
    }

    /// Pays one fee. `standalone`: no trade carries it.
    fn pay(
        &mut self,
        now: Now<'_>,
        fee: Fee<'_>,
        standalone: bool,
        choice: Choice,
    ) -> Result<(), Fault> {
        let policy = self.options.fee_policy;
        if let Some(leg) = fee.leg {
            match policy {
                FeePolicy::Attach | FeePolicy::Separate => {
                    self.dispose(now, DisposalLeg::Fee, leg, leg.value, choice)?;
                }
                FeePolicy::Ignore
                    if leg.quantity.is_zero() || self.books.entry(leg.asset).is_cash =>
                {
                    choice.refuse()?;
                }
                FeePolicy::Ignore => {
                    let holder = self.holder(now, leg.asset);
                    let (pieces, _) = self.books.take(holder, *leg.quantity, choice)?;
                    for piece in pieces {
                        let basis = piece.basis.unwrap_or(Usd::ZERO);
                        self.fee_ignored = self.fee_ignored.checked_add(basis)?;
                    }
                }
            }
        }
        let expense = match policy {
            FeePolicy::Attach => standalone,
            FeePolicy::Separate => true,
            FeePolicy::Ignore => false,
        };
        let value = fee.value.copied().unwrap_or(Usd::ZERO);
        let asset = fee.leg.map_or(NONE, |leg| leg.asset as u32);
        if fee.leg.is_none() {
            self.dollar_fees.add_fee(value, expense)?;
        } else if self.queues {
            let act = if expense { Act::Expense } else { Act::Fee };
            let holder = Holder { asset, book: NONE };
            self.block.push(act, holder, now.event, &RawAmount::ZERO, Some(&value));
        } else {
            self.count_fee(asset, value, expense)?;
        }
        let (event, priced) = (now.event, fee.value.is_some());
        self.records.add_fee(FeeRow { value, event, asset, priced, expense });
        Ok(())
    }

    pub(super) fn count_fee(
        &mut self,
        asset: u32,
        value: Usd,
        expense: bool,
    ) -> Result<(), AmountError> {
        let asset = self.books.entry_mut(asset as usize);
        asset.flowed |= expense;
        asset.flows.add_fee(value, expense)
    }
}

/// Matches as much as there is in narrow numbers, in the order of the method.
#[inline(never)]
fn match_narrow(
    book: &mut LotBook,
    shares: &mut NarrowShares,
    records: &mut Records,
    sums: &mut Sums,
) -> Result<(), AmountError> {
    while let Some((piece, share)) = book.trade(shares) {
        if piece.known {
            add(&mut sums.basis, piece.basis.usd())?;
        } else {
            add(&mut sums.unknown_proceeds, share.usd())?;
        }
        records.add_narrow_match(piece, share);
    }
    Ok(())
}

#[cold]
fn decimals_differ(leg: &EventLeg, known: u8) -> Fault {
    Fault::DecimalsDiffer { asset: leg.asset.clone(), known, here: leg.decimals }
}

fn with(sum: Option<&Ratio>, residue: &Ratio) -> Ratio {
    sum.map_or_else(|| residue.clone(), |sum| sum.plus(residue))
}
