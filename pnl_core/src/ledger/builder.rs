//! Books transactions one after the other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::LedgerError;
use super::event::{LedgerEvent, LedgerKind, LedgerLeg, LegSide, rent_pool};
use super::facts::{AssetFacts, HistoryFacts};
use super::page::{Page, Priced, market_value, oldest};
use super::prices::{LedgerRules, PriceRequest};
use super::shape::{Shape, incoming, outgoing, shape};
use super::state::LedgerState;
use crate::amount::{AmountError, RawDelta, UsdPrice};
use crate::asset::AssetId;
use crate::chain::{Address, Pin};
use crate::engine::Window;
use crate::hash::{InputHasher, PriceSetHasher};
use crate::movement::{NetChange, WalletTransaction};
use crate::price::PriceBook;
use crate::value::{LegValue, Side, exchange};

/// Builds the ledger of one wallet from its transactions, from the first one on, in chain order.
///
/// It carries the running time, the pool of rent deposits and the sums of the history from one
/// transaction to the next. A run over a history begins with a new one, or goes on from the
/// [state](Self::state) of an earlier run over the same history.
#[derive(Debug)]
pub struct LedgerBuilder {
    wallet: Address,
    wallet_name: Arc<str>,
    pool_name: Arc<str>,
    rules: LedgerRules,
    ts: i64,
    window: Window,
    in_window: u64,
    facts: HistoryFacts,
    lines: InputHasher,
    prices: PriceSetHasher,
    excluded: BTreeSet<AssetId>,
}

impl LedgerBuilder {
    /// A builder for the history of `wallet`, at its beginning, that counts the transactions inside
    /// `window`.
    pub fn new(wallet: Address, rules: LedgerRules, window: Window) -> Self {
        Self {
            wallet_name: wallet.as_str().into(),
            pool_name: rent_pool(&wallet).into(),
            lines: InputHasher::new(&wallet, &rules),
            wallet,
            rules,
            ts: 0,
            window,
            in_window: 0,
            facts: HistoryFacts::noting_doubts(),
            prices: PriceSetHasher::new(),
            excluded: BTreeSet::new(),
        }
    }

    /// Leaves the movements of these assets out of the accounts: balances contradict them. They stay
    /// visible as events that are excluded. To be told before the first transaction.
    #[must_use]
    pub fn excluding(mut self, assets: BTreeSet<AssetId>) -> Self {
        if !assets.is_empty() {
            self.lines.add_excluded(&assets);
        }
        self.excluded = assets;
        self
    }

    /// Where the history stands after the last transaction.
    pub fn state(&self) -> LedgerState {
        LedgerState {
            ts: self.ts,
            in_window: self.in_window,
            lines: self.lines.state(),
            prices: self.prices.state(),
            facts: self.facts.clone(),
        }
    }

    /// Goes on from a state of the same history, rules and window: the events and hashes that
    /// follow are those of a run from the beginning. `None` when the state cannot be read.
    #[must_use]
    pub fn resume(self, state: LedgerState) -> Option<Self> {
        Some(Self {
            ts: state.ts,
            in_window: state.in_window,
            lines: InputHasher::resume(&state.lines)?,
            prices: PriceSetHasher::resume(&state.prices)?,
            facts: state.facts,
            ..self
        })
    }

    /// Goes on behind a part of the history that is known by its events alone: `ts` is the time of the
    /// accounts there (unix seconds), and of `facts`, their sums, the pool of rent deposits and the
    /// decimals of assets count for what follows. The hashes and facts then are of what follows alone.
    #[must_use]
    pub fn behind(self, ts: i64, facts: HistoryFacts) -> Self {
        Self { ts, facts, ..self }
    }

    /// The prices that pushing `transactions` next, in this order, will look up. Listed stablecoins
    /// are not among them: the rules price those.
    pub fn price_requests(&self, transactions: &[WalletTransaction]) -> BTreeSet<PriceRequest> {
        let mut requests = BTreeSet::new();
        let mut first_decimals: BTreeMap<&AssetId, Option<u8>> = BTreeMap::new();
        let mut ts = self.ts;
        for tx in transactions {
            ts = later(ts, tx.block_time);
            let mut ask = |asset: &AssetId| {
                if !self.rules.stablecoins.contains(asset) {
                    requests.insert(PriceRequest { asset: asset.clone(), at: ts });
                }
            };
            for change in tx.net.iter().filter(|change| !self.excluded.contains(&change.asset)) {
                // As in `decimals`: the first movement of an asset decides.
                let known = first_decimals
                    .entry(&change.asset)
                    .or_insert_with(|| self.decimals(&change.asset, change.decimals));
                if known.is_some() {
                    ask(&change.asset);
                }
            }
            let fee = tx.fee.as_ref().is_some_and(|fee| !fee.raw.is_zero());
            if fee || !tx.tips.is_zero() || !tx.rent.is_zero() {
                ask(&AssetId::native());
            }
        }
        requests
    }

