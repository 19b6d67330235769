//! Who holds what: assets and wallets by index, and the lots of each pair.

use std::sync::Arc;

use alloy_primitives::map::HashMap;
use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::error::Fault;
use super::options::{Options, Scope};
use super::origins::Origins;
use super::outcome::Flows;
use super::records::OpenLot;
use super::rows;
use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::lot::{Lot, LotBook, StoredBook};
use crate::method::Method;

/// Entries of [`Books::seen`]; more than the assets of most wallets.
const SEEN: usize = 2048;

/// What is known about an asset of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AssetEntry {
    /// Its id.
    pub(crate) id: AssetId,
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
    /// Unix seconds at which something first came in of which the basis or an attached fee is unknown.
    pub(crate) unknown_from: Option<i64>,
    /// Base units that came in, all wallets.
    pub(crate) raw_in: RawAmount,
    /// Base units that lots gave out, all wallets.
    pub(crate) raw_out: RawAmount,
    /// Cost of what came in at a known basis.
    pub(crate) cost_in: Usd,
    /// Whether anything was disposed of, earned, or paid as an expense.
    pub(crate) flowed: bool,
    /// Sums of its records; the realized gain is added when they are read ([`Self::flows`]).
    pub(crate) flows: Flows,
    /// The book that was used last: mostly the next one as well.
    #[serde(skip)]
    last_book: Option<(WalletIndex, usize)>,
}

impl AssetEntry {
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
    /// The ids met last, by the address of their text: the events of a history mostly share it, and
    /// then need not be compared.
    seen: Box<[Option<(AssetId, usize)>]>,
    wallets: Vec<Arc<str>>,
    wallet_index: HashMap<Arc<str>, WalletIndex>,
    /// Most events are of the wallet of the event before.
    last_wallet: WalletIndex,
    books: Vec<(WalletIndex, usize, LotBook)>,
    book_index: HashMap<(WalletIndex, usize), usize>,
}

impl Books {
    pub(super) fn new(method: Method, scope: Scope) -> Self {
        Self {
            method,
            scope,
            assets: Vec::new(),
            asset_index: HashMap::default(),
            seen: vec![None; SEEN].into_boxed_slice(),
            wallets: Vec::new(),
            wallet_index: HashMap::default(),
            last_wallet: WalletIndex(0),
            books: Vec::new(),
            book_index: HashMap::default(),
        }
    }

    /// The index of an asset and the decimals it is known with.
    #[inline(always)]
    pub(super) fn asset(&mut self, id: &AssetId, decimals: u8, options: &Options) -> (usize, u8) {
        let seen = &self.seen[id.place_in(SEEN)];
        if let Some((last, index)) = seen
            && last.is_same_text(id)
        {
            return (*index, self.assets[*index].decimals);
        }
        self.find_asset(id, decimals, options)
    }

