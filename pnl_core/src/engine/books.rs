//! Who holds what: assets and wallets by index, and the lots of each pair.

use std::sync::Arc;

use alloy_primitives::map::HashMap;
use serde::{Deserialize, Serialize};

use super::apply::Holder;
use super::choice::Choice;
use super::error::Fault;
use super::open_lots::ClosedBook;
use super::options::{Options, Scope};
use super::outcome::Flows;
use super::rows;
use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::holding::Held;
use crate::lot::{Lot, LotBook, StoredBook};
use crate::method::Method;
use crate::near::{self, Way};

/// Places of [`Books::seen`] at the beginning, a power of two.
const FEW_PLACES: usize = 2048;
/// There are at least so many places for an asset, so that few share one.
const PLACES_PER_ASSET: usize = 8;

/// What is known about an asset of the history.
///
/// With many assets its memory is far away at each event. So what an event touches stands together: names
/// and book in the first line of a cache, what comes in in the second, what leaves in the third and fourth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub(crate) struct AssetEntry {
    /// Its id.
    pub(crate) id: AssetId,
    /// The id once more, in the text that the events share when it is not that of `id`.
    #[serde(skip)]
    alias: Option<AssetId>,
    /// The book that was used last: mostly the next one as well.
    #[serde(skip)]
    last_book: Option<(WalletIndex, u32)>,
    /// Its decimals, the same in every event.
    pub(crate) decimals: u8,
    /// Others are paid with it (`quote_assets`).
    pub(crate) is_quote: bool,
    /// Not tracked as lots (`cash_assets`).
    pub(crate) is_cash: bool,
    /// Whether anything came in or went out.
    pub(crate) moved: bool,
    /// Whether anything came in at a known basis.
    pub(crate) priced: bool,
    /// Whether anything was disposed of, earned, or paid as an expense.
    pub(crate) flowed: bool,
    /// Base units that came in, all wallets.
    pub(crate) raw_in: RawAmount,
    /// Cost of what came in at a known basis.
    pub(crate) cost_in: Usd,
    /// Base units that lots gave out, all wallets.
    pub(crate) raw_out: RawAmount,
    /// Sums of its records; the realized gain is added when they are read ([`Self::flows`]).
    pub(crate) flows: Flows,
    /// Unix seconds at which something first came in of which the basis or an attached fee is unknown.
    pub(crate) unknown_from: Option<i64>,
}

impl AssetEntry {
    /// Whether an id shares its text with one of those met here.
    #[inline(always)]
    fn is_met_as(&self, id: &AssetId) -> bool {
        self.id.is_same_text(id) || self.alias.as_ref().is_some_and(|alias| alias.is_same_text(id))
    }

    /// Sums of its records.
    pub(super) fn flows(&self, unmatched_gains: bool) -> Result<Flows, AmountError> {
        self.flows.with_gain(unmatched_gains)
    }
}

/// The index of a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct WalletIndex(pub(super) u32);

/// All books of a history.
#[derive(Debug, Clone)]
pub(super) struct Books {
    method: Method,
    scope: Scope,
    assets: Vec<AssetEntry>,
    asset_index: HashMap<AssetId, usize>,
    /// Indexes of the assets met last, by the address of their text: the events of a history mostly share
    /// it, and then need not be compared.
    seen: Vec<u32>,
    wallets: Vec<Arc<str>>,
    wallet_index: HashMap<Arc<str>, WalletIndex>,
    /// Most events are of the wallet of the event before.
    last_wallet: WalletIndex,
    books: Vec<LotBook>,
    /// Wallet and asset of each book.
    holders: Vec<(WalletIndex, usize)>,
    book_index: HashMap<(WalletIndex, usize), u32>,
    /// The names of assets and wallets as they were last given out.
    names: Names,
}

/// Names of assets and of wallets by index.
type Names = (Arc<[AssetId]>, Arc<[Arc<str>]>);

impl Books {
    pub(super) fn new(method: Method, scope: Scope) -> Self {
        Self {
            method,
            scope,
            assets: Vec::new(),
            asset_index: HashMap::default(),
            seen: vec![rows::NONE; FEW_PLACES],
            wallets: Vec::new(),
            wallet_index: HashMap::default(),
            last_wallet: WalletIndex(0),
            books: Vec::new(),
            holders: Vec::new(),
            book_index: HashMap::default(),
            names: Names::default(),
        }
    }

    /// The index of an asset and the decimals it is known with.
    #[inline(always)]
    pub(super) fn asset(&mut self, id: &AssetId, decimals: u8, options: &Options) -> (usize, u8) {
        let index = self.seen_at(id);
        match self.assets.get(index) {
            Some(asset) if asset.is_met_as(id) => (index, asset.decimals),
            _ => self.find_asset(id, decimals, options),
        }
    }

