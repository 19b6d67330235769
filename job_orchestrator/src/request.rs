//! What a batch asks for: method, options, window and bound, as given and as resolved.
//!
//! The batch row stores it as JSON, so that any instance computes the same thing later. A preset
//! window is resolved against the pin of the batch, never against the clock.

use std::str::FromStr;

use pnl_core::engine::{OptionError, Options};
use pnl_core::{Method, Pin, Window};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Wallets of one group: the ledgers of all are read side by side.
pub const MOST_WALLETS_OF_A_GROUP: usize = 100;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Which disposals, incomes and fees a result counts. Lots are always computed from the first
/// transaction on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TimeRange {
    /// A named length that ends at the pin.
    Preset(Preset),
    /// Half-open: from `from` on, before `to`. Unix seconds.
    Between {
        /// First second inside.
        from: i64,
        /// First second outside.
        to: i64,
    },
    /// Over the history up to a moment, as if nothing had come after it. A version that cannot do
    /// that cannot read it either.
    AsOf {
        /// The last second of the history, unix.
        as_of: i64,
        /// What of that history is counted; a preset ends at its end.
        within: Within,
    },
    /// Over the whole history up to a block. Of several blocks of one second it leaves out the later ones.
    AsOfBlock {
        /// The last block (Solana: slot) of the history.
        as_of_block: u64,
    },
}

/// Where a history ends before the pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryEnd {
    /// Behind the last block of this second, unix.
    Moment(i64),
    /// Behind this block.
    Block(u64),
}

impl HistoryEnd {
    /// Whether something at `block` and `time` comes after it. What has no time is of no moment.
    pub fn is_before(self, block: u64, time: Option<i64>) -> bool {
        match self {
            Self::Moment(end) => time > Some(end),
            Self::Block(end) => block > end,
        }
    }
}

/// A window of a history that ends in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Within {
    /// A named length.
    Preset(Preset),
    /// Half-open, unix seconds.
    Between {
        /// First second inside.
        from: i64,
        /// First second outside.
        to: i64,
    },
}

/// The window reaches beyond the end of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time range must end at as_of or before it")]
pub struct BeyondAsOf;

/// A window in a history that ends with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a time range goes with a time, not with a block: leave it out, or give the time at which the history ends"
)]
pub struct RangeWithBlock;

impl Default for TimeRange {
    fn default() -> Self {
        Self::Preset(Preset::All)
    }
}

impl TimeRange {
    /// The same of the history up to `as_of` (unix seconds, itself included).
    ///
    /// # Errors
    /// [`BeyondAsOf`] when it ends behind that.
    pub fn up_to(self, as_of: i64) -> Result<Self, BeyondAsOf> {
        let within = match self {
            Self::Preset(preset) => Within::Preset(preset),
            Self::Between { from, to } if to <= as_of.saturating_add(1) => {
                Within::Between { from, to }
            }
            Self::Between { .. } | Self::AsOf { .. } | Self::AsOfBlock { .. } => {
                return Err(BeyondAsOf);
            }
        };
        Ok(Self::AsOf { as_of, within })
    }

    /// The same up to `block`, itself included.
    ///
    /// # Errors
    /// [`RangeWithBlock`] unless it is all of the history: which seconds a block ends is not known beforehand.
    pub fn up_to_block(self, as_of_block: u64) -> Result<Self, RangeWithBlock> {
        if self == Self::default() {
            Ok(Self::AsOfBlock { as_of_block })
        } else {
            Err(RangeWithBlock)
        }
    }

    /// Whether it counts less than all of the history up to its end.
    pub fn is_window(self) -> bool {
        match self {
            Self::AsOf { within, .. } => within != Within::Preset(Preset::All),
            Self::AsOfBlock { .. } => false,
            Self::Preset(_) | Self::Between { .. } => self != Self::default(),
        }
    }

    /// The end of the history, where that is not the pin.
    pub const fn end(self) -> Option<HistoryEnd> {
        match self {
            Self::AsOf { as_of, .. } => Some(HistoryEnd::Moment(as_of)),
            Self::AsOfBlock { as_of_block } => Some(HistoryEnd::Block(as_of_block)),
            Self::Preset(_) | Self::Between { .. } => None,
        }
    }