    /// Books the next transaction.
    ///
    /// The legs of the events sum to the line's `net + fee + tips + rent`; what the line leaves
    /// unexplained becomes no event but is summed in the [facts](Self::facts).
    ///
    /// # Errors
    /// See [`LedgerError`]: the line is not one of this wallet, breaks the rules of its form, or a
    /// sum leaves its range. The builder must not be used after an error.
    pub fn push(
        &mut self,
        tx: &WalletTransaction,
        book: &dyn PriceBook,
    ) -> Result<Vec<LedgerEvent>, LedgerError> {
        self.check(tx)?;
        self.book(tx, book)
            .map_err(|source| LedgerError::Amount { tx_id: tx.tx_id.clone(), source })
    }

    /// The sums of the history so far.
    pub fn facts(&self) -> &HistoryFacts {
        &self.facts
    }

    /// How many of the transactions so far lie in the window, failed ones included.
    pub const fn transactions_in_window(&self) -> u64 {
        self.in_window
    }

    /// The prices at the pin that value what the wallet holds after the last transaction.
    pub fn pin_requests(&self, pin: &Pin) -> Vec<PriceRequest> {
        let held = self.facts.assets.iter().filter(|(asset, facts)| {
            !asset.is_native()
                && !facts.held.is_zero()
                && facts.decimals.is_some()
                && !self.rules.stablecoins.contains(asset)
        });
        let held = held.map(|(asset, _)| asset.clone());
        let assets = std::iter::once(AssetId::native()).chain(held);
        assets.map(|asset| PriceRequest { asset, at: pin.block_time }).collect()
    }

    /// The known prices at the pin: the native coin, every listed stablecoin at par, and what else
    /// the wallet holds. They count as used.
    ///
    /// An asset whose decimals are unknown has no price: a quantity in base units cannot be valued.
    pub fn pin_prices(&mut self, pin: &Pin, book: &dyn PriceBook) -> BTreeMap<AssetId, UsdPrice> {
        let mut prices = BTreeMap::new();
        for request in self.pin_requests(pin) {
            if let Some(quote) = book.quote(&request.asset, request.at) {
                self.prices.add(&request.asset, &quote);
                prices.insert(request.asset, quote.price);
            }
        }
        for asset in &self.rules.stablecoins {
            let facts = self.facts.assets.get(asset);
            if facts.is_none_or(|facts| facts.decimals.is_some()) {
                prices.insert(asset.clone(), UsdPrice::par());
            }
        }
        prices
    }

    /// The hash of everything the ledger was made from; see [`InputHasher`].
    pub fn input_hash(&self, parser_version: &str, pin: &Pin) -> String {
        self.lines.finish(parser_version, pin)
    }

    /// The hash of every price used, in the order of use; see [`PriceSetHasher`].
    pub fn price_set_hash(&self) -> String {
        self.prices.finish()
    }

    fn check(&self, tx: &WalletTransaction) -> Result<(), LedgerError> {
        let tx_id = || tx.tx_id.clone();
        if tx.wallet != self.wallet {
            let (expected, found) = (self.wallet.clone(), tx.wallet.clone());
            return Err(LedgerError::ForeignLine { tx_id: tx_id(), expected, found });
        }
        if tx.chain != self.rules.chain {
            let (expected, found) = (self.rules.chain, tx.chain);
            return Err(LedgerError::ForeignChain { tx_id: tx_id(), expected, found });
        }
        let fee_is_odd =
            tx.fee.as_ref().is_some_and(|fee| fee.raw.is_positive() || !fee.asset.is_native());
        if fee_is_odd || tx.tips.is_positive() {
            return Err(LedgerError::BadFee { tx_id: tx_id() });
        }
        let mut seen = BTreeSet::new();
        for change in &tx.net {
            if change.raw.is_zero() || !seen.insert(&change.asset) {
                return Err(LedgerError::BadNet { tx_id: tx_id(), asset: change.asset.clone() });
            }
        }
        Ok(())
    }