    /// The same by the text of the id.
    #[inline(never)]
    fn find_asset(&mut self, id: &AssetId, decimals: u8, options: &Options) -> (usize, u8) {
        let seen = &mut self.seen[id.place_in(SEEN)];
        if let Some(&index) = self.asset_index.get(id) {
            *seen = Some((id.clone(), index));
            return (index, self.assets[index].decimals);
        }
        let index = self.assets.len();
        *seen = Some((id.clone(), index));
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
        });
        self.asset_index.insert(id.clone(), index);
        (index, decimals)
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

    /// The names of wallets and assets by index.
    pub(super) fn names(&self) -> (Vec<AssetId>, Vec<Arc<str>>) {
        (self.assets.iter().map(|asset| asset.id.clone()).collect(), self.wallets.clone())
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

    /// The book of one asset in one wallet; with lots pooled over all wallets there is one per asset.
    #[inline(always)]
    pub(super) fn book(&mut self, wallet: WalletIndex, asset: usize) -> &mut LotBook {
        let holder = if self.scope == Scope::Global { WalletIndex(0) } else { wallet };
        if let Some((last, index)) = self.assets[asset].last_book
            && last == holder
        {
            return &mut self.books[index].2;
        }
        let next = self.books.len();
        let index = *self.book_index.entry((holder, asset)).or_insert(next);
        if index == next {
            self.books.push((holder, asset, LotBook::new(self.method)));
        }
        self.assets[asset].last_book = Some((holder, index));
        &mut self.books[index].2
    }

    /// Takes up to `quantity` out of a book, for the caller to say where it goes. What no lot covers
    /// comes back as the second value.
    pub(super) fn take(
        &mut self,
        wallet: WalletIndex,
        asset: usize,
        quantity: RawAmount,
        mut choice: Choice,
    ) -> Result<(Vec<Lot>, RawAmount), Fault> {
        let book = self.book(wallet, asset);
        let mut pieces = Vec::new();
        let mut left = quantity;
        while let Some(piece) = choice.next_lot(book, left)? {
            left = left.checked_sub(piece.quantity)?;
            pieces.push(piece);
        }
        self.count_out(asset, &quantity.checked_sub(left)?)?;
        Ok((pieces, left))
    }

    /// Closes the books: the assets by index, and the open lots by wallet, asset and order of
    /// consumption.
    pub(super) fn close(
        self,
        origins: &Origins,
    ) -> Result<(Vec<AssetEntry>, Vec<OpenLot>), AmountError> {
        let Self { scope, assets, wallets, mut books, .. } = self;
        let nobody = Arc::<str>::from("");
        let name = |wallet: WalletIndex| match scope {
            Scope::Wallet => &wallets[wallet.0 as usize],
            Scope::Global => &nobody,
        };
        books.sort_by(|(wallet_a, asset_a, _), (wallet_b, asset_b, _)| {
            let by_wallet = name(*wallet_a).cmp(name(*wallet_b));
            by_wallet.then_with(|| assets[*asset_a].id.cmp(&assets[*asset_b].id))
        });
        let mut lots = Vec::new();
        for (wallet, asset, book) in books {
            let entry = &assets[asset];
            lots.extend(book.into_lots()?.into_iter().map(|lot| {
                let origin = origins.get(lot.order);
                OpenLot {
                    lot: origin.id.into(),
                    asset: entry.id.clone(),
                    wallet: Arc::clone(name(wallet)),
                    quantity: lot.quantity,
                    decimals: entry.decimals,
                    basis: lot.basis,
                    acquired_ts: origin.ts,
                    asset_index: asset,
                }
            }));
        }
        Ok((assets, lots))
    }

    /// Hands over the events that made the open lots, in any order.
    pub(super) fn for_each_order(&self, mut each: impl FnMut(u32)) {
        self.books.iter().for_each(|(_, _, book)| book.for_each_order(&mut each));
    }

    /// By asset index: quantity and cost of what is held at a known basis, all wallets.
    pub(super) fn known_holdings(&self) -> Result<Vec<(RawAmount, Usd)>, AmountError> {
        let mut holdings = vec![(RawAmount::ZERO, Usd::ZERO); self.assets.len()];
        for (_, asset, book) in &self.books {
            let (quantity, basis) = book.known()?;
            let held = &mut holdings[*asset];
            *held = (held.0.checked_add(quantity)?, held.1.checked_add(basis)?);
        }
        Ok(holdings)
    }

    pub(super) fn assets(&self) -> &[AssetEntry] {
        &self.assets
    }

    /// Gives the events that made the lots other numbers, which keep their order.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> u32 + Copy) {
        self.books.iter_mut().for_each(|(_, _, book)| book.renumber(number));
    }

    /// The books as a value.
    pub(super) fn store(self) -> StoredBooks {
        let book =
            |(wallet, asset, book): &(WalletIndex, usize, LotBook)| (*wallet, *asset, book.store());
        let books = self.books.iter().map(book).collect();
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
    /// The books that were stored.
    pub(super) fn open(self, method: Method, scope: Scope) -> Books {
        let Self { assets, wallets, books } = self;
        let mut opened = Books::new(method, scope);
        opened.asset_index =
            assets.iter().enumerate().map(|(at, asset)| (asset.id.clone(), at)).collect();
        opened.wallet_index =
            wallets.iter().zip(0..).map(|(name, at)| (Arc::clone(name), WalletIndex(at))).collect();
        opened.book_index = books
            .iter()
            .enumerate()
            .map(|(at, (wallet, asset, _))| ((*wallet, *asset), at))
            .collect();
        let open = |(wallet, asset, stored)| (wallet, asset, LotBook::open(method, stored));
        opened.books = books.into_iter().map(open).collect();
        (opened.assets, opened.wallets) = (assets, wallets);
        opened
    }
}
