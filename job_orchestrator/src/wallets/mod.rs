//! Wallets as resources: what the newest stored ledger of a wallet says, by any method.
//!
//! Nothing is fetched here. A stored ledger covers the whole history up to its pin, so any method
//! can be computed from it; its chunks stream through one by one. What computes does so beside the
//! threads that answer requests, and at most as much of it at a time as there are processors.

mod bundle;
mod capacity;
mod diff;
mod disposals;
mod explain;
mod facts;
mod group;
mod ledger;
mod origin;
mod past;
mod report;
mod series;
mod transactions;
mod walk;
mod what_if;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::SecondsFormat;
use futures::{Stream, StreamExt};
use persistence_layer::ledgers::{self, CurrentLedger};
use persistence_layer::{Store, StoreError, Tenant};
use pnl_core::figures::FiguresError;
use pnl_core::ledger::{LedgerError, LedgerRules};
use pnl_core::report::{History, ReportError};
use pnl_core::{AmountError, Chain, EngineError, Method, Options, WalletRef};
use serde::Deserialize;
use uuid::Uuid;

use crate::pnl_document::PnlDocument;
use crate::request::{Analysis, TimeRange};
use crate::stages::replay::ReplayError;

pub use bundle::{
    Differing, FORM as BUNDLE_FORM, How, Part as BundlePart, ReplayError as BundleError, Replayed,
    replay,
};
use capacity::Capacity;
pub use diff::{
    Causes, Coverages, Difference, EventPair, EventPrices, EventRow, Events, LedgerState, Ledgers,
    LegPrice, LegPrices, Listed, NewDisposal, NoResult, Part, PinPrice, Prices, Realized,
    TokenDifference, TokenSums,
};
pub use disposals::{
    DisposalFilter, DisposalPage, DisposalView, DisposalsOfResult, MOST_MATCHES, SomeDisposals,
};
pub use explain::{
    Asked, DisposalId, ExplainedDisposal, ExplainedMatch, Explanation, NotExplained, OtherMatches,
};
pub use group::GroupRef;
pub use ledger::{LedgerCursor, LedgerPage};
pub use report::{CoverageReport, TokenPage, TokenTrading, TokenView};
pub use series::{Equity, MOST_POINTS, Spread, SpreadRules, TooManyPoints};
pub use transactions::{TransactionPage, TransactionView};
pub(crate) use walk::Ended;
use walk::Walk;
pub use what_if::{
    MethodFigures, MethodsCompared, OtherFigures, OtherOfToken, TokenFigures, TokenMethod,
};

/// Which records come with a wallet's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// Open lots.
    pub lots: bool,
    /// Disposals with their lots.
    pub disposals: bool,
}

/// How a stored ledger is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    /// The method that matches lots.
    pub method: Method,
    /// What is counted, and up to when.
    pub time_range: TimeRange,
}

impl View {
    /// As a batch asks for it.
    fn of(analysis: &Analysis) -> Self {
        Self { method: analysis.method, time_range: analysis.time_range }
    }

    /// The whole ledger by `method`.
    pub fn by(method: Method) -> Self {
        Self { method, time_range: TimeRange::default() }
    }
}

/// Why a stored ledger gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WalletsError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The method is not offered, or the history cannot be computed by it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The result does not fit.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A stored event breaks the rules of its form.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The stored figures cannot be read.
    #[error(transparent)]
    Figures(#[from] FiguresError),
    /// A sum does not fit.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// What is stored was not written by this program, or a chunk is gone.
    #[error("the stored ledger cannot be read: {0}")]
    Corrupt(String),
    /// The moment asked for lies behind the end of the ledger.
    #[error("the ledger ends at {}", pnl_core::time::rfc3339(*pin))]
    BehindPin {
        /// Its end, unix seconds.
        pin: i64,
    },
    /// The block asked for lies behind the end of the ledger.
    #[error("the ledger ends at block {pin}")]
    BlockBehindPin {
        /// Its end.
        pin: u64,
    },
    /// The ledger was replaced since the cursor was given.
    #[error("the ledger was replaced by a newer one; begin again without a cursor")]
    CursorExpired,
}

impl From<ReplayError> for WalletsError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Corrupt(detail) => Self::Corrupt(detail),
            ReplayError::Ledger(error) => Self::Ledger(error),
            ReplayError::Engine(error) => Self::Engine(error),
        }
    }
}

impl WalletsError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Report(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Figures(error) => error.code(),
            Self::Amount(_) => "amount-out-of-range",
            Self::Corrupt(_) => "ledger-corrupt",
            Self::BehindPin { .. } | Self::BlockBehindPin { .. } => "as-of-behind-pin",
            Self::CursorExpired => "cursor-expired",
        }
    }
}

/// The stored ledgers of all tenants: nothing is read before it is said whose. A cheap clone.
#[derive(Debug, Clone)]
pub struct AllWallets {
    store: Store,
    rules: Arc<BTreeMap<Chain, LedgerRules>>,
    capacity: Capacity,
}

impl AllWallets {
    /// Wallets in `store`, with the accounting rules of each chain.
    pub fn new(store: Store, rules: BTreeMap<Chain, LedgerRules>) -> Self {
        Self { store, rules: Arc::new(rules), capacity: Capacity::new() }
    }

