//! The accounting options: every convention that people disagree about, by name.
//!
//! The names, values and defaults are those of an accounting document; docs/accounting.md has the
//! reason of every default. An unknown name or value is refused, never ignored.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::amount::RawAmount;
use crate::asset::AssetId;
use crate::method::Method;

/// Declares an option with named values; the first value is the default.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        pub enum $name {
            #[default]
            $($(#[$value_doc])* #[serde(rename = $text)] $value,)+
        }

        impl $name {
            const VALUES: &[(&'static str, Self)] = &[$(($text, Self::$value)),+];
        }
    };
}

choice! {
    /// Which lots may cover a disposal (`scope`).
    Scope {
        /// Lots of the same wallet and asset.
        Wallet = "wallet",
        /// Lots of the same asset in any wallet.
        Global = "global",
    }
}
choice! {
    /// What a fee does (`fee_policy`).
    FeePolicy {
        /// Its value joins the cost of an acquisition or comes off the proceeds of a disposal; the
        /// fee's own asset is disposed of at market.
        Attach = "attach",
        /// The trade is untouched; the fee's asset is disposed of at market and its value is an
        /// expense.
        Separate = "separate",
        /// The trade is untouched; the fee's asset leaves at its basis.
        Ignore = "ignore",
    }
}
choice! {
    /// Which leg of a swap carries an attached fee (`swap_fee_side`).
    SwapFeeSide {
        /// The leg that is no quote asset; when both or neither are one: the leg that left.
        Auto = "auto",
        /// The leg that came in.
        In = "in",
        /// The leg that left.
        Out = "out",
    }
}
choice! {
    /// What happens to a quantity that no lot covers (`oversold`).
    Oversold {
        /// Its share of the proceeds is reported, no gain is booked.
        Exclude = "exclude",
        /// Its share of the proceeds is all gain.
        ZeroBasis = "zero_basis",
        /// The history is refused.
        Error = "error",
    }
}
choice! {
    /// The basis of what arrives without a link (`transfer_in`).
    TransferInBasis {
        /// Market value at receipt; unknown without a value.
        Market = "market",
        /// Always unknown.
        Unknown = "unknown",
        /// Zero.
        Zero = "zero",
        /// Market value, which is income as well.
        Income = "income",
    }
}
choice! {
    /// What a transfer out without a link is (`transfer_out`).
    TransferOutAs {
        /// The lots leave at their basis, without gain.
        Basis = "basis",
        /// A disposal at market.
        Dispose = "dispose",
    }
}
choice! {
    /// What a missing value means (`unpriced`).
    Unpriced {
        /// Unknown.
        Unknown = "unknown",
        /// Zero.
        Zero = "zero",
    }
}
choice! {
    /// What HIFO compares (`hifo_key`). Without effect on the other methods.
    HifoKey {
        /// Unit cost with attached fees.
        UnitCost = "unit_cost",
        /// Unit cost without fees.
        Spot = "spot",
    }
}
choice! {
    /// The order inside one second (`same_ts`). Applied where a document is sorted
    /// ([`crate::document`]); the engine takes events in the order in which they come.
    SameTs {
        /// Chain order.
        Sequence = "sequence",
        /// Acquisitions before everything else.
        AcquireFirst = "acquire_first",
    }
}

/// All accounting options. Serialized, every option is spelled out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Options {
    /// Which lots may cover a disposal.
    pub scope: Scope,
    /// What a fee does.
    pub fee_policy: FeePolicy,
    /// Which leg of a swap carries an attached fee.
    pub swap_fee_side: SwapFeeSide,
    /// Assets that others are paid with: the native coin and listed stablecoins. They have lots like
    /// any asset, but are no positions in the metrics.
    pub quote_assets: Vec<AssetId>,
    /// Assets that are not tracked as lots at all.
    pub cash_assets: Vec<AssetId>,
    /// What happens to a quantity that no lot covers.
    pub oversold: Oversold,
    /// The basis of what arrives without a link.
    pub transfer_in: TransferInBasis,
    /// What a transfer out without a link is.
    pub transfer_out: TransferOutAs,
    /// What a missing value means.
    pub unpriced: Unpriced,
    /// What HIFO compares.
    pub hifo_key: HifoKey,
    /// The order inside one second.
    pub same_ts: SameTs,
    /// Of specific identification: by event, the lots that what leaves by it is taken from. Fees paid
    /// with the event are not part of it. Spelled out where it is not empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lots: BTreeMap<Arc<str>, Vec<ChosenLot>>,
}

