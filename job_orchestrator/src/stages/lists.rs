//! Reading the lists of a wallet's addresses, page by page.
//!
//! What to ask for is decided in [`super::listing`]; here it is asked, several addresses at a time,
//! and each page is stored before the next one is asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;

use chain_client::{SignatureInfo, SourceError, TransactionSource};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use persistence_layer::StoreError;
use persistence_layer::chain_data::{
    self, AddressScan, ScanProgress, SignaturePage, SignatureRow, StoredSnapshot, Walked,
};
use pnl_core::{Address, Chain};

use super::listing::{Listing, ListingGoal, PageRequest, RowGone};
use crate::attempt::Attempt;
use crate::error::StageError;
use crate::in_flight::{Busy, Claim};

/// Times that a page is asked for anew because somebody else lists the same address.
const LISTING_TRIES: u32 = 5;

/// Lists the addresses as far as the goal needs it, several at a time, one page each. The balances
/// that are not stored yet are stored with the first page, or before it.
pub(crate) async fn list(
    attempt: &Attempt,
    goal: ListingGoal,
    addresses: &[Address],
    balances: Option<StoredSnapshot>,
) -> Result<Lists, StageError> {
    let scans = stored_scans(attempt, addresses).await?;
    let is_open = |address: &&Address| scans.get(address).is_none_or(|scan| !goal.is_met(scan));
    let mut waiting: VecDeque<Address> = addresses.iter().filter(is_open).cloned().collect();
    let mut lists = Lists { nothing: scans.is_empty(), unstored: balances, replaced: None };
    let mut scans = Some(scans);
    while !waiting.is_empty() {
        let busy = list_free(attempt, goal, waiting, scans.take(), &mut lists).await?;
        lists.nothing &= busy.is_empty();
        // Another wallet lists these right now; afterwards little or nothing is left to ask.
        waiting = VecDeque::new();
        for ((_, address), mut listed) in busy {
            while listed.progressed().await {
                // What the other one has brought counts as if it was brought here.
                attempt.note_progress(1);
            }
            waiting.push_back(address);
        }
    }
    lists.put_balances(attempt).await?;
    Ok(lists)
}

/// How far the lists of the addresses are known. The claim has looked for that of the wallet's own; when
/// another task has begun it since, it comes in conflict.
async fn stored_scans(
    attempt: &Attempt,
    addresses: &[Address],
) -> Result<HashMap<Address, AddressScan>, StageError> {
    let is_wallet_alone = addresses == [attempt.wallet().clone()];
    if is_wallet_alone && attempt.is_unlisted.swap(false, Ordering::Relaxed) {
        return Ok(HashMap::new());
    }
    Ok(chain_data::scans(&attempt.store, attempt.chain(), addresses).await?)
}

/// What listing has brought about.
pub(crate) struct Lists {
    /// Nothing at all is listed.
    pub nothing: bool,
    /// The balances that are not stored yet.
    unstored: Option<StoredSnapshot>,
    /// Balances that another task has stored for the same pin in the meantime.
    pub replaced: Option<StoredSnapshot>,
}

impl Lists {
    /// Stores the balances that are not stored yet.
    async fn put_balances(&mut self, attempt: &Attempt) -> Result<(), StageError> {
        if let Some(asked) = self.unstored.take() {
            let stored = chain_data::put_snapshot(&attempt.store, &attempt.lease, &asked).await?;
            self.note_stored(&asked, stored);
        }
        Ok(())
    }

    fn note_stored(&mut self, asked: &StoredSnapshot, stored: StoredSnapshot) {
        if stored != *asked {
            self.replaced = Some(stored);
        }
    }
}

