//! Reads a bundle: makes its events again, then its result, and compares.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use pnl_core::ledger::LedgerEvent;
use pnl_core::report::{History, ReportInput, WalletPnl};
use pnl_core::{AssetId, ENGINE_VERSION, Engine, TxId, WalletTransaction, Window};
use serde_json::Value;
use serde_json::value::RawValue;

use super::again::{self, Again, Parser};
use super::check::Check;
use super::form::{self, FORM, Form, Head, Line, Transaction};
use super::lines::{LONGEST, LONGEST_FIRST, Lines};
use super::sums::Sums;
use crate::wallets::{WalletsError, corrupt};

/// So many differences are named; further ones are counted.
const MOST_NAMED: usize = 100;
/// So much of a value is shown.
const MOST_SHOWN: usize = 120;

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
    /// Those among them whose events were made again, with values; of the others what moved was compared.
    pub made_again: u64,
    /// Transactions that are not as the bundle says, each by its first difference, in the order of the bundle; a
    /// hundred at most.
    pub differing: Vec<Differing>,
    /// How many more there are.
    pub more_differing: u64,
    /// What the first line says and the events do not come to, in words.
    pub sums: Vec<String>,
    /// Transactions with events that are not in the bundle, and were not read.
    pub unread: u64,
    /// Transactions that the first line counts and that have no event: nothing of them is in a bundle.
    pub silent: u64,
}

/// A transaction that is not as the bundle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Which one.
    pub tx_id: TxId,
    /// What differs.
    pub how: How,
}

/// What differs between a raw transaction and the rest of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It cannot be read: why.
    Unreadable(String),
    /// It is another transaction than its line says.
    Misnamed,
    /// It has another block, place in it, time or status than its events say, or stands before its time.
    Misplaced,
    /// It moves other quantities than its events say: where.
    Moved(String),
    /// It moves what its events say, and is something else or worth something else: where.
    Booked(String),
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tx_id = &self.tx_id;
        match &self.how {
            How::Unreadable(why) => write!(f, "transaction {tx_id} cannot be read: {why}"),
            How::Misnamed => write!(f, "what the bundle calls {tx_id} is another transaction"),
            How::Misplaced => {
                write!(
                    f,
                    "transaction {tx_id} has another block, time or status than its events say"
                )
            }
            How::Moved(place) => {
                write!(f, "transaction {tx_id} does not do what its events say: {place}")
            }
            How::Booked(place) => {
                write!(f, "transaction {tx_id} gives other events than the bundle has: {place}")
            }
        }
    }
}

/// Why a bundle cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("line {line} of the bundle cannot be read")]
    Io {
        /// From 1.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
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
    #[error(
        "a bundle of form {0}, and this program reads forms 1 to {FORM}; replay it with the version that wrote it, or \
         a newer one"
    )]
    Form(u32),
    /// The history gives no result.
    #[error(transparent)]
    Wallets(#[from] WalletsError),
}

impl ReplayError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "bundle-unreadable",
            Self::Line { .. } => "bundle-line",
            Self::Cut { .. } => "bundle-cut",
            Self::Form(_) => "bundle-form",
            Self::Wallets(error) => error.code(),
        }
    }
}

/// Makes the events of a bundle again from its transactions, compares them with those that it has, and sums
/// these again; computes the result from them, and compares it with that of the bundle.
///
/// The hashes in the result are those of the bundle: transactions without an event and prices that
/// were not found are part of what they cover, and not of the bundle.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(bundle: impl BufRead) -> Result<Replayed, ReplayError> {
    let mut lines = Lines::of(bundle);
    let first = lines.next(LONGEST_FIRST).map_err(|source| ReplayError::Io { line: 1, source })?;
    let first = first.unwrap_or_default();
    let bad = |line: u64| {
        move |error: serde_json::Error| ReplayError::Line { line, detail: error.to_string() }
    };
    let form: Form = serde_json::from_str(first).map_err(bad(1))?;
    if !(1..=FORM).contains(&form.bundle) {
        return Err(ReplayError::Form(form.bundle));
    }
    let head: Head = serde_json::from_str(first).map_err(bad(1))?;
    let mut replay = Replay::begin(&head)?;
    for number in 2.. {
        let line =
            lines.next(LONGEST).map_err(|source| ReplayError::Io { line: number, source })?;
        let Some(line) = line else { break };
        match serde_json::from_str(line).map_err(bad(number))? {
            Line::Transaction(transaction) => {
                replay.close()?;
                replay.open = Open { transaction: Some(transaction), ..Open::default() };
            }
            Line::Event(event) => {
                if replay.open.tx_id() != Some(&event.tx_id) {
                    replay.close()?;
                }
                let refused = |detail| ReplayError::Line { line: number, detail };
                replay.take_up(event, line.len(), head.events).map_err(refused)?;
            }
        }
    }
    replay.close()?;
    replay.finish(&head)
}