    /// Has the lines of a cache brought near that an event may touch of an asset.
    #[inline(always)]
    pub(super) fn fetch_asset(&self, id: &AssetId, way: Way) {
        let Some(asset) = self.assets.get(self.seen_at(id)) else { return };
        near::fetch(&asset.id);
        match way {
            Way::In => near::fetch(&asset.cost_in),
            Way::Out => {
                near::fetch(&asset.flows.proceeds);
                near::fetch(&asset.flows.basis_disposed);
            }
        }
    }

    /// The same of its book.
    #[inline(always)]
    pub(super) fn fetch_book(&self, id: &AssetId) {
        if let Some(book) = self.last_book(id) {
            near::fetch(book);
        }
    }

    /// The same of its lots.
    #[inline(always)]
    pub(super) fn fetch_lots(&self, id: &AssetId, way: Way) {
        if let Some(book) = self.last_book(id) {
            book.fetch_lots(way);
        }
    }

    #[inline(always)]
    fn last_book(&self, id: &AssetId) -> Option<&LotBook> {
        let asset = self.assets.get(self.seen_at(id))?;
        self.books.get(asset.last_book?.1 as usize)
    }

    #[inline(always)]
    fn seen_at(&self, id: &AssetId) -> usize {
        self.seen[id.place_in(self.seen.len())] as usize
    }

    /// The same by the text of the id.
    #[inline(never)]
    fn find_asset(&mut self, id: &AssetId, decimals: u8, options: &Options) -> (usize, u8) {
        let index = match self.asset_index.get(id) {
            Some(&index) => index,
            None => self.add_asset(id, decimals, options),
        };
        let asset = &mut self.assets[index];
        if !asset.is_met_as(id) {
            asset.alias = Some(id.clone());
        }
        let decimals = asset.decimals;
        let place = id.place_in(self.seen.len());
        self.seen[place] = index as u32;
        (index, decimals)
    }

    fn add_asset(&mut self, id: &AssetId, decimals: u8, options: &Options) -> usize {
        let index = self.assets.len();
        self.assets.push(AssetEntry {
            id: id.clone(),
            decimals,
            is_quote: options.quote_assets.contains(id),
            is_cash: options.cash_assets.contains(id),
            moved: false,
            priced: false,
            unknown_from: None,
            raw_in: RawAmount::ZERO,
            raw_out: RawAmount::ZERO,
            cost_in: Usd::ZERO,
            flowed: false,
            flows: Flows::default(),
            last_book: None,
            alias: None,
        });
        self.asset_index.insert(id.clone(), index);
        self.make_places();
        index
    }

    /// Sees to it that there are enough places for the assets; who is met again finds one again.
    fn make_places(&mut self) {
        let places = (PLACES_PER_ASSET * self.assets.len()).next_power_of_two();
        if places > self.seen.len() {
            self.seen = vec![rows::NONE; places];
        }
    }

    /// The index of a wallet.
    #[inline(always)]
    pub(super) fn wallet(&mut self, name: &Arc<str>) -> Result<WalletIndex, Fault> {
        let last = self.wallets.get(self.last_wallet.0 as usize);
        if last.is_some_and(|last| Arc::ptr_eq(last, name)) {
            return Ok(self.last_wallet);
        }
        self.find_wallet(name)
    }

    /// The same by the text of the name.
    #[inline(never)]
    fn find_wallet(&mut self, name: &Arc<str>) -> Result<WalletIndex, Fault> {
        self.last_wallet = match self.wallet_index.get(name) {
            Some(index) => {
                // The events to come mostly share the text of this one, and then need not be compared.
                self.wallets[index.0 as usize] = Arc::clone(name);
                *index
            }
            None => {
                let index = WalletIndex(rows::index(self.wallets.len())?);
                self.wallets.push(Arc::clone(name));
                self.wallet_index.insert(Arc::clone(name), index);
                index
            }
        };
        Ok(self.last_wallet)
    }

    /// The names of assets and wallets by index.
    pub(super) fn names(&mut self) -> Names {
        // Both only grow.
        if self.names.0.len() < self.assets.len() {
            self.names.0 = self.assets.iter().map(|asset| asset.id.clone()).collect();
        }
        if self.names.1.len() < self.wallets.len() {
            self.names.1 = self.wallets.iter().cloned().collect();
        }
        self.names.clone()
    }

    #[inline(always)]
    pub(super) fn entry_mut(&mut self, asset: usize) -> &mut AssetEntry {
        &mut self.assets[asset]
    }

    #[inline(always)]
    pub(super) fn entry(&self, asset: usize) -> &AssetEntry {
        &self.assets[asset]
    }

