//! The state of an engine as a value: stored, loaded and continued.
//!
//! A state holds what later events can touch: open lots, lots under way, sums. Records are not part of
//! it, they are taken first ([`super::Engine::take_records`]) and stored apart. Continuing from a state
//! gives the same numbers as computing everything again, to the last unit.
//!
//! Its text is `{"version", "checksum", "state"}`; the checksum is the SHA-256 of the text of `state`.
//! A state of another version or with another checksum is refused: the history is then computed again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::books::StoredBooks;
use super::origins::Origin;
use super::outcome::Flows;
use super::rows::Records;
use super::survivors::Survivors;
use super::{Engine, EngineError, Options, Oversold, Transit};
use crate::amount::Usd;
use crate::hash;
use crate::method::Method;

/// As many events are always kept by number as a wallet of some size has.
pub(super) const FEW_ORIGINS: usize = 1 << 16;

/// Events are let go when there are so many for each that a lot needs: each time costs as much as there are open lots,
/// and each event that is kept its memory.
const KEPT_FOR_ONE_NEEDED: usize = 8;

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
    /// It names what it does not have, or its sums are not those of its lots.
    #[error("engine state: it contradicts itself")]
    Contradictory,
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
            Self::Contradictory => "state-contradictory",
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
struct StoredOrigin<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    ts: i64,
}

#[derive(Serialize, Deserialize)]
struct State<'a> {
    method: Method,
    options: Options,
    first_ts: Option<i64>,
    last_ts: i64,
    #[serde(borrow)]
    origins: Vec<StoredOrigin<'a>>,
    books: StoredBooks,
    transit: BTreeMap<Arc<str>, Transit>,
    made_lots: BTreeMap<Arc<str>, u32>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unmet: BTreeSet<Arc<str>>,
    dollar_fees: Flows,
    transferred: Usd,
    fee_ignored: Usd,
}