/// A bundle that is being read.
struct Replay {
    parser: Parser,
    /// `None` in the first form.
    again: Option<Again>,
    history: History,
    engine: Engine,
    sums: Sums,
    /// How many events were applied.
    events: u64,
    open: Open,
    replayed: Replayed,
}

/// The transaction whose lines are being read.
#[derive(Default)]
struct Open {
    transaction: Option<Transaction>,
    events: Vec<LedgerEvent>,
    /// How long they are.
    bytes: u64,
}

impl Open {
    fn tx_id(&self) -> Option<&TxId> {
        let named = self.transaction.as_ref().map(|transaction| &transaction.tx_id);
        named.or_else(|| self.events.first().map(|event| &event.tx_id))
    }
}

impl Replay {
    fn begin(head: &Head) -> Result<Self, ReplayError> {
        let wrapped = head.booked_by.as_ref().and_then(|by| by.wrapped_native.as_ref());
        let parser = Parser::of(head.history.chain, wrapped).ok_or_else(|| ReplayError::Line {
            line: 1,
            detail: "wrapped_native is no contract".to_owned(),
        })?;
        let versions = [
            ("engine", &head.engine_version, ENGINE_VERSION),
            ("parser", &head.parser_version, tx_parser::PARSER_VERSION),
        ];
        let versions = versions.into_iter().filter(|(_, then, now)| then != now);
        let replayed = Replayed {
            result: String::new(),
            is_equal: false,
            versions: versions.map(|(name, then, now)| (name, then.clone(), now.into())).collect(),
            transactions: 0,
            made_again: 0,
            differing: Vec::new(),
            more_differing: 0,
            sums: Vec::new(),
            unread: 0,
            silent: 0,
        };
        let (wallet, booked_by) = (head.history.wallet.clone(), head.booked_by.clone());
        Ok(Self {
            parser,
            again: booked_by.map(|booked_by| Again::of(wallet, booked_by)),
            history: head.history.clone(),
            engine: Engine::new(head.method, head.options.clone()).map_err(WalletsError::from)?,
            sums: Sums::default(),
            events: 0,
            open: Open::default(),
            replayed,
        })
    }

    /// Takes up the next event, a line of so many bytes in a bundle of `expected` events; an error says why no bundle
    /// has it.
    fn take_up(&mut self, event: LedgerEvent, bytes: usize, expected: u64) -> Result<(), String> {
        if self.events + self.open.events.len() as u64 >= expected {
            return Err(format!("there are more events than the {expected} of the first line"));
        }
        let pin = self.history.pin.block_time;
        if !(0..=pin).contains(&event.ts) {
            let (id, ts) = (shown(&Value::from(&*event.id)), event.ts);
            return Err(format!("event {id} has the time {ts}, outside of 0 to the pin's {pin}"));
        }
        self.open.bytes = self.open.bytes.saturating_add(bytes as u64);
        if self.open.bytes > LONGEST {
            let tx_id = shown(&Value::from(event.tx_id.as_str()));
            return Err(format!(
                "the events of transaction {tx_id} take more than {LONGEST} bytes"
            ));
        }
        self.open.events.push(event);
        Ok(())
    }

    /// Compares the transaction that was read with its events, and sums and applies these.
    fn close(&mut self) -> Result<(), WalletsError> {
        let Open { transaction, events, .. } = std::mem::take(&mut self.open);
        let tx_id = events.first().map(|event| event.tx_id.clone());
        let tx_id = transaction.as_ref().map(|transaction| transaction.tx_id.clone()).or(tx_id);
        let Some(tx_id) = tx_id else { return Ok(()) };
        let mut how = None;
        match transaction.and_then(|mut of| Some((of.raw.take()?, of))) {
            Some((raw, transaction)) => how = self.compared(transaction, raw, &events)?,
            None => self.replayed.unread += 1,
        }
        let mut is_early = false;
        for event in events {
            is_early |= !self.sums.take_up(&event)?;
            if let Some(event) = event.to_event(self.events)? {
                self.engine.apply(&event)?;
            }
            self.events += 1;
        }
        if let Some(how) = how.or(is_early.then_some(How::Misplaced)) {
            self.differs(tx_id, how);
        }
        Ok(())
    }