/// Lists those that no other wallet is listing; gives the others.
async fn list_free(
    attempt: &Attempt,
    goal: ListingGoal,
    mut waiting: VecDeque<Address>,
    mut scans: Option<HashMap<Address, AddressScan>>,
    lists: &mut Lists,
) -> Result<Vec<((Chain, Address), Busy)>, StageError> {
    let (store, lease) = (&attempt.store, &attempt.lease);
    let solana = attempt.solana()?;
    let mut busy = Vec::new();
    let mut asking = FuturesUnordered::new();
    loop {
        while asking.len() < attempt.settings.fetch_concurrency as usize {
            let Some(address) = waiting.pop_front() else { break };
            let (claim, taken) = attempt.shared.lists.claim([(attempt.chain(), address.clone())]);
            if !taken.is_empty() {
                busy.extend(taken);
                continue;
            }
            let scan = match scans {
                // Somebody may have listed it since: then a page comes twice, or is in conflict.
                Some(ref mut scans) => scans.remove(&address),
                None => chain_data::scan(store, attempt.chain(), &address).await?,
            };
            let is_new = scan.is_none();
            let listing = begin_listing(attempt, goal, &address, scan).await?;
            let listed = Listed { address, listing, is_new, conflicts: 0, claim };
            asking.extend(ask_for_page(solana, listed));
        }
        let Some((mut listed, request, answer)) = asking.next().await else { return Ok(busy) };
        let page: Vec<SignatureInfo> = match answer {
            Err(SourceError::NotFound { detail }) => {
                listed.begin_again(detail)?;
                asking.extend(ask_for_page(solana, listed));
                continue;
            }
            answer => answer.map_err(StageError::asking)?,
        };
        let progress = listed.listing.take(&page).map_err(|gone| listed.ended_without(&gone))?;
        let rows: Vec<SignatureRow> = page.into_iter().map(signature_row).collect();
        let address = &listed.address;
        lists.nothing &= rows.is_empty();
        if std::mem::take(&mut listed.is_new)
            && let ScanProgress::Finished { covered_slot, .. } = progress
        {
            let (snapshot, slot) = (lists.unstored.as_ref(), covered_slot);
            let stored =
                chain_data::put_whole_list(store, lease, address, &rows, slot, snapshot).await?;
            if let Some(stored) = stored {
                attempt.note_progress(stored.progress);
                if let Some((asked, stored)) = lists.unstored.take().zip(stored.snapshot) {
                    lists.note_stored(&asked, stored);
                }
                continue;
            }
            // Somebody else has listed it meanwhile, and may have found what was not there yet.
            lists.nothing = false;
        }
        lists.put_balances(attempt).await?;
        let page = SignaturePage { rows, goes_on: request.from.is_some() };
        match chain_data::put_signature_page(store, lease, address, &page, &progress).await {
            Ok(stored) => {
                attempt.note_progress(stored);
                if stored > 0 {
                    listed.claim.tell_progress();
                }
            }
            // Another process lists the same address from another newest end: go on with its pass.
            Err(StoreError::Conflict(_)) if listed.conflicts < LISTING_TRIES => {
                listed.conflicts += 1;
                let scan = chain_data::scan(store, attempt.chain(), address).await?;
                listed.listing = begin_listing(attempt, goal, address, scan).await?;
            }
            Err(StoreError::Conflict(_)) => {
                return Err(StageError::Contended { detail: address.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
        asking.extend(ask_for_page(solana, listed));
    }
}

/// An address that is being listed.
struct Listed {
    address: Address,
    listing: Listing,
    /// Nobody has asked for it, as far as is known.
    is_new: bool,
    /// Pages that were in the way of another process.
    conflicts: u32,
    claim: Claim<(Chain, Address)>,
}

impl Listed {
    /// No node knows the place where the list was to go on.
    fn begin_again(&mut self, detail: String) -> Result<(), StageError> {
        let address = &self.address;
        if !self.listing.begin_again() {
            return Err(StageError::ListUnknown { detail: format!("{address}: {detail}") });
        }
        tracing::warn!(%address, detail, "a list is read from its newest end again");
        Ok(())
    }

    fn ended_without(&self, RowGone(row): &RowGone) -> StageError {
        let detail = format!("{}: the list ends without {row}", self.address);
        StageError::ListUnknown { detail }
    }
}

/// The answer to a request for a page.
type Answer = Result<Vec<SignatureInfo>, SourceError>;

/// The request for the next page of a listing as a future, or nothing when the listing is done.
fn ask_for_page(
    solana: &dyn TransactionSource,
    mut listed: Listed,
) -> Option<impl Future<Output = (Listed, PageRequest, Answer)> + '_> {
    let request = listed.listing.next_request()?;
    Some(async move {
        let (from, until) = (request.from.as_ref(), request.until.as_ref());
        let answer = solana.signatures(&listed.address, from, until).await;
        (listed, request, answer)
    })
}

async fn begin_listing(
    attempt: &Attempt,
    goal: ListingGoal,
    address: &Address,
    scan: Option<AddressScan>,
) -> Result<Listing, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let walked = match scan.as_ref().and_then(|scan| scan.pass.as_ref()) {
        // From the newest row down to the place of the pass.
        Some(pass) => {
            chain_data::walked(store, chain, address, goal.pin_slot, &pass.before).await?
        }
        None => Walked::default(),
    };
    let rows = usize::try_from(walked.rows).unwrap_or(usize::MAX);
    Ok(Listing::new(goal, scan, rows, walked.above))
}

fn signature_row(info: SignatureInfo) -> SignatureRow {
    let SignatureInfo { tx_id, slot, block_time, failed } = info;
    SignatureRow { tx_id, slot, block_time, failed }
}