    /// The window it means for a history that ends at `pin`.
    pub fn resolve(self, pin: Pin) -> Window {
        match self {
            // The moment itself belongs to the history, so the window ends behind it.
            Self::AsOf { within: Within::Preset(preset), .. } => {
                let behind = Pin { block_time: pin.block_time.saturating_add(1), ..pin };
                Self::Preset(preset).resolve(behind)
            }
            Self::AsOf { within: Within::Between { from, to }, .. } => {
                Self::Between { from, to }.resolve(pin)
            }
            Self::Preset(preset) => preset.seconds().map_or(Window::ALL, |seconds| Window {
                from: Some(pin.block_time.saturating_sub(seconds)),
                to: Some(pin.block_time),
            }),
            Self::Between { from, to } => Window { from: Some(from), to: Some(to) },
            Self::AsOfBlock { .. } => Window::ALL,
        }
    }
}

/// The named windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// The whole history.
    #[serde(rename = "all")]
    All,
    /// One hour.
    #[serde(rename = "1h")]
    Hour,
    /// 24 hours.
    #[serde(rename = "1d")]
    Day,
    /// 7 days.
    #[serde(rename = "7d")]
    Week,
    /// 30 days.
    #[serde(rename = "30d")]
    Month,
    /// 90 days.
    #[serde(rename = "90d")]
    Quarter,
    /// 365 days.
    #[serde(rename = "1y")]
    Year,
}

/// The text names no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time range {0:?}; known are all, 1h, 1d, 7d, 30d, 90d, 1y")]
pub struct UnknownPreset(pub String);

impl Preset {
    /// All windows, the shortest last but for `all`.
    pub const ALL: [Self; 7] =
        [Self::All, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Year => "1y",
        }
    }

    const fn seconds(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Hour => Some(HOUR),
            Self::Day => Some(DAY),
            Self::Week => Some(7 * DAY),
            Self::Month => Some(30 * DAY),
            Self::Quarter => Some(90 * DAY),
            Self::Year => Some(365 * DAY),
        }
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let known = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        known.ok_or_else(|| UnknownPreset(text.to_owned()))
    }
}

/// How the wallets of a batch are analyzed. Stored with the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Cost-basis method.
    #[serde(default)]
    pub method: Method,
    /// Accounting options that differ from the defaults, by name.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// What the result counts.
    #[serde(default)]
    pub time_range: TimeRange,
    /// Only the newest so many transactions, failed ones included. A bound on the view: it cuts
    /// also what is already stored.
    #[serde(default)]
    pub max_transactions: Option<u32>,
    /// Whether the wallets are also computed as one history. The store reads it by this name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub group: bool,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            method: Method::default(),
            options: Map::new(),
            time_range: TimeRange::default(),
            max_transactions: None,
            group: false,
        }
    }
}

impl Analysis {
    /// The options as the engine takes them, over the service's defaults.
    ///
    /// # Errors
    /// [`OptionError`] names the option that is unknown or has a wrong value.
    pub fn engine_options(&self, mut defaults: Options) -> Result<Options, OptionError> {
        for (name, value) in &self.options {
            defaults.set(name, value)?;
        }
        Ok(defaults)
    }

    /// Where the history ends whose last transaction is in `last_block` and whose last event is at `last_time`:
    /// at the pin, or before it.
    ///
    /// A block before the pin has the time of the last event up to it: no other is known of it.
    pub fn end_of_history(&self, pin: Pin, last_block: Option<u64>, last_time: Option<i64>) -> Pin {
        match self.time_range.end() {
            Some(HistoryEnd::Moment(as_of)) if as_of < pin.block_time => {
                Pin { block: last_block.unwrap_or(0), block_time: as_of }
            }
            Some(HistoryEnd::Block(block)) if block < pin.block => {
                Pin { block, block_time: last_time.unwrap_or(0) }
            }
            _ => pin,
        }
    }

    /// The form in which the batch row holds it.
    pub fn to_batch(&self) -> Value {
        serde_json::to_value(self).expect("names, numbers and checked JSON always serialize")
    }

