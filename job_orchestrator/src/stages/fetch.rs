//! Balances, signature lists and transactions of one wallet, to a fixpoint.
//!
//! A wallet's history is not only what names the wallet: a token that arrives names the token
//! account alone. So the lists of every token account the wallet ever owned are read too: those it
//! owns now, those that its transactions name, and the associated account of every mint they move.
//! New accounts bring new transactions, which may name new accounts, until nothing new comes.
//!
//! Every page and every commit of transactions is stored with the lease before the next step, so an
//! attempt that ends early loses at most what is in flight. One statement at a time: a wallet never
//! holds more than one connection of the pool here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chain_client::Snapshot;
use chain_client::evm::Wanted;
use futures::StreamExt;
use persistence_layer::chain_data::{self, Listed, ListedView, StoredSnapshot};
use pnl_core::{Address, Chain, Pin, RawTransaction, TxId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tx_parser::solana::{self, TokenProgram};

use super::COMMIT_AFTER;
use super::catalogue::{AddressBook, Catalogue};
use super::listing::ListingGoal;
use super::lists::list;
use super::looks::{self, Looks, Seen};
use super::order::Entry;
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;
use crate::in_flight::{Busy, Claim};
use crate::sources::Source;

/// Transactions read, or fetched and committed, at a time.
const CHUNK: usize = 100;
/// Looks at the balances until the node has reached the pin, and the pause between them.
const SNAPSHOT_TRIES: u32 = 5;
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
/// Balances that took longer are stored at once.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// Longest pause between two looks for what other wallets are fetching.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long the others may bring nothing until it is fetched here too: a doubled call is better
/// than an attempt lost to a call of somebody else that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a history is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cut {
    /// More transactions than asked for, or than the service reads for one wallet.
    Transactions,
    /// More token accounts than the service follows for one wallet.
    TokenAccounts,
}

impl Cut {
    /// The reason as a result names it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Transactions => "max_transactions",
            Self::TokenAccounts => "max_token_accounts",
        }
    }
}

/// What is known of a wallet when everything is stored.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The transactions of its view, and those of the oldest block of the view that the bound will
    /// leave out.
    pub entries: Vec<Entry>,
    /// At most so many of them, the newest, are its view.
    pub bound: usize,
    /// Whose lists were read.
    pub addresses: Vec<Address>,
    /// Whether the balances may have moved on since the pin.
    pub newer_activity: bool,
    /// Why something is missing, if so.
    pub cut: Option<Cut>,
}

/// Reads what is missing and tells what there is.
pub(crate) async fn run(
    attempt: &Attempt,
    pin: Pin,
    balances: Balances,
) -> Result<(Snapshot, Fetched), StageError> {
    let Balances { snapshot, mut unstored } = balances;
    let service_bound = attempt.settings.max_transactions as usize;
    let requested = attempt.analysis.max_transactions.map(|count| count as usize);
    let bound = requested.map_or(service_bound, |count| count.min(service_bound));
    let read_until = snapshot.newest_slot.max(snapshot.slot);
    let goal = ListingGoal { pin_slot: pin.block, node_slot: read_until, bound };
    // Those between pin and balances tell that the balances have moved on. Later ones are not in
    // them, and which of those are known depends on when the lists were read. One more than the bound
    // tells that there are more.
    let view =
        ListedView { max_slot: pin.block, bound: bound.saturating_add(1), newer_until: read_until };

    let mut book = AddressBook::new(attempt.settings.max_token_accounts as usize);
    let mut known = Known::new(attempt.wallet().clone(), bound);
    let mut earlier: Option<HashMap<TxId, Seen>> = None;
    let mut newer_activity = false;
    let open = snapshot.token_accounts.iter().map(|account| account.address.clone());
    let mut round = book.first_round(attempt.wallet(), open);
    while !round.is_empty() {
        let lists = list(attempt, goal, &round, unstored.take()).await?;
        if let Some(stored) = lists.replaced {
            // Another batch with the same pin was first. Equal requests have equal results.
            let balances = Balances { snapshot: read_snapshot(stored)?, unstored: None };
            return Box::pin(run(attempt, pin, balances)).await;
        }
        if !lists.nothing {
            let listed = listed(attempt, view, &round, &known.catalogue).await?;
            newer_activity |= listed.newer;
            for (tx_id, slot) in listed.slots {
                known.catalogue.add(tx_id, slot);
            }
        }
        known.looks.expect(known.catalogue.len());
        let seen = match &mut earlier {
            Some(seen) => seen,
            None => earlier.insert(looks::earlier(attempt).await?),
        };
        for tx_id in known.catalogue.unread() {
            if let Some(seen) = seen.remove(&tx_id) {
                known.note(seen, &mut book);
            }
        }
        read(attempt, &mut known, &mut book).await?;
        round = book.next_round();
    }

    let addresses = book.addresses().cloned().collect();
    let (entries, view_is_cut) = known.catalogue.into_entries();
    let cut = if view_is_cut {
        Some(Cut::Transactions)
    } else {
        book.is_cut().then_some(Cut::TokenAccounts)
    };
    let fetched = Fetched { entries, bound, addresses, newer_activity, cut };
    Ok((snapshot, fetched))
}