/// A part of a disposal that is to be taken from a named lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChosenLot {
    /// The lot: the id of the event that made it.
    pub lot: Arc<str>,
    /// Base units, not zero.
    #[serde(rename = "raw")]
    pub quantity: RawAmount,
}

/// Why options were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Options are not an object.
    #[error("options must be an object")]
    NotAnObject,
    /// No option has this name.
    #[error("unknown option {name:?}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The option does not have this value.
    #[error("option {name:?} cannot be {value}; expected {expected}")]
    BadValue {
        /// The option.
        name: String,
        /// The value as JSON text.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// The option has no meaning for the method.
    #[error("option {name:?} contradicts the method {method}")]
    Contradiction {
        /// The option.
        name: &'static str,
        /// The method.
        method: Method,
    },
}

impl OptionError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "options-not-an-object",
            Self::UnknownName { .. } => "unknown-option",
            Self::BadValue { .. } => "bad-option-value",
            Self::Contradiction { .. } => "option-contradicts-method",
        }
    }

    /// The option at fault, where it is one.
    pub fn option(&self) -> Option<&str> {
        match self {
            Self::NotAnObject => None,
            Self::UnknownName { name } | Self::BadValue { name, .. } => Some(name),
            Self::Contradiction { name, .. } => Some(name),
        }
    }
}

impl Options {
    /// The defaults with these quote assets.
    pub fn with_quote_assets(assets: impl IntoIterator<Item = AssetId>) -> Self {
        Self { quote_assets: assets.into_iter().collect(), ..Self::default() }
    }

    /// Reads options from a JSON object; what is not named keeps its default.
    ///
    /// # Errors
    /// [`OptionError`], naming the first option that is unknown or has a wrong value.
    pub fn from_json(value: &Value) -> Result<Self, OptionError> {
        let object = value.as_object().ok_or(OptionError::NotAnObject)?;
        let mut options = Self::default();
        for (name, value) in object {
            options.set(name, value)?;
        }
        Ok(options)
    }

    /// Sets one option by name.
    ///
    /// # Errors
    /// [`OptionError`] when there is no such option or value.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), OptionError> {
        match name {
            "scope" => self.scope = choose(name, value, Scope::VALUES)?,
            "fee_policy" => self.fee_policy = choose(name, value, FeePolicy::VALUES)?,
            "swap_fee_side" => self.swap_fee_side = choose(name, value, SwapFeeSide::VALUES)?,
            "quote_assets" => self.quote_assets = assets(name, value)?,
            "cash_assets" => self.cash_assets = assets(name, value)?,
            "oversold" => self.oversold = choose(name, value, Oversold::VALUES)?,
            "transfer_in" => self.transfer_in = choose(name, value, TransferInBasis::VALUES)?,
            "transfer_out" => self.transfer_out = choose(name, value, TransferOutAs::VALUES)?,
            "unpriced" => self.unpriced = choose(name, value, Unpriced::VALUES)?,
            "hifo_key" => self.hifo_key = choose(name, value, HifoKey::VALUES)?,
            "same_ts" => self.same_ts = choose(name, value, SameTs::VALUES)?,
            "lots" => self.lots = chosen_lots(name, value)?,
            _ => return Err(OptionError::UnknownName { name: name.to_owned() }),
        }
        Ok(())
    }

    /// Ids of the events whose lots are chosen.
    pub(super) fn chosen_lots(&self) -> Arc<HashSet<Arc<str>>> {
        let chosen = self.lots.values().flatten();
        Arc::new(chosen.map(|chosen| Arc::clone(&chosen.lot)).collect())
    }

    /// Whether the options go with `method`: only specific identification can be told which lots.
    ///
    /// # Errors
    /// [`OptionError::Contradiction`].
    pub fn check(&self, method: Method) -> Result<(), OptionError> {
        if method != Method::Specific && !self.lots.is_empty() {
            return Err(OptionError::Contradiction { name: "lots", method });
        }
        Ok(())
    }

    /// The options that differ from the defaults, by name.
    pub fn non_default(&self) -> Map<String, Value> {
        let [own, defaults] = [self, &Self::default()].map(|options| {
            serde_json::to_value(options).expect("names and lists of texts always serialize")
        });
        let (Value::Object(mut own), Value::Object(defaults)) = (own, defaults) else {
            unreachable!("a struct serializes as an object");
        };
        own.retain(|name, value| defaults.get(name) != Some(value));
        own
    }
}