    /// Reads the form of the batch row.
    ///
    /// # Errors
    /// When the row was not written by [`Self::to_batch`] of this or an earlier version.
    pub fn of_batch(request: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(request)
    }

    /// Whether the result may stand for the wallet in lists: full history, default method, default
    /// options. A group changes nothing in the results of its wallets.
    pub fn is_default(&self) -> bool {
        Self { group: false, ..self.clone() } == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: Pin = Pin { block: 300, block_time: 1_700_000_000 };

    fn read(text: &str) -> TimeRange {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn presets_end_at_the_pin_and_all_has_no_window() {
        let window = |from, to| Window { from: Some(from), to: Some(to) };
        assert_eq!(read("\"all\"").resolve(PIN), Window::ALL);
        assert_eq!(read("\"1h\"").resolve(PIN), window(1_699_996_400, 1_700_000_000));
        assert_eq!(read("\"1y\"").resolve(PIN), window(1_668_464_000, 1_700_000_000));
    }

    #[test]
    fn a_range_is_taken_as_it_is() {
        let window = Window { from: Some(5), to: Some(9) };
        assert_eq!(read(r#"{"from":5,"to":9}"#).resolve(PIN), window);
    }

    #[test]
    fn a_range_up_to_a_moment_ends_there_and_is_unreadable_to_versions_without() {
        let past = Pin { block: 200, block_time: 1_600_000_000 };
        let range = read("\"1h\"").up_to(past.block_time).unwrap();
        assert_eq!(range.end(), Some(HistoryEnd::Moment(past.block_time)));
        let hour = Window { from: Some(past.block_time - 3_599), to: Some(past.block_time + 1) };
        assert_eq!(range.resolve(past), hour, "the moment itself is inside");
        let all = TimeRange::default().up_to(past.block_time).unwrap();
        assert_eq!(all.resolve(past), Window::ALL);
        let text = serde_json::to_string(&range).unwrap();
        assert_eq!(text, r#"{"as_of":1600000000,"within":"1h"}"#);
        assert_eq!(read(&text), range);
        let between = TimeRange::Between { from: 5, to: 9 };
        assert_eq!(
            read(&serde_json::to_string(&between.up_to(8).unwrap()).unwrap()).end(),
            Some(HistoryEnd::Moment(8))
        );
        assert_eq!(between.up_to(7), Err(BeyondAsOf));
        assert!(range.up_to(9).is_err());
    }

    #[test]
    fn a_range_up_to_a_block_is_all_before_it_and_unreadable_to_versions_without() {
        let range = TimeRange::default().up_to_block(200).unwrap();
        let text = serde_json::to_string(&range).unwrap();
        assert_eq!(text, r#"{"as_of_block":200}"#);
        assert_eq!(read(&text), range);
        assert_eq!(range.resolve(PIN), Window::ALL);
        assert!(read("\"1h\"").up_to_block(200).is_err() && range.up_to(9).is_err());
        let end = range.end().unwrap();
        assert!(!end.is_before(200, Some(i64::MAX)) && end.is_before(201, None));
        let analysis = Analysis { time_range: range, ..Analysis::default() };
        let past = Pin { block: 200, block_time: 1_600_000_000 };
        assert_eq!(analysis.end_of_history(PIN, Some(199), Some(past.block_time)), past);
        assert_eq!(
            analysis.end_of_history(Pin { block: 200, ..PIN }, None, None).block_time,
            PIN.block_time
        );
    }

    #[test]
    fn every_preset_is_stored_under_the_name_it_is_asked_by() {
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(preset));
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
        }
        assert!("2d".parse::<Preset>().is_err());
    }

    #[test]
    fn an_empty_request_is_the_default_analysis() {
        let empty: Analysis = serde_json::from_str("{}").unwrap();
        assert!(empty.is_default());
        let bounded: Analysis = serde_json::from_str(r#"{"max_transactions":5}"#).unwrap();
        assert!(!bounded.is_default());
        let text = serde_json::to_string(&bounded).unwrap();
        assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), bounded);
        let group = Analysis { group: true, ..Analysis::default() };
        assert!(group.is_default() && persistence_layer::groups::is_asked_for(&group.to_batch()));
        assert!(!persistence_layer::groups::is_asked_for(&empty.to_batch()));
    }
}