/// What the lists of the addresses have, when there is room for it.
async fn listed(
    attempt: &Attempt,
    view: ListedView,
    addresses: &[Address],
    known: &Catalogue,
) -> Result<Listed, StageError> {
    let _turn = attempt.shared.room.read().await;
    let has_room = |slots: &HashMap<TxId, u64>| {
        let new = slots.keys().filter(|id| !known.contains(id)).count();
        attempt.take_room(known.len() + new).is_ok()
    };
    let (store, chain) = (&attempt.store, attempt.chain());
    let listed = chain_data::listed(store, chain, addresses, view, has_room).await?;
    listed.ok_or(StageError::NoRoom)
}

/// What a wallet holds, and the form in which that is still to be stored.
#[derive(Debug)]
pub(crate) struct Balances {
    /// What it holds.
    pub snapshot: Snapshot,
    unstored: Option<StoredSnapshot>,
}

/// The wallet's balances, asked for once per wallet and pin: [`run`] stores them with the first list,
/// unless it took long to get them.
pub(crate) async fn balances(attempt: &Attempt, pin: Pin) -> Result<Balances, StageError> {
    let (store, wallet) = (&attempt.store, &attempt.lease.wallet);
    if !attempt.is_first()
        && let Some(stored) = chain_data::snapshot(store, wallet, pin.block).await?
    {
        return Ok(Balances { snapshot: read_snapshot(stored)?, unstored: None });
    }
    let begun = Instant::now();
    let mut tries = 1;
    let snapshot = loop {
        let snapshot =
            attempt.solana()?.snapshot(&wallet.address).await.map_err(StageError::asking)?;
        if snapshot.slot >= pin.block {
            break snapshot;
        }
        if tries == SNAPSHOT_TRIES {
            let detail = format!(
                "the node answers for slot {}, which is before the pin {}",
                snapshot.slot, pin.block
            );
            return Err(StageError::Transient { detail });
        }
        tries += 1;
        tokio::time::sleep(SNAPSHOT_PAUSE).await;
    };
    let balances = serde_json::to_value(&snapshot)
        .map_err(|error| StageError::Storage { detail: error.to_string() })?;
    let asked = StoredSnapshot { pin_slot: pin.block, node_slot: snapshot.slot, balances };
    if begun.elapsed() < LONG_WAIT {
        return Ok(Balances { snapshot, unstored: Some(asked) });
    }
    // Calls wait for each other that long: an attempt that comes no further has got so far.
    let stored = chain_data::put_snapshot(store, &attempt.lease, &asked).await?;
    attempt.note_progress(1);
    Ok(Balances { snapshot: read_snapshot(stored)?, unstored: None })
}

fn read_snapshot(stored: StoredSnapshot) -> Result<Snapshot, StageError> {
    serde_json::from_value(stored.balances)
        .map_err(|error| StageError::Storage { detail: format!("stored balances: {error}") })
}

/// What the rounds have brought so far.
struct Known {
    wallet: Address,
    catalogue: Catalogue,
    /// The associated account of each mint seen. Deriving one takes a search on the curve.
    associated: BTreeMap<(Address, TokenProgram), Option<Address>>,
    looks: Looks,
}

impl Known {
    /// Nothing yet, of a wallet whose view is its newest `bound` transactions.
    fn new(wallet: Address, bound: usize) -> Self {
        let (catalogue, looks) = (Catalogue::new(bound), Looks::new());
        Self { wallet, catalogue, associated: BTreeMap::new(), looks }
    }

    /// Takes a new look down for later attempts, and notes it.
    fn note_new(&mut self, seen: Seen, book: &mut AddressBook) {
        self.looks.note(&seen);
        self.note(seen, book);
    }

    fn note(&mut self, seen: Seen, book: &mut AddressBook) {
        self.catalogue.mark_read(&seen.tx_id, seen.index);
        for account in seen.accounts {
            book.name_account(account, seen.block);
        }
        for mint in seen.mints {
            let wallet = &self.wallet;
            let account = self.associated.entry(mint).or_insert_with_key(|(mint, program)| {
                solana::associated_token_account(wallet, mint, *program)
            });
            if let Some(account) = account {
                book.name_candidate(account.clone(), seen.block);
            }
        }
    }
}