    /// Counts base units that come in, with their cost where it is known and new to the history (a
    /// lot that moves between own wallets is not).
    #[inline(always)]
    pub(super) fn count_in(
        &mut self,
        asset: usize,
        quantity: &RawAmount,
        cost: Option<&Usd>,
    ) -> Result<(), AmountError> {
        let entry = &mut self.assets[asset];
        entry.moved = true;
        entry.raw_in = entry.raw_in.checked_add(*quantity)?;
        if let Some(cost) = cost {
            entry.priced = true;
            entry.cost_in = entry.cost_in.checked_add(*cost)?;
        }
        Ok(())
    }

    /// Counts base units that lots gave out.
    #[inline(always)]
    pub(super) fn count_out(
        &mut self,
        asset: usize,
        quantity: &RawAmount,
    ) -> Result<(), AmountError> {
        let entry = &mut self.assets[asset];
        entry.moved = true;
        entry.raw_out = entry.raw_out.checked_add(*quantity)?;
        Ok(())
    }

    /// The number of the book of one asset in one wallet; with lots pooled over all wallets there is one per
    /// asset.
    #[inline(always)]
    pub(super) fn number_of(&mut self, wallet: WalletIndex, asset: usize) -> u32 {
        let holder = if self.scope == Scope::Global { WalletIndex(0) } else { wallet };
        match self.assets[asset].last_book {
            Some((last, book)) if last == holder => book,
            _ => self.find_book(holder, asset),
        }
    }

    /// The book of a number.
    #[inline(always)]
    pub(super) fn book(&mut self, number: u32) -> &mut LotBook {
        &mut self.books[number as usize]
    }

    #[inline(never)]
    fn find_book(&mut self, holder: WalletIndex, asset: usize) -> u32 {
        // A book takes at least one event, of which there are fewer than 2^32.
        let next = self.books.len() as u32;
        let book = *self.book_index.entry((holder, asset)).or_insert(next);
        if book == next {
            self.books.push(LotBook::new(self.method));
            self.holders.push((holder, asset));
        }
        self.assets[asset].last_book = Some((holder, book));
        book
    }

    /// Takes up to `quantity` out of a book, for the caller to say where it goes. What no lot covers
    /// comes back as the second value.
    pub(super) fn take(
        &mut self,
        holder: Holder,
        quantity: RawAmount,
        mut choice: Choice,
    ) -> Result<(Vec<Lot>, RawAmount), Fault> {
        let book = self.book(holder.book);
        let mut pieces = Vec::new();
        let mut left = quantity;
        while let Some(piece) = choice.next_lot(book, left)? {
            left = left.checked_sub(piece.quantity)?;
            pieces.push(piece);
        }
        self.count_out(holder.asset as usize, &quantity.checked_sub(left)?)?;
        Ok((pieces, left))
    }

    /// Closes the books: the assets by index, and the books by wallet and asset.
    pub(super) fn close(self) -> Result<(Vec<AssetEntry>, Vec<ClosedBook>), AmountError> {
        let Self { scope, mut assets, wallets, books, holders, .. } = self;
        // How they were found is not what is known of them.
        for asset in &mut assets {
            (asset.alias, asset.last_book) = (None, None);
        }
        let mut closed = Vec::with_capacity(books.len());
        for ((wallet, asset), book) in holders.into_iter().zip(books) {
            let wallet = match scope {
                Scope::Wallet => Some(wallet.0 as usize),
                Scope::Global => None,
            };
            closed.push(ClosedBook { wallet, asset, lots: book.into_lots()? });
        }
        closed.sort_by(|a: &ClosedBook, b| {
            let [wallet_a, wallet_b] = [a, b].map(|book| book.wallet.map(|at| &wallets[at]));
            wallet_a.cmp(&wallet_b).then_with(|| assets[a.asset].id.cmp(&assets[b.asset].id))
        });
        Ok((assets, closed))
    }

    /// Hands over the events that made the open lots, in any order.
    pub(super) fn for_each_order(&self, mut each: impl FnMut(u32)) {
        self.books.iter().for_each(|book| book.for_each_order(&mut each));
    }

    /// By asset index: what is held, all wallets.
    pub(super) fn holdings(&self) -> Result<Vec<Held>, AmountError> {
        let mut holdings = vec![Held::default(); self.assets.len()];
        for ((_, asset), book) in self.holders.iter().zip(&self.books) {
            holdings[*asset].add_held(&book.held()?)?;
        }
        Ok(holdings)
    }