    fn book(
        &mut self,
        tx: &WalletTransaction,
        book: &dyn PriceBook,
    ) -> Result<Vec<LedgerEvent>, AmountError> {
        self.lines.add(tx);
        self.facts.add_line(tx)?;
        self.ts = later(self.ts, tx.block_time);
        self.in_window += u64::from(self.window.contains(self.ts));
        let mut page = Page::new(tx, self.ts, self.wallet_name.clone());
        let (tx, contradicted) = self.part(tx);
        let tx = &*tx;
        let is_whole = contradicted.is_empty() && tx.too_large.is_empty();
        let mut fees = self.fee_legs(tx, book);
        match shape(tx, is_whole) {
            Shape::Nothing => {}
            Shape::Exchange => {
                self.book_exchange(tx, book, std::mem::take(&mut fees), &mut page)?
            }
            shape => self.book_one_way(tx, book, shape, &mut page),
        }
        self.book_rent(tx, book, &mut page)?;
        for fee in fees {
            page.add(LedgerKind::Fee, vec![fee]);
        }
        for change in contradicted {
            let (kind, side) = match change.raw.is_negative() {
                true => (LedgerKind::TransferOut, LegSide::Out),
                false => (LedgerKind::TransferIn, LegSide::In),
            };
            let NetChange { asset, raw, decimals } = change;
            let leg = Priced { asset, raw, decimals, quoted: None }.at_market(side);
            page.add(kind, vec![leg]).excluded = true;
        }
        for event in &page.events {
            self.facts.add_event(event)?;
        }
        Ok(page.events)
    }