/// Reads every transaction of the view that was not read yet, from the store where it is there,
/// else from the chain, and notes what it names.
async fn read(
    attempt: &Attempt,
    known: &mut Known,
    book: &mut AddressBook,
) -> Result<(), StageError> {
    let unread = known.catalogue.unread();
    let mut busy = read_free(attempt, &unread, known, book).await?;
    // Other wallets fetch these right now; afterwards they are stored.
    let (mut unclaimed, _) = attempt.shared.transactions.claim([]);
    let mut quiet_since = Instant::now();
    while let Some((_, first)) = busy.first_mut() {
        // What comes first: it is over, or the time to look for the others.
        let _ = tokio::time::timeout(LOOK_AGAIN_AFTER, first.over()).await;
        let mut absent: Vec<TxId> = Vec::new();
        let waited: Vec<TxId> = busy.into_iter().map(|((_, id), _)| id).collect();
        for ids in waited.chunks(CHUNK) {
            absent.extend(read_stored(attempt, ids, &mut unclaimed, known, book).await?);
        }
        if absent.len() < waited.len() {
            // What the others have brought counts as if it was brought here.
            attempt.note_progress(1);
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= PATIENCE {
            let few = absent.len().min(attempt.settings.fetch_concurrency as usize);
            let overdue = absent.drain(..few).collect();
            fetch(attempt, overdue, &mut unclaimed, known, book).await?;
        }
        busy = read_free(attempt, &absent, known, book).await?;
    }
    known.looks.store_all(attempt).await
}

/// A transaction that another wallet of this process is fetching.
type BusyTransaction = ((Chain, TxId), Busy);

/// Reads those of the transactions that no other wallet of this process is fetching; gives the
/// others.
async fn read_free(
    attempt: &Attempt,
    ids: &[TxId],
    known: &mut Known,
    book: &mut AddressBook,
) -> Result<Vec<BusyTransaction>, StageError> {
    let mut busy = Vec::new();
    for ids in ids.chunks(CHUNK) {
        let keys = ids.iter().map(|id| (attempt.chain(), id.clone()));
        let (mut claim, taken) = attempt.shared.transactions.claim(keys);
        busy.extend(taken);
        let ids: Vec<TxId> = claim.keys().iter().map(|(_, id)| id.clone()).collect();
        let missing = read_stored(attempt, &ids, &mut claim, known, book).await?;
        fetch(attempt, missing, &mut claim, known, book).await?;
    }
    Ok(busy)
}

/// Reads what is stored of the transactions; gives the others.
async fn read_stored(
    attempt: &Attempt,
    ids: &[TxId],
    claim: &mut Claim<(Chain, TxId)>,
    known: &mut Known,
    book: &mut AddressBook,
) -> Result<Vec<TxId>, StageError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (store, chain) = (&attempt.store, attempt.chain());
    let missing = chain_data::missing_transactions(store, chain, ids).await?;
    let absent: HashSet<&TxId> = missing.iter().collect();
    let present: Vec<TxId> = ids.iter().filter(|id| !absent.contains(id)).cloned().collect();
    if !present.is_empty() {
        release(claim, chain, &present);
        let stored = chain_data::transactions(store, chain, &present).await?;
        let looked = look_into(&known.wallet, stored).await?;
        for (_, seen) in looked.readable {
            known.note_new(seen, book);
        }
        known.looks.store(attempt).await?;
        if let Some(error) = looked.unreadable {
            return Err(error);
        }
    }
    Ok(missing)
}

/// Lets the other wallets read what is stored.
fn release<'a>(
    claim: &mut Claim<(Chain, TxId)>,
    chain: Chain,
    stored: impl IntoIterator<Item = &'a TxId>,
) {
    let keys: Vec<(Chain, TxId)> = stored.into_iter().map(|id| (chain, id.clone())).collect();
    claim.release(&keys);
}