    /// Gets to know what books of the same history know besides their lots.
    pub(super) fn follow(&mut self, first: &Self, options: &Options) {
        for asset in &first.assets[self.assets.len()..] {
            self.add_asset(&asset.id, asset.decimals, options);
        }
        for wallet in &first.wallets[self.wallets.len()..] {
            self.wallet_index.insert(Arc::clone(wallet), WalletIndex(self.wallets.len() as u32));
            self.wallets.push(Arc::clone(wallet));
        }
        for holder in &first.holders[self.holders.len()..] {
            self.book_index.insert(*holder, self.books.len() as u32);
            self.books.push(LotBook::new(self.method));
            self.holders.push(*holder);
        }
    }

    /// The assets by index, without the lots.
    pub(super) fn assets(&self) -> &[AssetEntry] {
        &self.assets
    }

    /// Gives the events that made the lots other numbers, which keep their order.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> u32 + Copy) {
        self.books.iter_mut().for_each(|book| book.renumber(number));
    }

    /// The books as a value.
    pub(super) fn store(self) -> StoredBooks {
        let held = self.holders.iter().zip(&self.books);
        let books = held.map(|((wallet, asset), book)| (*wallet, *asset, book.store())).collect();
        StoredBooks { assets: self.assets, wallets: self.wallets, books }
    }
}

/// Books as a value.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBooks {
    assets: Vec<AssetEntry>,
    wallets: Vec<Arc<str>>,
    books: Vec<(WalletIndex, usize, StoredBook)>,
}

impl StoredBooks {
    /// How many assets there are.
    pub(super) fn assets(&self) -> usize {
        self.assets.len()
    }

    /// Whether every book is of an asset and a wallet that are here, with lots that one of so many events made.
    pub(super) fn is_sound(&self, method: Method, events: usize) -> bool {
        let wallets = self.wallets.len();
        self.books.iter().all(|(wallet, asset, book)| {
            (wallet.0 as usize) < wallets
                && *asset < self.assets.len()
                && book.is_sound(method, events)
        })
    }

    /// The books that were stored.
    pub(super) fn open(self, method: Method, scope: Scope) -> Books {
        let Self { assets, wallets, books } = self;
        let mut opened = Books::new(method, scope);
        opened.asset_index =
            assets.iter().enumerate().map(|(at, asset)| (asset.id.clone(), at)).collect();
        opened.wallet_index =
            wallets.iter().zip(0..).map(|(name, at)| (Arc::clone(name), WalletIndex(at))).collect();
        for ((wallet, asset, stored), number) in books.into_iter().zip(0..) {
            opened.book_index.insert((wallet, asset), number);
            opened.holders.push((wallet, asset));
            opened.books.push(LotBook::open(method, stored));
        }
        (opened.assets, opened.wallets) = (assets, wallets);
        opened.make_places();
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_touches_of_an_asset_begins_a_line_of_a_cache_each() {
        assert_eq!(align_of::<AssetEntry>(), 64);
        let comes_in = std::mem::offset_of!(AssetEntry, raw_in);
        let leaves = std::mem::offset_of!(AssetEntry, raw_out);
        assert_eq!((comes_in, leaves), (64, 128));
        let flows = std::mem::offset_of!(AssetEntry, flows);
        let last = flows + std::mem::offset_of!(Flows, basis_disposed) + size_of::<Usd>();
        assert!(last <= 256, "{last}");
    }

    #[test]
    fn an_asset_is_the_same_by_whatever_text_it_comes() {
        let options = Options::default();
        let mut books = Books::new(Method::Fifo, Scope::Wallet);
        let names = || (0..5_000).map(|number| AssetId::new(&format!("asset {number}")));
        let [first, second, third] = [(); 3].map(|()| names().collect::<Vec<_>>());
        for (number, id) in first.iter().enumerate() {
            assert_eq!(books.asset(id, 6, &options), (number, 6));
        }
        // By two texts in turn, and by one that is met for the first time.
        for ids in [&second, &first, &second, &third, &first] {
            for (number, id) in ids.iter().enumerate() {
                assert_eq!(books.asset(id, 9, &options), (number, 6));
            }
        }
        assert_eq!(books.assets().len(), 5_000);
    }

    #[test]
    fn names_are_given_out_again_until_there_are_more() {
        let options = Options::default();
        let mut books = Books::new(Method::Fifo, Scope::Wallet);
        books.asset(&AssetId::new("A"), 6, &options);
        assert!(books.wallet(&"w".into()).is_ok());
        let (assets, wallets) = books.names();
        assert_eq!((&*assets, &*wallets), (&[AssetId::new("A")][..], &["w".into()][..]));
        assert!(Arc::ptr_eq(&assets, &books.names().0));
        books.asset(&AssetId::new("B"), 6, &options);
        assert_eq!(books.names().0.len(), 2);
        assert_eq!(assets.len(), 1);
    }
}