impl State<'_> {
    /// Whether everything it names is there, so that no later event can meet something that is not. A checksum
    /// tells of an accident; whoever makes a state makes its checksum as well.
    fn is_sound(&self) -> bool {
        let events = self.origins.len();
        let assets = self.books.assets();
        let is_known = |order: u32| (order as usize) < events;
        self.books.is_sound(self.method, events)
            && self.made_lots.values().all(|order| is_known(*order))
            && self.transit.values().all(|transit| {
                transit.asset < assets && transit.pieces.iter().all(|lot| lot.is_sound(events))
            })
    }
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
        engine.forget_origins();
        let made_lots = engine.made_lots.into_iter().collect();
        let state = State {
            method: engine.method,
            options: engine.options,
            first_ts: engine.first_ts,
            last_ts: engine.last_ts,
            origins: engine
                .records
                .origins
                .iter()
                .map(|Origin { id, ts }| StoredOrigin { id: Cow::Borrowed(id), ts })
                .collect(),
            books: engine.books.store(),
            transit: engine.transit.into_iter().collect(),
            made_lots,
            unmet: engine.unmet,
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
        let state: State<'_> = serde_json::from_str(state.get())?;
        if !state.is_sound() {
            return Err(StateError::Contradictory);
        }
        Ok(Self {
            method: state.method,
            books: Box::new(state.books.open(state.method, state.options.scope)),
            transit: state.transit.into_iter().collect(),
            chosen_lots: state.options.chosen_lots(),
            made_lots: state.made_lots.into_iter().collect(),
            unmet: state.unmet,
            first_ts: state.first_ts,
            last_ts: state.last_ts,
            records: Box::new(Records {
                origins: state
                    .origins
                    .iter()
                    .map(|StoredOrigin { id, ts }| Origin { id, ts: *ts })
                    .collect(),
                unmatched_gains: state.options.oversold == Oversold::ZeroBasis,
                ..Records::default()
            }),
            dollar_fees: Box::new(state.dollar_fees),
            transferred: state.transferred,
            fee_ignored: state.fee_ignored,
            failed: None,
            block: Box::default(),
            queues: false,
            most_origins: FEW_ORIGINS,
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
    /// time costs about as much as there are events since the last time.
    pub fn take_records(&mut self) -> Records {
        if self.records.origins.len() > self.most_origins {
            self.forget_origins();
            let needed = self.records.origins.first_open() as usize;
            self.most_origins = FEW_ORIGINS + KEPT_FOR_ONE_NEEDED * needed;
        }
        let origins = self.records.origins.share();
        let unmatched_gains = self.records.unmatched_gains;
        let fresh = Records {
            origins: std::mem::replace(&mut self.records.origins, origins),
            unmatched_gains,
            ..Records::default()
        };
        let mut taken = std::mem::replace(&mut *self.records, fresh);
        (taken.assets, taken.wallets) = self.books.names();
        taken
    }

    /// Lets go of the events before the records at hand that neither these nor a lot refer to. The others get
    /// new numbers, in their order.
    fn forget_origins(&mut self) {
        let survivors = Survivors::new(self.records.origins.first_open(), |keep| {
            let moving = self.transit.values().flat_map(|transit| &transit.pieces);
            moving.for_each(|lot| keep(lot.order));
            self.records.matches.iter().for_each(|row| keep(row.lot));
            self.books.for_each_order(keep);
        });
        let renumbered = |order: u32| survivors.renumbered(order);
        self.records.origins.keep(&survivors);
        self.records.renumber(renumbered);
        self.books.renumber(renumbered);
        for lot in self.transit.values_mut().flat_map(|transit| &mut transit.pieces) {
            lot.order = renumbered(lot.order);
        }
        self.made_lots.retain(|_, order| survivors.stays(*order));
        self.made_lots.values_mut().for_each(|order| *order = renumbered(*order));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    /// Lots that outlive events without a name, and one that is used up among the records at hand.
    const HISTORY: &str = r#"{"method": "fifo", "events": [
        {"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 5, "decimals": 0, "value": "10"},
        {"id": "b", "ts": 2, "kind": "acquire", "asset": "U", "qty": 1, "decimals": 0, "value": "7"},
        {"id": "s", "ts": 3, "kind": "dispose", "asset": "U", "qty": 1, "decimals": 0, "value": "9"},
        {"id": "c", "ts": 4, "kind": "acquire", "asset": "T", "qty": 2, "decimals": 0, "value": "8"},
        {"id": "i", "ts": 5, "kind": "income", "asset": "U", "qty": 3, "decimals": 0, "value": "3"},
        {"id": "t", "ts": 6, "kind": "dispose", "asset": "T", "qty": 4, "decimals": 0, "value": "20"},
        {"id": "u", "ts": 7, "kind": "dispose", "asset": "T", "qty": 3, "decimals": 0, "value": "9"},
        {"id": "f", "ts": 8, "kind": "fee", "asset": "U", "qty": 2, "decimals": 0, "value": "2"}]}"#;

    fn lines(records: &Records) -> Vec<String> {
        let disposals = records.disposals().map(|row| serde_json::to_string(&row).unwrap());
        let incomes = records.incomes().map(|row| serde_json::to_string(&row).unwrap());
        let fees = records.fees().map(|row| serde_json::to_string(&row).unwrap());
        disposals.chain(incomes).chain(fees).collect()
    }

    #[test]
    fn events_that_are_let_go_leave_every_record_as_it_is() {
        let events = Document::read(HISTORY).unwrap().events;
        let mut whole = Engine::new(Method::Fifo, Options::default()).unwrap();
        events.iter().for_each(|event| whole.apply(event).unwrap());
        let whole = whole.finish(None).unwrap();
        let mut expected = lines(&whole.records);
        expected.sort();
        // Every so many events, those that nobody needs are let go with records at hand.
        for every in 1..=events.len() {
            let mut engine = Engine::new(Method::Fifo, Options::default()).unwrap();
            let mut taken = Vec::new();
            for batch in events.chunks(every) {
                batch.iter().for_each(|event| engine.apply(event).unwrap());
                engine.most_origins = 0;
                taken.push(engine.take_records());
            }
            assert!(engine.records.origins.len() <= every + 3, "every {every}");
            let rest = engine.finish(None).unwrap();
            assert_eq!(rest.totals, whole.totals, "every {every}");
            assert!(rest.lots().eq(whole.lots()), "every {every}");
            let mut all: Vec<_> = taken.iter().flat_map(lines).collect();
            all.sort();
            assert_eq!(all, expected, "every {every}");
        }
    }

    #[test]
    fn a_state_that_names_what_it_does_not_have_is_refused() {
        let events = Document::read(HISTORY).unwrap().events;
        for method in [Method::Fifo, Method::Average] {
            let mut engine = Engine::new(method, Options::default()).unwrap();
            events[..5].iter().for_each(|event| engine.apply(event).unwrap());
            let stored: serde_json::Value = serde_json::from_str(&engine.state().unwrap()).unwrap();
            // With the checksum of the changed state.
            let resumed = |place: &str, value: serde_json::Value| {
                let mut state = stored["state"].clone();
                *state.pointer_mut(place).unwrap() = value;
                let state = serde_json::value::to_raw_value(&state).unwrap();
                let checksum = hash::of_text(state.get());
                let envelope = Envelope { version: VERSION, checksum, state: &state };
                Engine::resume(&serde_json::to_string(&envelope).unwrap()).map(drop)
            };
            let first = stored.pointer("/state/books/books/0/2/lots/0/order").unwrap().clone();
            assert!(
                resumed("/books/books/0/2/lots/0/order", first).is_ok(),
                "{method}: the state itself"
            );
            let mut forged = vec![
                ("/books/books/0/0", 9.into()),
                ("/books/books/0/1", 9.into()),
                ("/books/books/0/2/arrivals", 0.into()),
                ("/books/books/0/2/arrivals", u64::MAX.into()),
                ("/books/books/0/2/lots/0/order", 9.into()),
                ("/books/books/0/2/lots/0/quantity", "0".into()),
                ("/books/books/0/2/lots/1/arrival", 0.into()),
            ];
            if method == Method::Average {
                forged.push(("/books/books/0/2/pool/quantity", "1".into()));
                forged.push(("/books/books/0/2/pool", serde_json::Value::Null));
            }
            for (place, value) in forged {
                let error = resumed(place, value).unwrap_err();
                assert_eq!(error.code(), "state-contradictory", "{method} {place}: {error}");
            }
        }
    }
}