/// Fetches transactions, several at a time, and stores them.
async fn fetch(
    attempt: &Attempt,
    missing: Vec<TxId>,
    claim: &mut Claim<(Chain, TxId)>,
    known: &mut Known,
    book: &mut AddressBook,
) -> Result<(), StageError> {
    let concurrency = attempt.settings.fetch_concurrency as usize;
    let solana = attempt.solana()?;
    let asks = missing.into_iter().map(|id| async move {
        let answer = solana.transaction(&id).await;
        (id, answer)
    });
    let mut answers = std::pin::pin!(futures::stream::iter(asks).buffer_unordered(concurrency));
    let mut buffer: Vec<RawTransaction> = Vec::new();
    let mut commit_at: Option<Instant> = None;
    loop {
        let next = match commit_at {
            Some(at) => tokio::time::timeout_at(at, answers.next()).await.ok(),
            None => Some(answers.next().await),
        };
        let failure = match next {
            Some(Some((_, Ok(transaction)))) => {
                buffer.push(transaction);
                commit_at.get_or_insert_with(|| Instant::now() + COMMIT_AFTER);
                continue;
            }
            Some(Some((id, Err(error)))) => Some(StageError::asking_for_transaction(&id, error)),
            Some(None) if buffer.is_empty() => return Ok(()),
            // The end of the answers, or the time of a commit.
            Some(None) | None => None,
        };
        commit_at = None;
        // What was answered before a failure is kept.
        commit(attempt, std::mem::take(&mut buffer), claim, known, book).await?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
}

/// Stores fetched transactions after a look into each: what cannot be read is an answer to ask
/// again for, not a transaction to keep.
async fn commit(
    attempt: &Attempt,
    transactions: Vec<RawTransaction>,
    claim: &mut Claim<(Chain, TxId)>,
    known: &mut Known,
    book: &mut AddressBook,
) -> Result<(), StageError> {
    if transactions.is_empty() {
        return Ok(());
    }
    let looked = look_into(&known.wallet, transactions).await?;
    let (raw, seen): (Vec<RawTransaction>, Vec<Seen>) = looked.readable.into_iter().unzip();
    let stored = chain_data::put_transactions(&attempt.store, &attempt.lease, &raw).await?;
    attempt.note_progress(stored);
    release(claim, attempt.chain(), raw.iter().map(|raw| &raw.tx_id));
    for seen in seen {
        known.note_new(seen, book);
    }
    known.looks.store(attempt).await?;
    looked.unreadable.map_or(Ok(()), Err)
}

/// The transactions in the given order, from the store. Those that are not there any more, because
/// they are kept for a limited time only, are fetched again as they were the first time.
pub(crate) async fn stored_again(
    attempt: &Attempt,
    ids: &[TxId],
) -> Result<Vec<RawTransaction>, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let stored = chain_data::transactions(store, chain, ids).await?;
    if stored.len() == ids.len() {
        return Ok(stored);
    }
    let present: HashSet<TxId> = stored.into_iter().map(|raw| raw.tx_id).collect();
    let missing = ids.iter().filter(|id| !present.contains(id));
    if let Source::Evm(source, _) = &attempt.source {
        // Which of them need traces is not known any more: all that may have some get them.
        let want = |tx_id: &TxId| Wanted { tx_id: tx_id.clone(), block: 0, traced: true };
        let wanted: Vec<Wanted> = missing.map(want).collect();
        super::evm::fetch::fetch(attempt, source.as_ref(), &wanted).await?;
        return again(attempt, ids).await;
    }
    let mut gone = Known::new(attempt.wallet().clone(), ids.len());
    for id in missing {
        // All of them are wanted, whatever their blocks.
        gone.catalogue.add(id.clone(), 0);
    }
    // Which accounts they name is known since they were read first.
    read(attempt, &mut gone, &mut AddressBook::new(0)).await?;
    again(attempt, ids).await
}

/// The transactions, all of which were stored just now.
async fn again(attempt: &Attempt, ids: &[TxId]) -> Result<Vec<RawTransaction>, StageError> {
    let stored = chain_data::transactions(&attempt.store, attempt.chain(), ids).await?;
    if stored.len() < ids.len() {
        let detail = "transactions were removed while they were read".to_owned();
        return Err(StageError::Storage { detail });
    }
    Ok(stored)
}

/// Transactions after a look into them.
struct Looked {
    readable: Vec<(RawTransaction, Seen)>,
    /// The first one that could not be read.
    unreadable: Option<StageError>,
}

async fn look_into(
    wallet: &Address,
    transactions: Vec<RawTransaction>,
) -> Result<Looked, StageError> {
    let wallet = wallet.clone();
    compute(move || {
        let mut looked = Looked { readable: Vec::new(), unreadable: None };
        for raw in transactions {
            match see(&raw, &wallet) {
                Ok(seen) => looked.readable.push((raw, seen)),
                Err(error) => looked.unreadable = looked.unreadable.or(Some(error)),
            }
        }
        Ok(looked)
    })
    .await
}

fn see(raw: &RawTransaction, wallet: &Address) -> Result<Seen, StageError> {
    let unreadable = |error| StageError::unreadable(&raw.tx_id, &error);
    let transaction = solana::Transaction::decode(&raw.json).map_err(unreadable)?;
    let named = transaction.discover(wallet).map_err(unreadable)?;
    Ok(Seen {
        tx_id: raw.tx_id.clone(),
        block: raw.block,
        index: transaction.index(),
        accounts: named.token_accounts.into_iter().collect(),
        mints: named.mints.into_iter().collect(),
    })
}
