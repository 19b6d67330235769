//! Reading the lists of a wallet's addresses, page by page.
//!
//! What to ask for is decided in [`super::listing`]; here it is asked, several addresses at a time,
//! and each page is stored before the next one is asked for.

use std::collections::VecDeque;

use chain_client::{SignatureInfo, SourceError};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use persistence_layer::StoreError;
use persistence_layer::chain_data::{self, SignatureRow};
use pnl_core::{Address, Chain};

use super::listing::{Listing, ListingGoal};
use crate::attempt::Attempt;
use crate::error::StageError;
use crate::in_flight::{Busy, Claim};

/// Times that a page is asked for anew because somebody else lists the same address.
const LISTING_TRIES: u32 = 5;

/// Lists the addresses as far as the goal needs it, several at a time, one page each.
pub(crate) async fn list(
    attempt: &Attempt,
    goal: ListingGoal,
    addresses: &[Address],
) -> Result<(), StageError> {
    let mut waiting: VecDeque<Address> = addresses.iter().cloned().collect();
    while !waiting.is_empty() {
        let busy = list_free(attempt, goal, waiting).await?;
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
    Ok(())
}

/// Lists those that no other wallet is listing; gives the others.
async fn list_free(
    attempt: &Attempt,
    goal: ListingGoal,
    mut waiting: VecDeque<Address>,
) -> Result<Vec<((Chain, Address), Busy)>, StageError> {
    let (store, lease) = (&attempt.store, &attempt.lease);
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
            let listing = begin_listing(attempt, goal, &address).await?;
            let listed = Listed { address, listing, conflicts: 0, claim };
            asking.extend(ask_for_page(attempt, listed));
        }
        let Some((mut listed, answer)) = asking.next().await else { return Ok(busy) };
        let page: Vec<SignatureInfo> = answer.map_err(StageError::asking)?;
        let progress = listed.listing.take(&page);
        let rows: Vec<SignatureRow> = page.into_iter().map(signature_row).collect();
        let address = &listed.address;
        match chain_data::put_signature_page(store, lease, address, &rows, &progress).await {
            Ok(stored) => {
                attempt.note_progress(stored);
                if stored > 0 {
                    listed.claim.tell_progress();
                }
            }
            // Another process lists the same address from another newest end: go on with its pass.
            Err(StoreError::Conflict(_)) if listed.conflicts < LISTING_TRIES => {
                listed.conflicts += 1;
                listed.listing = begin_listing(attempt, goal, address).await?;
            }
            Err(StoreError::Conflict(_)) => {
                return Err(StageError::Contended { detail: address.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
        asking.extend(ask_for_page(attempt, listed));
    }
}

/// An address that is being listed.
struct Listed {
    address: Address,
    listing: Listing,
    /// Pages that were in the way of another process.
    conflicts: u32,
    claim: Claim<(Chain, Address)>,
}

/// The request for the next page of a listing as a future, or nothing when the listing is done.
fn ask_for_page(
    attempt: &Attempt,
    mut listed: Listed,
) -> Option<impl Future<Output = (Listed, Result<Vec<SignatureInfo>, SourceError>)> + '_> {
    let request = listed.listing.next_request()?;
    Some(async move {
        let (before, until) = (request.before.as_ref(), request.until.as_ref());
        let answer = attempt.source.signatures(&listed.address, before, until).await;
        (listed, answer)
    })
}

async fn begin_listing(
    attempt: &Attempt,
    goal: ListingGoal,
    address: &Address,
) -> Result<Listing, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let scan = chain_data::scan(store, chain, address).await?;
    let walked = match scan.as_ref().and_then(|scan| scan.pass.as_ref()) {
        // From the newest row down to the place of the pass.
        Some(pass) => {
            let rows = chain_data::signatures(store, chain, address, goal.pin_slot).await?;
            rows.iter().position(|row| row.tx_id == pass.before).map_or(0, |place| place + 1)
        }
        None => 0,
    };
    Ok(Listing::new(goal, scan, walked))
}

fn signature_row(info: SignatureInfo) -> SignatureRow {
    let SignatureInfo { tx_id, slot, block_time, failed } = info;
    SignatureRow { tx_id, slot, block_time, failed }
}