fn choose<T: Copy>(name: &str, value: &Value, values: &[(&str, T)]) -> Result<T, OptionError> {
    let chosen = value.as_str().and_then(|text| values.iter().find(|(known, _)| *known == text));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = values.iter().map(|(known, _)| *known).collect();
        bad_value(name, value, format!("one of {}", names.join(", ")))
    })
}

fn assets(name: &str, value: &Value) -> Result<Vec<AssetId>, OptionError> {
    let ids: Option<Vec<_>> = value
        .as_array()
        .and_then(|list| list.iter().map(|id| id.as_str().map(AssetId::new)).collect());
    ids.ok_or_else(|| bad_value(name, value, "a list of asset ids".to_owned()))
}

fn chosen_lots(
    name: &str,
    value: &Value,
) -> Result<BTreeMap<Arc<str>, Vec<ChosenLot>>, OptionError> {
    let read_lot = |lot: &Value| {
        let raw = match lot.get("raw")? {
            Value::String(text) => text.parse::<RawAmount>().ok()?,
            number => number.as_u64()?.into(),
        };
        let known = lot.as_object()?.len() == 2 && !raw.is_zero();
        Some(ChosenLot { lot: lot.get("lot")?.as_str()?.into(), quantity: raw }).filter(|_| known)
    };
    let read_event = |(event, lots): (&String, &Value)| {
        let lots: Option<Vec<_>> = lots.as_array()?.iter().map(read_lot).collect();
        Some((Arc::from(event.as_str()), lots?))
    };
    let events = value.as_object().and_then(|events| events.iter().map(read_event).collect());
    events.ok_or_else(|| {
        bad_value(name, value, "{event: [{\"lot\": id, \"raw\": base units}]}".to_owned())
    })
}

fn bad_value(name: &str, value: &Value, expected: String) -> OptionError {
    OptionError::BadValue { name: name.to_owned(), value: value.to_string(), expected }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_spelled_out_reads_back_as_it_was() {
        let options = Options {
            oversold: Oversold::ZeroBasis,
            ..Options::with_quote_assets([AssetId::native(), AssetId::new("USDC")])
        };
        let text = serde_json::to_value(&options).unwrap();
        let chosen = json!({"lots": {"s": [{"lot": "b", "raw": "5"}]}});
        assert_eq!(
            Options::from_json(&chosen).unwrap().non_default(),
            *chosen.as_object().unwrap()
        );
        assert_eq!(text["scope"], "wallet");
        assert_eq!(text["quote_assets"], json!(["native", "USDC"]));
        assert_eq!(text.as_object().unwrap().len(), 11, "every option is spelled out");
        assert_eq!(Options::from_json(&text).unwrap(), options);
        let changed = json!({"oversold": "zero_basis", "quote_assets": ["native", "USDC"]});
        assert_eq!(Value::Object(options.non_default()), changed);
    }

    #[test]
    fn unknown_names_and_values_are_refused_by_name() {
        for (options, named) in [
            (json!({"scop": "wallet"}), "\"scop\""),
            (json!({"scope": "galaxy"}), "\"scope\" cannot be \"galaxy\""),
            (json!({"scope": null}), "\"scope\" cannot be null; expected one of wallet, global"),
            (json!({"quote_assets": "SOL"}), "\"quote_assets\" cannot be \"SOL\""),
            (json!({"cash_assets": [1]}), "\"cash_assets\" cannot be [1]"),
            (json!({"lots": []}), "\"lots\" cannot be []"),
            (json!({"lots": {"s": {}}}), "\"lots\" cannot be {"),
            (json!({"lots": {"s": [{"lot": "b", "raw": "0"}]}}), "\"lots\" cannot be {"),
            (json!({"lots": {"s": [{"lot": "b", "raw": 1, "x": 1}]}}), "\"lots\" cannot be {"),
            (json!([]), "must be an object"),
        ] {
            let error = Options::from_json(&options).unwrap_err();
            assert!(error.to_string().contains(named), "{options}: {error}");
        }
    }
}
