//! The transactions and addresses of one wallet, as far as they are known.
//!
//! Only ids, slots and indexes are kept in memory; the transactions themselves pass through in
//! chunks. Pure: the rounds are driven by [`super::fetch`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pnl_core::{Address, TxId};

use super::order::Entry;

/// The listed transactions up to the pin.
#[derive(Debug)]
pub struct Catalogue {
    bound: usize,
    facts: HashMap<TxId, Fact>,
}

#[derive(Debug, Clone, Copy)]
struct Fact {
    block: u64,
    read: bool,
    index: Option<u32>,
}

/// Which part of the catalogue belongs to the wallet's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Transactions in older blocks are outside. Those of this very block are needed whole: their
    /// order decides which of them are inside.
    pub oldest_block: u64,
    /// Whether anything is outside.
    pub cut: bool,
}

impl Catalogue {
    /// An empty catalogue whose view is the newest `bound` transactions.
    pub fn new(bound: usize) -> Self {
        Self { bound, facts: HashMap::new() }
    }

    /// Adds a listed transaction.
    pub fn add(&mut self, tx_id: TxId, block: u64) {
        self.facts.entry(tx_id).or_insert(Fact { block, read: false, index: None });
    }

    /// Whether it has the transaction.
    pub fn contains(&self, tx_id: &TxId) -> bool {
        self.facts.contains_key(tx_id)
    }

    /// How many transactions it has.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Notes that a transaction was read, and the index that its node gave.
    pub fn mark_read(&mut self, tx_id: &TxId, index: Option<u32>) {
        if let Some(fact) = self.facts.get_mut(tx_id) {
            fact.read = true;
            fact.index = index;
        }
    }

    /// The block that holds the oldest transaction of the view.
    pub fn view(&self) -> View {
        if self.facts.len() <= self.bound {
            return View { oldest_block: 0, cut: false };
        }
        let mut blocks: Vec<u64> = self.facts.values().map(|fact| fact.block).collect();
        let place = self.bound.saturating_sub(1);
        let (_, oldest, _) = blocks.select_nth_unstable_by(place, |a, b| b.cmp(a));
        View { oldest_block: *oldest, cut: true }
    }

    /// The transactions of the view that were not read yet, newest first.
    pub fn unread(&self) -> Vec<TxId> {
        let view = self.view();
        let mut unread: Vec<(u64, &TxId)> = self
            .facts
            .iter()
            .filter(|(_, fact)| !fact.read && fact.block >= view.oldest_block)
            .map(|(tx_id, fact)| (fact.block, tx_id))
            .collect();
        unread.sort_unstable_by(|a, b| b.cmp(a));
        unread.into_iter().map(|(_, tx_id)| tx_id.clone()).collect()
    }

    /// What is needed to place the transactions of the view, and whether the view is cut.
    pub fn into_entries(self) -> (Vec<Entry>, bool) {
        let view = self.view();
        let entries = self
            .facts
            .into_iter()
            .filter(|(_, fact)| fact.block >= view.oldest_block)
            .map(|(tx_id, fact)| Entry { tx_id, block: fact.block, index: fact.index })
            .collect();
        (entries, view.cut)
    }
}

/// The addresses whose lists make up the wallet's history.
///
/// Accounts come in rounds: those of a round are listed, their transactions read, and what these
/// name makes the next round, until nothing new is named. Which accounts a bound leaves out depends
/// on the data alone, never on timing.
#[derive(Debug)]
pub struct AddressBook {
    /// At most so many token accounts, and so many candidates beside them.
    bound: usize,
    listed: BTreeSet<Address>,
    accounts: usize,
    candidates: usize,
    cut: bool,
    /// Accounts named by transactions, and the newest block in which each was.
    named: BTreeMap<Address, u64>,
    /// Associated accounts that may exist: one per mint seen.
    derived: BTreeMap<Address, u64>,
}

impl AddressBook {
    /// A book without any address.
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            listed: BTreeSet::new(),
            accounts: 0,
            candidates: 0,
            cut: false,
            named: BTreeMap::new(),
            derived: BTreeMap::new(),
        }
    }

    /// The first round: the wallet, and its open token accounts.
    pub fn first_round(
        &mut self,
        wallet: &Address,
        open: impl IntoIterator<Item = Address>,
    ) -> Vec<Address> {
        self.listed.insert(wallet.clone());
        let mut round = vec![wallet.clone()];
        let open: BTreeSet<Address> = open.into_iter().collect();
        for account in open {
            self.admit_account(account, &mut round);
        }
        round
    }

    /// A transaction of `block` names a token account of the wallet.
    pub fn name_account(&mut self, account: Address, block: u64) {
        note_newest(&mut self.named, &self.listed, account, block);
    }

    /// The wallet may have had this account: it is the associated one of a mint that a transaction
    /// of `block` moves.
    pub fn name_candidate(&mut self, account: Address, block: u64) {
        note_newest(&mut self.derived, &self.listed, account, block);
    }

    /// The addresses of the next round, none when the book is complete. Where the bound leaves some
    /// out, those named in the newest blocks stay.
    pub fn next_round(&mut self) -> Vec<Address> {
        let mut round = Vec::new();
        for account in newest_first(std::mem::take(&mut self.named)) {
            self.admit_account(account, &mut round);
        }
        for candidate in newest_first(std::mem::take(&mut self.derived)) {
            if self.listed.contains(&candidate) {
                continue;
            }
            if self.candidates == self.bound {
                self.cut = true;
                continue;
            }
            self.candidates += 1;
            self.listed.insert(candidate.clone());
            round.push(candidate);
        }
        round
    }

    /// Whether accounts were left out.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Every address of the book.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listed.iter()
    }

    fn admit_account(&mut self, account: Address, round: &mut Vec<Address>) {
        if self.listed.contains(&account) {
            return;
        }
        if self.accounts == self.bound {
            self.cut = true;
            return;
        }
        self.accounts += 1;
        self.listed.insert(account.clone());
        round.push(account);
    }
}