    /// The transaction without the movements that balances contradict, and those.
    fn part<'a>(&self, tx: &'a WalletTransaction) -> (Cow<'a, WalletTransaction>, Vec<NetChange>) {
        if !tx.net.iter().any(|change| self.excluded.contains(&change.asset)) {
            return (Cow::Borrowed(tx), Vec::new());
        }
        let mut rest = tx.clone();
        let excluded = |change: &mut NetChange| self.excluded.contains(&change.asset);
        let contradicted = rest.net.extract_if(.., excluded).collect();
        (Cow::Owned(rest), contradicted)
    }

    /// Network fee and tips, as far as there are any.
    fn fee_legs(&mut self, tx: &WalletTransaction, book: &dyn PriceBook) -> Vec<LedgerLeg> {
        let fee = tx.fee.as_ref().map_or(RawDelta::ZERO, |fee| fee.raw);
        let paid = [fee, tx.tips].into_iter().filter(|raw| !raw.is_zero());
        paid.map(|raw| self.price(&AssetId::native(), raw, None, book).at_market(LegSide::Fee))
            .collect()
    }

    fn book_exchange(
        &mut self,
        tx: &WalletTransaction,
        book: &dyn PriceBook,
        fees: Vec<LedgerLeg>,
        page: &mut Page,
    ) -> Result<(), AmountError> {
        let mut price =
            |change: &NetChange| self.price(&change.asset, change.raw, change.decimals, book);
        let sold: Vec<Priced> = outgoing(&tx.net).map(&mut price).collect();
        let bought: Vec<Priced> = incoming(&tx.net).map(&mut price).collect();
        let market = |legs: &[Priced]| legs.iter().map(Priced::market).collect::<Vec<_>>();
        let valued = exchange(&market(&sold), &market(&bought))?;
        let basis = match valued.value {
            Some((_, Side::Sold)) => oldest(&sold),
            Some((_, Side::Bought)) => oldest(&bought),
            None => None,
        };
        let sold_for_quote = sold.iter().all(|leg| self.rules.is_quote_asset(&leg.asset));
        let legs = |legs: Vec<Priced>, values: Vec<LegValue>, side| -> Vec<LedgerLeg> {
            let valued = legs.into_iter().zip(values);
            valued.map(|(leg, value)| leg.in_exchange(side, value, basis)).collect()
        };
        let mut out = legs(sold, valued.sold, LegSide::Out);
        let mut into = legs(bought, valued.bought, LegSide::In);

        // A swap has one value. An exchange for nothing (V = 0) whose other leg stays unknown has
        // two, and is therefore booked as two events.
        if let ([sold], [bought]) = (&out[..], &into[..])
            && sold.value == bought.value
        {
            out.append(&mut into);
            out.extend(fees);
            page.add(LedgerKind::Swap, out);
            return Ok(());
        }
        let (fees_out, fees_in) = if sold_for_quote { (vec![], fees) } else { (fees, vec![]) };
        page.add_each(LedgerKind::Dispose, out, fees_out);
        page.add_each(LedgerKind::Acquire, into, fees_in);
        Ok(())
    }

    fn book_one_way(
        &mut self,
        tx: &WalletTransaction,
        book: &dyn PriceBook,
        shape: Shape,
        page: &mut Page,
    ) {
        let (kind, side) = match shape {
            Shape::Income => (LedgerKind::Income, LegSide::In),
            Shape::Returned | Shape::Received => (LedgerKind::TransferIn, LegSide::In),
            Shape::Sent => (LedgerKind::TransferOut, LegSide::Out),
            Shape::LostRoundTrip => (LedgerKind::Fee, LegSide::Out),
            Shape::Nothing | Shape::Exchange => return,
        };
        for change in &tx.net {
            let leg = self.price(&change.asset, change.raw, change.decimals, book).at_market(side);
            let unsolicited = side == LegSide::In
                && !tx.signed
                && !change.asset.is_native()
                && leg.value.is_none();
            let event = page.add(kind, vec![leg]);
            event.unsolicited = unsolicited;
            event.basis_reset = shape == Shape::Returned;
        }
    }

    /// Moves deposits to the pool and back. A refund takes from the pool at most what it holds.
    fn book_rent(
        &mut self,
        tx: &WalletTransaction,
        book: &dyn PriceBook,
        page: &mut Page,
    ) -> Result<(), AmountError> {
        let linked = if tx.rent.is_negative() {
            tx.rent
        } else {
            tx.rent.magnitude().min(self.facts.rent_pool).into_delta()
        };
        let unlinked = tx.rent.checked_sub(linked)?;
        let native = AssetId::native();
        if !linked.is_zero() {
            let leg = self.price(&native, linked, None, book).at_market(LegSide::Rent);
            let link: Arc<str> = format!("{}:rent", tx.tx_id).into();
            let of_pool = linked.opposite();
            // What leaves comes first: a link must be open before it is taken up.
            if linked.is_negative() {
                page.add(LedgerKind::TransferOut, vec![leg]).link = Some(link.clone());
                page.add_to_pool(LedgerKind::TransferIn, of_pool, &self.pool_name, link);
            } else {
                let name = &self.pool_name;
                page.add_to_pool(LedgerKind::TransferOut, of_pool, name, link.clone());
                page.add(LedgerKind::TransferIn, vec![leg]).link = Some(link);
            }
        }
        if !unlinked.is_zero() {
            let leg = self.price(&native, unlinked, None, book).at_market(LegSide::Rent);
            page.add(LedgerKind::TransferIn, vec![leg]);
        }
        Ok(())
    }

    /// Looks up what a movement is worth by itself.
    fn price(
        &mut self,
        asset: &AssetId,
        raw: RawDelta,
        named_decimals: Option<u8>,
        book: &dyn PriceBook,
    ) -> Priced {
        let decimals = self.decimals(asset, named_decimals);
        let facts = self
            .facts
            .assets
            .entry(asset.clone())
            .or_insert_with(|| AssetFacts { decimals, ..AssetFacts::default() });
        facts.decimals = decimals;
        if !asset.is_native() && named_decimals != decimals {
            self.facts.differing_decimals += 1;
        }
        let mut leg = Priced { asset: asset.clone(), raw, decimals, quoted: None };
        let Some(decimals) = decimals else { return leg };
        let quote = self.rules.par(asset, self.ts).or_else(|| book.quote(asset, self.ts));
        let Some(quote) = quote else { return leg };
        self.prices.add(asset, &quote);
        leg.quoted = market_value(&quote, raw, decimals).map(|value| (value, quote));
        self.facts.absurd_values += u64::from(leg.quoted.is_none());
        leg
    }

    /// Decimals of an asset: the chain's for the native coin, else what its first movement names.
    ///
    /// A history with two of them for one asset could not be added up; later differences are
    /// counted in the facts.
    fn decimals(&self, asset: &AssetId, named: Option<u8>) -> Option<u8> {
        if asset.is_native() {
            return Some(self.rules.chain.native_decimals());
        }
        self.facts.assets.get(asset).map_or(named, |facts| facts.decimals)
    }
}

/// The running time of a history.
fn later(ts: i64, block_time: Option<i64>) -> i64 {
    block_time.map_or(ts, |time| time.max(ts))
}
