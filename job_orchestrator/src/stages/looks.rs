//! What looks into a long wallet's transactions have told, kept for the next attempt.
//!
//! Looking means decoding, the most expensive step of a wallet. A short history is looked into again
//! sooner than its looks are read back, so only long ones keep any.

use std::collections::HashMap;

use persistence_layer::wallet_work;
use pnl_core::{Address, TxId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tx_parser::solana::TokenProgram;

use super::LONG_HISTORY;
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;

/// Looks on one page.
const PAGE: usize = 1_000;

/// What a look into a transaction tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The transaction.
    #[serde(rename = "t")]
    pub tx_id: TxId,
    /// Its block.
    #[serde(rename = "b")]
    pub block: u64,
    /// Its index in the block, when the node gives one.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Token accounts of the wallet that it names.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Address>,
    /// Mints that it moves, with their program.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub mints: Vec<(Address, TokenProgram)>,
}

/// The looks of this attempt that are not stored yet.
#[derive(Debug)]
pub(crate) struct Looks {
    wanted: bool,
    page: Vec<u8>,
    count: usize,
    /// When the last page was stored, or the work began: decoding the first looks takes time, too.
    since: Instant,
}

impl Looks {
    /// No look yet.
    pub fn new() -> Self {
        Self { wanted: false, page: Vec::new(), count: 0, since: Instant::now() }
    }

    /// From so many known transactions on, looks are kept.
    pub fn expect(&mut self, transactions: usize) {
        self.wanted = transactions > LONG_HISTORY;
    }

    /// Takes a look down.
    pub fn note(&mut self, seen: &impl Serialize) {
        if !self.wanted {
            return;
        }
        serde_json::to_writer(&mut self.page, seen).expect("plain values always serialize");
        self.page.push(b'\n');
        self.count += 1;
    }

    /// Stores what was taken down, when it is a page or has waited long enough.
    pub async fn store(&mut self, attempt: &Attempt) -> Result<(), StageError> {
        if self.count >= PAGE || (self.count > 0 && self.since.elapsed() >= super::COMMIT_AFTER) {
            self.store_all(attempt).await?;
        }
        Ok(())
    }

    /// Stores what was taken down.
    pub async fn store_all(&mut self, attempt: &Attempt) -> Result<(), StageError> {
        if self.count > 0 {
            let page = std::mem::take(&mut self.page);
            self.count = 0;
            self.since = Instant::now();
            wallet_work::put_look(&attempt.store, &attempt.lease, &attempt.maker(), &page).await?;
            attempt.note_progress(1);
        }
        Ok(())
    }
}

/// What earlier attempts at this task have seen.
pub(crate) async fn earlier(attempt: &Attempt) -> Result<HashMap<TxId, Seen>, StageError> {
    let earlier: Vec<Seen> = earlier_lines(attempt).await?;
    Ok(earlier.into_iter().map(|seen| (seen.tx_id.clone(), seen)).collect())
}

/// The same in whatever form the stages of the chain take it down.
pub(crate) async fn earlier_lines<T: DeserializeOwned + Send + 'static>(
    attempt: &Attempt,
) -> Result<Vec<T>, StageError> {
    let mut earlier = Vec::new();
    if attempt.is_first() {
        return Ok(earlier);
    }
    let (store, lease) = (&attempt.store, &attempt.lease);
    let mut last = -1;
    let maker = attempt.maker();
    while let Some((no, page)) = wallet_work::look(store, lease, &maker, last)
        .await
        .map_err(StageError::reading_left_work)?
    {
        last = no;
        earlier.extend(compute(move || super::read_lines::<T>(&page)).await?);
    }
    Ok(earlier)
}
