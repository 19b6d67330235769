//! A wallet's result with everything it was computed from, in one file, and its repetition from that.
//!
//! A bundle is JSON lines. The first has the versions, the method, the prices and balances at the pin and
//! the result; then come the events of the ledger in order, each with the source and time of its
//! prices, and before the first event of a transaction the transaction as the chain endpoint gave it.
//! On chains of the EVM transactions are left out: what their explorers and traces add is not in one
//! document.

mod check;
mod sums;

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use persistence_layer::chain_data;
use pnl_core::ledger::LedgerEvent;
use pnl_core::report::{History, ReportInput, WalletPnl};
use pnl_core::{Chain, ENGINE_VERSION, Engine, Method, Options, TxId, WalletRef, Window};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::check::Check;
use self::sums::Sums;
use super::walk::Ended;
use super::{Reader, View, Wallets, WalletsError, corrupt};
use crate::stages::replay::lines;

/// The form of a bundle.
const FORM: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    bundle: u32,
    engine_version: String,
    parser_version: String,
    method: Method,
    options: Options,
    history: History,
    events: u64,
    result: Box<RawValue>,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A transaction as the endpoint gave it.
    Transaction { tx_id: TxId, raw: Box<RawValue> },
    /// An event of the ledger.
    Event(LedgerEvent),
}

/// A stored line as it is.
#[derive(Serialize)]
struct EventLine<'a> {
    event: &'a RawValue,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The result as computed from the bundle.
    pub result: String,
    /// Whether it is that of the bundle, byte by byte.
    pub is_equal: bool,
    /// Versions that are not those of the bundle: (name, then, now).
    pub versions: Vec<(&'static str, String, String)>,
    /// Transactions that were read again.
    pub transactions: u64,
    /// Those of which the events do not say what the transaction does.
    pub contradicted: Vec<TxId>,
    /// Those that are another transaction than their line says.
    pub misnamed: Vec<TxId>,
    /// Those whose events name another block, block time or status, or stand before their time.
    pub misplaced: Vec<TxId>,
    /// What the first line says and the events do not come to, in words.
    pub sums: Vec<String>,
    /// Transactions with events that are not in the bundle, and were not read.
    pub unread: u64,
}

/// Why a bundle cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("the bundle cannot be read")]
    Io(#[from] std::io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the bundle: {detail}")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong.
        detail: String,
    },
    /// It ends too early.
    #[error("the bundle ends after {found} of {expected} events")]
    Cut {
        /// Events in it.
        found: u64,
        /// Events its first line promises.
        expected: u64,
    },
    /// It is of another form.
    #[error("a bundle of form {0}; this program reads form {FORM}")]
    Form(u32),
    /// The history gives no result.
    #[error(transparent)]
    Wallets(#[from] WalletsError),
}

impl ReplayError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "bundle-unreadable",
            Self::Line { .. } => "bundle-line",
            Self::Cut { .. } => "bundle-cut",
            Self::Form(_) => "bundle-form",
            Self::Wallets(error) => error.code(),
        }
    }
}

impl Wallets {
    /// The bundle of the wallet's newest ledger, line by line; `None` when none is stored.
    ///
    /// # Errors
    /// [`WalletsError`]; the lines can fail too, when the database goes away meanwhile.
    pub async fn bundle(
        &self,
        wallet: &WalletRef,
        method: Method,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let reader = Arc::new(reader);
        let ended = self.ended(&reader, View::by(method)).await?;
        let (events, options) = (reader.ledger.head.events, self.options(wallet.chain));
        let head = self.compute(move || head(ended, options, events)).await?;
        let first = stream::once(async move { Ok(head) });
        let state = (reader, 0u32);
        let rest = stream::try_unfold(state, |(reader, no)| async move {
            if no >= reader.ledger.head.chunks {
                return Ok(None);
            }
            let text = reader.bundled(no).await?;
            Ok(Some((text, (reader, no + 1))))
        });
        Ok(Some(first.chain(rest)))
    }
}

fn head(ended: Ended, options: Options, events: u64) -> Result<String, WalletsError> {
    let result = serde_json::to_string(&WalletPnl::build(ended.input())?).map_err(corrupt)?;
    let head = Head {
        bundle: FORM,
        engine_version: ENGINE_VERSION.to_owned(),
        parser_version: ended.history.parser_version.clone(),
        method: ended.outcome.method,
        options,
        events,
        result: RawValue::from_string(result).map_err(corrupt)?,
        history: ended.history,
    };
    Ok(serde_json::to_string(&head).map_err(corrupt)? + "\n")
}

