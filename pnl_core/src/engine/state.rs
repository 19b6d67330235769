//! The state of an engine as a value: stored, loaded and continued.
//!
//! A state holds what later events can touch: open lots, lots under way, sums. Records are not part of
//! it, they are taken first ([`super::Engine::take_records`]) and stored apart. Continuing from a state
//! gives the same numbers as computing everything again, to the last unit.
//!
//! Its text is `{"version", "checksum", "state"}`; the checksum is the SHA-256 of the text of `state`.
//! A state of another version or with another checksum is refused: the history is then computed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::books::StoredBooks;
use super::outcome::Flows;
use super::rows::{NONE, Origin, Records};
use super::{Engine, EngineError, Options, Oversold, Transit};
use crate::amount::Usd;
use crate::hash;
use crate::method::Method;

/// Raised whenever the meaning of a state changes.
const VERSION: u32 = 2;

/// Why a state is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is no text of a state.
    #[error("not an engine state: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("engine state of version {0}, not {VERSION}")]
    Version(u32),
    /// It was changed or cut.
    #[error("engine state: the checksum differs")]
    Checksum,
    /// The engine has refused an event, so there is nothing to continue.
    #[error("engine state: {0}")]
    Refused(EngineError),
}

impl StateError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "state-unreadable",
            Self::Version(_) => "state-version",
            Self::Checksum => "state-checksum",
            Self::Refused(error) => error.code(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    checksum: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct State {
    method: Method,
    options: Options,
    first_ts: Option<i64>,
    last_ts: i64,
    origins: Vec<Origin>,
    books: StoredBooks,
    transit: BTreeMap<Arc<str>, Transit>,
    made_lots: BTreeMap<Arc<str>, u32>,
    dollar_fees: Flows,
    transferred: Usd,
    fee_ignored: Usd,
}

impl Engine {
    /// The state behind the last event, as text. Records that were not taken are not part of it.
    ///
    /// # Errors
    /// [`StateError::Refused`] when the history was refused.
    pub fn state(&self) -> Result<String, StateError> {
        if let Some(error) = &self.failed {
            return Err(StateError::Refused(error.clone()));
        }
        let mut engine = self.clone();
        engine.take_records();
        let made_lots = engine.made_lots.into_iter().collect();
        let state = State {
            method: engine.method,
            options: engine.options,
            first_ts: engine.first_ts,
            last_ts: engine.last_ts,
            origins: engine.records.origins,
            books: engine.books.store(),
            transit: engine.transit.into_iter().collect(),
            made_lots,
            dollar_fees: *engine.dollar_fees,
            transferred: engine.transferred,
            fee_ignored: engine.fee_ignored,
        };
        let state = serde_json::value::to_raw_value(&state)?;
        let checksum = hash::of_text(state.get());
        Ok(serde_json::to_string(&Envelope { version: VERSION, checksum, state: &state })?)
    }

    /// The engine that [`Self::state`] was taken from, without its records.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn resume(text: &str) -> Result<Self, StateError> {
        let Envelope { version, checksum, state } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        if hash::of_text(state.get()) != checksum {
            return Err(StateError::Checksum);
        }
        let state: State = serde_json::from_str(state.get())?;
        Ok(Self {
            method: state.method,
            books: Box::new(state.books.open(state.method, state.options.scope)),
            transit: state.transit.into_iter().collect(),
            made_lots: state.made_lots.into_iter().collect(),
            first_ts: state.first_ts,
            last_ts: state.last_ts,
            records: Box::new(Records {
                origins: state.origins,
                unmatched_gains: state.options.oversold == Oversold::ZeroBasis,
                ..Records::default()
            }),
            dollar_fees: Box::new(state.dollar_fees),
            transferred: state.transferred,
            fee_ignored: state.fee_ignored,
            failed: None,
            options: state.options,
        })
    }

    /// Uses the memory of records that nobody needs any more for the records to come. A system takes its
    /// time to hand out memory, about as long as the engine takes to fill it.
    pub fn reuse(&mut self, spent: Records) {
        self.records.reuse(spent);
    }

    /// Takes what was recorded since the beginning, or since it was last taken. Sums and lots stay, so
    /// the memory of an engine is bounded by its open lots when records are taken every so often; each
    /// time costs about as much as there are events since the last time and open lots.
    pub fn take_records(&mut self) -> Records {
        // Events that made a lot that is still there get new numbers, in their order.
        let mut numbers = vec![NONE; self.records.origins.len()];
        let under_way = self.transit.values().flat_map(|transit| &transit.pieces);
        for lot in self.books.lots().chain(under_way) {
            numbers[lot.order as usize] = 0;
        }
        let mut kept = Vec::new();
        for (number, origin) in numbers.iter_mut().zip(&self.records.origins) {
            if *number != NONE {
                // Not more of them than before.
                *number = kept.len() as u32;
                kept.push(origin.clone());
            }
        }
        let unmatched_gains = self.records.unmatched_gains;
        let fresh = Records { origins: kept, unmatched_gains, ..Records::default() };
        let mut taken = std::mem::replace(&mut *self.records, fresh);
        (taken.assets, taken.wallets) = self.books.names();

        let renumbered = |order: u32| numbers[order as usize];
        self.books.renumber(renumbered);
        for lot in self.transit.values_mut().flat_map(|transit| &mut transit.pieces) {
            lot.order = renumbered(lot.order);
        }
        self.made_lots.retain(|_, order| numbers[*order as usize] != NONE);
        self.made_lots.values_mut().for_each(|order| *order = renumbered(*order));
        taken
    }
}