fn note_newest(
    named: &mut BTreeMap<Address, u64>,
    listed: &BTreeSet<Address>,
    account: Address,
    block: u64,
) {
    if !listed.contains(&account) {
        let newest = named.entry(account).or_insert(block);
        *newest = block.max(*newest);
    }
}

fn newest_first(named: BTreeMap<Address, u64>) -> Vec<Address> {
    let mut named: Vec<(Address, u64)> = named.into_iter().collect();
    // A stable sort: accounts of one block stay in the order of their addresses.
    named.sort_by_key(|(_, block)| std::cmp::Reverse(*block));
    named.into_iter().map(|(account, _)| account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TxId {
        TxId::new(text)
    }

    fn address(text: &str) -> Address {
        Address::from_chain_data(text)
    }

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| address(text)).collect()
    }

    #[test]
    fn the_view_is_everything_while_the_bound_is_not_passed() {
        let mut catalogue = Catalogue::new(2);
        catalogue.add(id("a"), 5);
        catalogue.add(id("b"), 6);
        catalogue.add(id("a"), 5);
        assert_eq!(catalogue.view(), View { oldest_block: 0, cut: false });
        assert_eq!(catalogue.unread(), [id("b"), id("a")]);
    }

    #[test]
    fn the_block_of_the_oldest_transaction_in_view_is_needed_whole() {
        let mut catalogue = Catalogue::new(2);
        for (tx_id, block) in [("a", 3), ("b", 5), ("c", 5), ("d", 7)] {
            catalogue.add(id(tx_id), block);
        }
        assert_eq!(catalogue.view(), View { oldest_block: 5, cut: true });
        catalogue.mark_read(&id("c"), Some(4));
        assert_eq!(catalogue.unread(), [id("d"), id("b")]);
        let (mut entries, cut) = catalogue.into_entries();
        entries.sort_by(|a, b| a.tx_id.cmp(&b.tx_id));
        let found: Vec<_> = entries.iter().map(|e| (e.tx_id.as_str(), e.index)).collect();
        assert_eq!((found, cut), (vec![("b", None), ("c", Some(4)), ("d", None)], true));
    }

    #[test]
    fn accounts_come_in_rounds_and_each_address_once() {
        let mut book = AddressBook::new(10);
        let first = book.first_round(&address("W"), addresses(&["t2", "t1"]));
        assert_eq!(first, addresses(&["W", "t1", "t2"]));
        book.name_account(address("t1"), 9);
        book.name_account(address("t4"), 5);
        book.name_account(address("t3"), 7);
        book.name_account(address("t4"), 8);
        book.name_candidate(address("c1"), 9);
        book.name_candidate(address("t3"), 9);
        assert_eq!(book.next_round(), addresses(&["t4", "t3", "c1"]));
        assert!(book.next_round().is_empty() && !book.is_cut());
        assert_eq!(book.addresses().count(), 6);
    }

    #[test]
    fn a_bound_keeps_the_accounts_of_the_newest_blocks_and_says_so() {
        let mut book = AddressBook::new(2);
        book.first_round(&address("W"), addresses(&["t1"]));
        book.name_account(address("old"), 3);
        book.name_account(address("new"), 4);
        assert_eq!(book.next_round(), addresses(&["new"]));
        assert!(book.is_cut());
    }

    #[test]
    fn candidates_do_not_take_the_place_of_accounts() {
        let mut book = AddressBook::new(2);
        book.first_round(&address("W"), addresses(&["t1"]));
        for candidate in ["c1", "c2"] {
            book.name_candidate(address(candidate), 3);
        }
        assert_eq!(book.next_round(), addresses(&["c1", "c2"]));
        book.name_account(address("t2"), 4);
        assert_eq!(book.next_round(), addresses(&["t2"]));
        assert!(!book.is_cut());
        book.name_candidate(address("c3"), 3);
        assert!(book.next_round().is_empty() && book.is_cut());
    }
}