    /// What differs first between the transaction and its events.
    fn compared(
        &mut self,
        transaction: Transaction,
        raw: Box<RawValue>,
        events: &[LedgerEvent],
    ) -> Result<Option<How>, WalletsError> {
        let Transaction { tx_id, no_coins, decimals, prices, .. } = transaction;
        let raw = again::raw(self.history.chain, tx_id.clone(), raw);
        self.replayed.transactions += 1;
        let mut line = match self.parser.line(&raw, no_coins, &self.history.wallet) {
            Ok(line) => line,
            Err(error) => return Ok(Some(How::Unreadable(error.to_string()))),
        };
        if line.tx_id != tx_id {
            return Ok(Some(How::Misnamed));
        }
        self.sums.take_up_line(&line)?;
        let goes_by_index = matches!(self.parser, Parser::Evm(_));
        let mut check = Check::of(&self.history.wallet, &line, goes_by_index)?;
        for event in events {
            check.take_off(event)?;
        }
        if check.is_misplaced() {
            return Ok(Some(How::Misplaced));
        }
        if let Some(asset) = check.contradicted() {
            return Ok(Some(How::Moved(format!("of {asset} it moves another quantity"))));
        }
        let Some(prices) = prices else { return Ok(None) };
        Ok(self.booked(&mut line, events, &decimals, &prices).map(How::Booked))
    }

    /// Where the events that the transaction gives are not those of the bundle.
    fn booked(
        &mut self,
        line: &mut WalletTransaction,
        events: &[LedgerEvent],
        decimals: &BTreeMap<AssetId, u8>,
        prices: &[form::Price],
    ) -> Option<String> {
        let again = self.again.as_ref()?;
        self.replayed.made_again += 1;
        let prices = form::table(prices, events.first().map_or(0, |event| event.ts));
        match again.make(line, events, decimals, self.sums.facts(), &prices) {
            Ok(made) => difference(events, &made.events),
            Err(error) => Some(error.to_string()),
        }
    }

    fn differs(&mut self, tx_id: TxId, how: How) {
        if self.replayed.differing.len() < MOST_NAMED {
            self.replayed.differing.push(Differing { tx_id, how });
        } else {
            self.replayed.more_differing += 1;
        }
    }

    fn finish(self, head: &Head) -> Result<Replayed, ReplayError> {
        let Self { history, engine, sums, events, mut replayed, .. } = self;
        if events != head.events {
            return Err(ReplayError::Cut { found: events, expected: head.events });
        }
        replayed.sums = sums.contradicted(&history);
        replayed.silent = history.facts.transactions.saturating_sub(sums.facts().transactions);
        let outcome = engine.finish(Some(&history.prices)).map_err(WalletsError::from)?;
        let transactions = history.facts.transactions;
        let input =
            ReportInput { history: &history, outcome: &outcome, window: Window::ALL, transactions };
        let result = WalletPnl::build(input).map_err(WalletsError::from)?;
        replayed.result = serde_json::to_string(&result).map_err(corrupt)?;
        replayed.is_equal = replayed.result == head.result.get();
        Ok(replayed)
    }
}

impl Replayed {
    /// Whether the result is that of the bundle, and everything in it agrees.
    pub fn is_good(&self) -> bool {
        self.is_equal && self.differing.is_empty() && self.sums.is_empty()
    }
}

/// The first place where the events differ, and what stands there.
fn difference(said: &[LedgerEvent], made: &[LedgerEvent]) -> Option<String> {
    fn walk(said: &Value, made: &Value, place: &str) -> Option<String> {
        match (said, made) {
            (Value::Array(said), Value::Array(made)) if said.len() == made.len() => {
                said.iter().zip(made).enumerate().find_map(|(number, (said, made))| {
                    walk(said, made, &format!("{place}/{number}"))
                })
            }
            (Value::Object(said), Value::Object(made)) if said.keys().eq(made.keys()) => said
                .iter()
                .zip(made.values())
                .find_map(|((name, said), made)| walk(said, made, &format!("{place}/{name}"))),
            _ if said == made => None,
            _ => Some(format!("at {place} {}, not {}", shown(made), shown(said))),
        }
    }
    if said == made {
        return None;
    }
    let written = serde_json::to_value(said).ok().zip(serde_json::to_value(made).ok());
    let place = written.and_then(|(said, made)| walk(&said, &made, ""));
    Some(place.unwrap_or_else(|| "in a member that is not written".to_owned()))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
