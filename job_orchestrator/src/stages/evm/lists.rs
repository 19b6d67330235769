//! Reading the lists of a wallet, block by block upwards, to the pin.

use std::collections::BTreeSet;

use chain_client::EvmSource;
use chain_client::evm::{Activity, ActivityList, Capability};
use futures::future::try_join_all;
use persistence_layer::StoreError;
use persistence_layer::chain_data::{self, ScanProgress, SignaturePage, SignatureRow};
use pnl_core::{Address, Pin};

use crate::attempt::Attempt;
use crate::error::StageError;

/// Times that a page is stored anew because somebody else lists the same.
const LISTING_TRIES: u32 = 5;
/// Code of the refusal of what no provider offers: a gap, not an error.
const NOT_OFFERED: &str = "method-not-found";
/// Part of the keys of explorers' lists since these count only as far as the explorer's index is proven.
/// What older programs have covered is not believed: they took lists of explorers that were behind for
/// whole. They may go on beside this one, with their own keys.
const PROVEN: &str = "@index";

/// What is listed.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Under which keys the lists are stored.
    pub keys: Vec<Address>,
    /// Those of lists whose transactions may have moved coins inside; all, where not every such list is
    /// there.
    pub coin_keys: Vec<Address>,
    /// What no provider could list.
    pub missing: Vec<Capability>,
}

/// Lists what is not known up to the pin, in the ways that the providers offer.
///
/// What nobody offers is missing. What somebody offers and refuses, for want of a key or a plan, is
/// the error of whoever was asked last: an operator can mend it.
pub(crate) async fn run(
    attempt: &Attempt,
    source: &dyn EvmSource,
    pin: Pin,
) -> Result<Listed, StageError> {
    let mut done: BTreeSet<ActivityList> = BTreeSet::new();
    let mut missing = Vec::new();
    let needs = source.needs();
    let count = needs.len();
    let mut is_behind = false;
    for need in needs {
        let mut refusal = None;
        let mut is_met = false;
        for way in &need.ways {
            let open = way.iter().filter(|list| !done.contains(*list));
            match try_join_all(open.map(|list| walk(attempt, source, *list, pin))).await {
                Ok(reached) => {
                    is_behind |= reached.contains(&Reached::Unproven);
                    done.extend(way.iter());
                    is_met = true;
                    break;
                }
                Err(StageError::Permanent { code: NOT_OFFERED, .. }) => {}
                Err(error @ StageError::Permanent { .. }) => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        match refusal {
            _ if is_met => {}
            Some(error) => return Err(error),
            None => missing.push(need.capability),
        }
    }
    if missing.len() == count {
        let detail = "no provider of the chain lists transactions: an explorer is needed, or a node \
                      with ots_searchTransactionsAfter or trace_filter";
        return Err(StageError::uncomputable("no-transaction-list", &detail));
    }
    if is_behind {
        missing.push(Capability::IndexHead);
    }
    let key = |list: &ActivityList| key(attempt, *list);
    // Where one of those lists is missing, coins may have moved in any transaction.
    let tells = [Capability::EnumerateSent, Capability::EnumerateInternal];
    let is_told = !tells.iter().any(|one| missing.contains(one));
    let of_coins = |list: &&ActivityList| !is_told || list.tells_of_coins();
    Ok(Listed {
        keys: done.iter().map(key).collect(),
        coin_keys: done.iter().filter(of_coins).map(key).collect(),
        missing,
    })
}

/// The key under which a list is stored. No address has this form.
fn key(attempt: &Attempt, list: ActivityList) -> Address {
    let proof = if list.is_explored() { PROVEN } else { "" };
    Address::from_chain_data(&format!("{}#{}{proof}", attempt.wallet(), list.as_str()))
}

/// How far a list is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// To the pin.
    Pin,
    /// As far as an explorer lists, who is behind the pin or does not tell whether it is.
    Unproven,
}

async fn walk(
    attempt: &Attempt,
    source: &dyn EvmSource,
    list: ActivityList,
    pin: Pin,
) -> Result<Reached, StageError> {
    let (store, key) = (&attempt.store, key(attempt, list));
    let scan = chain_data::scan(store, attempt.chain(), &key).await?;
    // 0 is also the slot of a list that nobody has read: nothing happens in the first block.
    let mut covered = scan.map_or(0, |scan| scan.covered_slot);
    if covered >= pin.block {
        return Ok(Reached::Pin);
    }
    // Asked before the list is: what is indexed then is in it.
    let indexed = if list.is_explored() {
        source.indexed(pin.block, pin.block_time).await
    } else {
        Some(pin.block)
    };
    let end = indexed.unwrap_or(pin.block).min(pin.block);
    let mut conflicts = 0;
    while covered < end {
        let from = if covered == 0 { 0 } else { covered + 1 };
        let page = source.activity(attempt.wallet(), list, from, end).await;
        let page = page.map_err(StageError::asking)?;
        let reached = page.reached.max(1);
        let known = match (indexed, page.rows.last()) {
            // Whatever lies behind its last block, and in it, is asked for again the next time.
            (None, newest) if reached >= end => {
                newest.map_or(covered, |row| row.block.saturating_sub(1).max(covered))
            }
            _ => reached,
        };
        // Each page is a pass of its own, above all that is known.
        let rows = page.rows.into_iter().rev().map(signature_row).collect();
        let page = SignaturePage { rows, goes_on: false };
        let progress = ScanProgress::Finished { covered_until: None, covered_slot: known };
        match chain_data::put_signature_page(store, &attempt.lease, &key, &page, &progress).await {
            Ok(stored) => {
                attempt.note_progress(stored);
                covered = reached;
            }
            Err(StoreError::Conflict(_)) if conflicts < LISTING_TRIES => conflicts += 1,
            Err(StoreError::Conflict(_)) => {
                return Err(StageError::Contended { detail: key.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let is_proven = indexed.is_some_and(|indexed| indexed >= pin.block);
    Ok(if is_proven { Reached::Pin } else { Reached::Unproven })
}

fn signature_row(activity: Activity) -> SignatureRow {
    let Activity { block, tx_id, block_time } = activity;
    // Lists find transactions; whether one failed its receipt tells.
    SignatureRow { tx_id, slot: block, block_time, failed: false }
}