impl Reader {
    /// The lines of one chunk, with its transactions.
    async fn bundled(&self, no: u32) -> Result<String, WalletsError> {
        let chunk = self.chunk(no).await?;
        let text = std::str::from_utf8(&chunk).map_err(corrupt)?;
        let mut raws = BTreeMap::new();
        if self.chain == Chain::Solana {
            let mut ids = Vec::new();
            for line in text.lines() {
                let id = tx_id(line)?;
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
            for raw in chain_data::transactions(&self.store, self.chain, &ids).await? {
                raws.insert(raw.tx_id, raw.json);
            }
        }
        let mut out = String::new();
        for line in lines(&chunk)? {
            let tx_id = tx_id(line)?;
            // Taken out with the first event: the others of the transaction follow it.
            if let Some(json) = raws.remove(&tx_id) {
                // Ends of lines can only stand between the tokens of JSON.
                let raw = String::from_utf8(json).map_err(corrupt)?.replace(['\n', '\r'], " ");
                let raw = RawValue::from_string(raw).map_err(corrupt)?;
                push(&mut out, &Line::Transaction { tx_id, raw })?;
            }
            let event = RawValue::from_string(line.to_owned()).map_err(corrupt)?;
            push(&mut out, &EventLine { event: &event })?;
        }
        Ok(out)
    }
}

fn tx_id(line: &str) -> Result<TxId, WalletsError> {
    #[derive(Deserialize)]
    struct Place {
        tx_id: TxId,
    }
    serde_json::from_str::<Place>(line).map(|place| place.tx_id).map_err(corrupt)
}

fn push(out: &mut String, line: &impl Serialize) -> Result<(), WalletsError> {
    out.push_str(&serde_json::to_string(line).map_err(corrupt)?);
    out.push('\n');
    Ok(())
}

/// Computes the result of a bundle again, reads its transactions again, and sums its events again.
///
/// The hashes in the result are those of the bundle: transactions without an event and prices that
/// were not found are part of what they cover, and not of the bundle.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(bundle: impl BufRead) -> Result<Replayed, ReplayError> {
    let mut all = bundle.lines();
    let first = all.next().transpose()?.unwrap_or_default();
    let bad = |line: u64| {
        move |error: serde_json::Error| ReplayError::Line { line, detail: error.to_string() }
    };
    let head: Head = serde_json::from_str(&first).map_err(bad(1))?;
    if head.bundle != FORM {
        return Err(ReplayError::Form(head.bundle));
    }
    let versions = [
        ("engine", &head.engine_version, ENGINE_VERSION),
        ("parser", &head.parser_version, tx_parser::PARSER_VERSION),
    ];
    let mut replayed = Replayed {
        result: String::new(),
        is_equal: false,
        versions: versions
            .into_iter()
            .filter(|(_, then, now)| then != now)
            .map(|(name, then, now)| (name, then.clone(), now.to_owned()))
            .collect(),
        transactions: 0,
        contradicted: Vec::new(),
        misnamed: Vec::new(),
        misplaced: Vec::new(),
        sums: Vec::new(),
        unread: 0,
    };
    let mut engine = Engine::new(head.method, head.options).map_err(WalletsError::from)?;
    let mut check: Option<Check> = None;
    let mut sums = Sums::default();
    let mut events = 0;
    for (number, line) in (2u64..).zip(all) {
        match serde_json::from_str(&line?).map_err(bad(number))? {
            Line::Transaction { tx_id, raw } => {
                replayed.close(check.take());
                let parsed = tx_parser::solana::parse(raw.get().as_bytes(), &head.history.wallet);
                let parsed = parsed.map_err(|error| ReplayError::Line {
                    line: number,
                    detail: error.to_string(),
                })?;
                replayed.transactions += 1;
                if parsed.tx_id != tx_id {
                    replayed.misnamed.push(tx_id.clone());
                }
                check = Some(Check::of(tx_id, &head.history.wallet, &parsed)?);
            }
            Line::Event(event) => {
                let is_first = sums.take_up(&event).map_err(WalletsError::from)?;
                match check.as_mut().filter(|check| check.tx_id == event.tx_id) {
                    Some(check) => check.take_off(&event)?,
                    None => replayed.unread += u64::from(is_first),
                }
                let event = event.to_event(events).map_err(WalletsError::from)?;
                if let Some(event) = event {
                    engine.apply(&event).map_err(WalletsError::from)?;
                }
                events += 1;
            }
        }
    }
    replayed.close(check);
    if events != head.events {
        return Err(ReplayError::Cut { found: events, expected: head.events });
    }
    let history = &head.history;
    replayed.sums = sums.contradicted(history);
    replayed.misplaced.append(&mut sums.early);
    let outcome = engine.finish(Some(&history.prices)).map_err(WalletsError::from)?;
    let transactions = history.facts.transactions;
    let input = ReportInput { history, outcome: &outcome, window: Window::ALL, transactions };
    let result = WalletPnl::build(input).map_err(WalletsError::from)?;
    replayed.result = serde_json::to_string(&result).map_err(corrupt)?;
    replayed.is_equal = replayed.result == head.result.get();
    Ok(replayed)
}

impl Replayed {
    /// Whether the result is that of the bundle, and everything in it agrees.
    pub fn is_good(&self) -> bool {
        let Self { contradicted, misnamed, misplaced, sums, .. } = self;
        self.is_equal
            && [contradicted, misnamed, misplaced].iter().all(|list| list.is_empty())
            && sums.is_empty()
    }

    fn close(&mut self, check: Option<Check>) {
        let Some(check) = check else { return };
        if check.is_misplaced() {
            self.misplaced.push(check.tx_id.clone());
        }
        if check.is_contradicted() {
            self.contradicted.push(check.tx_id);
        }
    }
}