    /// The same ledgers, read through `store`.
    #[must_use]
    pub fn read_through(&self, store: Store) -> Self {
        Self { store, ..self.clone() }
    }

    /// The ledgers that jobs of `tenant` have made. What computes shares the processors with all others.
    pub fn of(&self, tenant: Tenant) -> Wallets {
        Wallets { all: self.clone(), tenant }
    }
}

/// Reads the stored ledgers of one tenant. A cheap clone.
#[derive(Debug, Clone)]
pub struct Wallets {
    all: AllWallets,
    tenant: Tenant,
}

/// Where the next page of what a ledger gives begins. Whoever is given one of a ledger that was
/// replaced since must begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerPlace {
    /// The ledger.
    pub ledger_id: Uuid,
    /// The number of the next row, from 0.
    pub number: u64,
}

/// A stored ledger that is being read.
#[derive(Debug, Clone)]
struct Reader {
    store: Store,
    capacity: Capacity,
    tenant: Tenant,
    chain: Chain,
    ledger: CurrentLedger,
    history: History,
    /// The accounting options by which it is read.
    options: Options,
}

impl Wallets {
    /// The wallet's result as `view` says, with the records asked for and the time
    /// at which its ledger was made (`analyzed_at`), in pieces; `None` when no ledger of it is stored.
    /// The pieces joined are one JSON object.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn pnl(
        &self,
        wallet: &WalletRef,
        view: View,
        include: Include,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let created_at = reader.ledger.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let reader = Arc::new(reader);
        let ended = self.ended(&reader, view).await?;
        let closing = serde_json::json!({ "analyzed_at": created_at });
        let document = PnlDocument::new(ended, include, &closing);
        streamed(document).await.map(Some)
    }

    fn options(&self, chain: Chain) -> Options {
        let quote_assets = self.all.rules.get(&chain).map(LedgerRules::quote_assets);
        Options::with_quote_assets(quote_assets.unwrap_or_default())
    }

    /// See [`Capacity::compute`].
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, WalletsError> + Send + 'static,
    ) -> Result<T, WalletsError> {
        self.all.capacity.compute(work).await
    }

    /// The outcome of a view with all its records, when there is room for them.
    async fn ended(&self, reader: &Arc<Reader>, view: View) -> Result<Ended, WalletsError> {
        let held = self.all.capacity.hold(reader.ledger.head.events).await?;
        let mut walk = self.walk(reader, view).await?;
        let mut is_more = true;
        while is_more {
            (walk, is_more) = walk.read().await?;
        }
        Ok(walk.finish().await?.holding(held))
    }

    /// An engine at the beginning of the ledger.
    async fn walk(&self, reader: &Arc<Reader>, view: View) -> Result<Walk, WalletsError> {
        Walk::begin(reader.clone(), view).await
    }

    async fn open(&self, wallet: &WalletRef) -> Result<Option<Reader>, WalletsError> {
        let ledger = ledgers::current(&self.all.store, &self.tenant, wallet).await?;
        let Some(ledger) = ledger else { return Ok(None) };
        self.reader(wallet, ledger).map(Some)
    }

    fn reader(&self, wallet: &WalletRef, ledger: CurrentLedger) -> Result<Reader, WalletsError> {
        let AllWallets { store, capacity, .. } = self.all.clone();
        let tenant = self.tenant.clone();
        let history = History::deserialize(&ledger.head.context).map_err(corrupt)?;
        let (chain, options) = (wallet.chain, self.options(wallet.chain));
        Ok(Reader { store, capacity, tenant, chain, ledger, history, options })
    }
}

/// The document in pieces. What can fail has failed before the first one is given.
async fn streamed(
    document: PnlDocument,
) -> Result<impl Stream<Item = Result<String, WalletsError>> + use<>, WalletsError> {
    let (head, document) = document.piece().await?.ok_or_else(|| corrupt("an empty document"))?;
    let head = futures::stream::once(async move { Ok(head) });
    Ok(head.chain(futures::stream::try_unfold(document, PnlDocument::piece)))
}

impl Reader {
    /// The number of the row at `place`, 0 without one.
    fn number(&self, place: Option<LedgerPlace>) -> Result<u64, WalletsError> {
        match place {
            Some(place) if place.ledger_id != self.ledger.head.ledger_id => {
                Err(WalletsError::CursorExpired)
            }
            place => Ok(place.map_or(0, |place| place.number)),
        }
    }

    /// The place of a row.
    fn place(&self, number: u64) -> LedgerPlace {
        LedgerPlace { ledger_id: self.ledger.head.ledger_id, number }
    }

    /// The events of one chunk as JSON lines.
    async fn chunk(&self, no: u32) -> Result<Vec<u8>, WalletsError> {
        let id = self.ledger.head.ledger_id;
        let chunk = ledgers::chunk(&self.store, &self.tenant, self.chain, id, no).await?;
        chunk.ok_or_else(|| WalletsError::Corrupt(format!("chunk {no} is gone")))
    }
}

fn corrupt(error: impl std::fmt::Display) -> WalletsError {
    WalletsError::Corrupt(error.to_string())
}
