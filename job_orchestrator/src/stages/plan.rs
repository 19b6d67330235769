//! The transactions of a wallet in order: the seam between reading a chain and keeping books.
//!
//! The plan of a long history is stored, so that a later attempt begins with its books and does not
//! read lists again, and is read page by page, so that it is never in memory as a whole.

use std::collections::{BTreeMap, BTreeSet};

use persistence_layer::wallet_work::{self, StoredPlan};
use pnl_core::{AssetId, Pin, RawAmount};
use serde::{Deserialize, Serialize};

use super::LONG_HISTORY;
use super::fetch::Cut;
use super::order::Placed;
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;

/// Transactions on a page; a multiple of what a chunk of a ledger holds.
const PAGE: usize = 1_000;
/// Pages stored in one commit.
const PAGES_AT_ONCE: usize = 20;

/// A wallet's transactions in order, and what is known about their completeness.
#[derive(Debug)]
pub(crate) struct Plan {
    /// About the whole.
    pub head: PlanHead,
    pages: Pages,
}

/// What is known about the whole history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlanHead {
    /// How many transactions.
    pub transactions: u64,
    /// The block of the oldest one, when there is one.
    pub oldest_block: Option<u64>,
    /// Whether the chain has transactions of the wallet after the pin.
    pub newer_activity: bool,
    /// Why older transactions are missing, if so.
    pub cut: Option<Cut>,
    /// What no provider could tell, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Tokens whose balances contradict their events.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded: BTreeSet<AssetId>,
    /// What the wallet holds at the pin, where the chain was asked for it after the transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<BTreeMap<AssetId, RawAmount>>,
}

#[derive(Debug)]
enum Pages {
    Here(Vec<Placed>),
    Stored(u32),
}

impl Plan {
    /// The plan of `placed`, oldest first.
    pub fn new(placed: Vec<Placed>, newer_activity: bool, cut: Option<Cut>) -> Self {
        let head = PlanHead {
            transactions: placed.len() as u64,
            oldest_block: placed.first().map(|placed| placed.block),
            newer_activity,
            cut,
            missing: Vec::new(),
            excluded: BTreeSet::new(),
            balances: None,
        };
        Self { head, pages: Pages::Here(placed) }
    }

    /// Whether attempts at it leave work for later ones.
    pub fn is_long(&self) -> bool {
        self.head.transactions > LONG_HISTORY as u64
    }

    /// How many pages it has.
    pub fn pages(&self) -> u32 {
        match &self.pages {
            Pages::Here(placed) => u32::try_from(placed.len().div_ceil(PAGE)).unwrap_or(u32::MAX),
            Pages::Stored(pages) => *pages,
        }
    }

    /// One page, numbered from 0.
    pub async fn page(&self, attempt: &Attempt, no: u32) -> Result<Vec<Placed>, StageError> {
        match &self.pages {
            Pages::Here(placed) => {
                let pages = placed.chunks(PAGE).skip(no as usize).map(<[Placed]>::to_vec);
                Ok(pages.take(1).flatten().collect())
            }
            Pages::Stored(_) => {
                let page = wallet_work::plan_page(&attempt.store, &attempt.lease, no).await;
                let page = page.map_err(StageError::reading_left_work)?;
                compute(move || super::read_lines(&page)).await
            }
        }
    }

    /// Stores the plan when it is long.
    pub async fn keep(self, attempt: &Attempt, pin: Pin) -> Result<Self, StageError> {
        let (store, lease) = (&attempt.store, &attempt.lease);
        let placed = match self.pages {
            Pages::Here(placed) if placed.len() > LONG_HISTORY => placed,
            pages => return Ok(Self { pages, ..self }),
        };
        let mut stored = 0;
        for part in placed.chunks(PAGE * PAGES_AT_ONCE) {
            let pages: Vec<Vec<u8>> = part.chunks(PAGE).map(write_lines).collect();
            wallet_work::put_plan_pages(store, lease, stored, &pages).await?;
            stored += u32::try_from(pages.len()).unwrap_or(u32::MAX);
        }
        let head = serde_json::to_value(&self.head).expect("plain values always serialize");
        let plan = StoredPlan { pages: stored, head };
        wallet_work::put_plan(store, lease, pin.block, &attempt.maker(), &plan).await?;
        attempt.note_progress(1);
        Ok(Self { pages: Pages::Stored(stored), ..self })
    }
}

/// The plan that an earlier attempt at this task has stored.
pub(crate) async fn earlier(attempt: &Attempt, pin: Pin) -> Result<Option<Plan>, StageError> {
    if attempt.is_first() {
        return Ok(None);
    }
    let (store, lease) = (&attempt.store, &attempt.lease);
    let plan = wallet_work::plan(store, lease, pin.block, &attempt.maker()).await?;
    plan.map(|plan| {
        let head =
            PlanHead::deserialize(&plan.head).map_err(|error| StageError::left_work(&error))?;
        Ok(Plan { head, pages: Pages::Stored(plan.pages) })
    })
    .transpose()
}

fn write_lines(placed: &[Placed]) -> Vec<u8> {
    let mut page = Vec::new();
    for placed in placed {
        serde_json::to_writer(&mut page, placed).expect("plain values always serialize");
        page.push(b'\n');
    }
    page
}
