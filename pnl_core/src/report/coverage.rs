//! What a result rests on: the inputs of a report beside the engine's outcome.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, RawAmount, RawDelta, UsdPrice};
use crate::asset::AssetId;
use crate::chain::{Address, Chain, Pin};
use crate::ledger::HistoryFacts;

/// What was looked at, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Whether everything that can be known was read. Never true for a history with gaps.
    pub complete: bool,
    /// What was read, by name.
    pub sources: Vec<String>,
    /// What was not, in words.
    pub missing: Vec<String>,
    /// Set when only the newest part of the history was read.
    pub truncated: Option<Truncation>,
}

/// Why a history was cut, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncation {
    /// Stable name of the limit that cut it: `max_transactions`, `max_token_accounts`.
    pub reason: String,
    /// The oldest block that was read; `None` when nothing was.
    pub oldest_block: Option<u64>,
}

/// Everything a report needs beside the events: stored with the ledger, so that any method and any
/// window can be reported later from what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Whose history.
    pub wallet: Address,
    /// On which chain.
    pub chain: Chain,
    /// Up to where.
    pub pin: Pin,
    /// Its sums; see [`crate::ledger::LedgerBuilder::facts`].
    pub facts: HistoryFacts,
    /// US dollars per whole unit at the pin; see [`crate::ledger::LedgerBuilder::pin_prices`].
    pub prices: BTreeMap<AssetId, UsdPrice>,
    /// What the chain says the wallet holds at the pin, base units; `None` when it cannot be asked
    /// about the past and newer movements hide it.
    pub balances: Option<BTreeMap<AssetId, RawAmount>>,
    /// Whether the history was ended before the pin on request: then there are no balances to compare with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_past: bool,
    /// What balances have shown that are not those above: of a past those of the whole history, of a group those of
    /// each wallet, whose differences can cancel each other out.
    #[serde(default, skip_serializing_if = "Comparison::says_nothing")]
    pub compared_elsewhere: Comparison,
    /// What was looked at.
    pub coverage: Coverage,
    /// The version of the parser that read the transactions.
    pub parser_version: String,
    /// Fingerprint of the prices; see [`crate::hash::PriceSetHasher`].
    pub price_set_hash: String,
    /// Fingerprint of the transactions; see [`crate::hash::InputHasher`].
    pub input_hash: String,
}

/// What the comparison of balances with the sum of all movements has shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// Whether it could be made, for all that the history is of.
    pub is_made: bool,
    /// Assets that differ: movements of them were not seen.
    pub differing: BTreeSet<AssetId>,
}

impl Comparison {
    fn says_nothing(&self) -> bool {
        !self.is_made && self.differing.is_empty()
    }
}

/// A quantity that the movements do not explain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexplainedRaw {
    /// The asset.
    pub asset: AssetId,
    /// Balance less the sum of all movements, base units.
    pub raw: RawDelta,
}

impl History {
    /// Balance at the pin less the sum of the movements, for every asset where they differ; `None`
    /// when the balance at the pin is not known.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a difference does not fit.
    pub fn unexplained(&self) -> Result<Option<Vec<UnexplainedRaw>>, AmountError> {
        let Some(balances) = &self.balances else { return Ok(None) };
        let mut rests: BTreeMap<&AssetId, RawDelta> = BTreeMap::new();
        for (asset, balance) in balances {
            rests.insert(asset, balance.into_delta());
        }
        for (asset, facts) in &self.facts.assets {
            let rest = rests.entry(asset).or_default();
            *rest = rest.checked_sub(facts.raw)?;
        }
        let rests = rests.into_iter().filter(|(_, raw)| !raw.is_zero());
        Ok(Some(rests.map(|(asset, raw)| UnexplainedRaw { asset: asset.clone(), raw }).collect()))
    }

    /// What balances have shown, those at the pin and others.
    ///
    /// # Errors
    /// As [`Self::unexplained`].
    pub fn comparison(&self) -> Result<Comparison, AmountError> {
        let mut comparison = self.compared_elsewhere.clone();
        if let Some(rests) = self.unexplained()? {
            comparison.is_made = true;
            comparison.differing.extend(rests.into_iter().map(|rest| rest.asset));
        }
        Ok(comparison)
    }

    /// The coverage as far as the history bears it out: one that was cut, has gaps, or does not add up
    /// to the balance is never shown as complete.
    ///
    /// # Errors
    /// As [`Self::unexplained`].
    pub fn judged(&self) -> Result<Coverage, AmountError> {
        let facts = &self.facts;
        let mut coverage = self.coverage.clone();
        let unread = facts.incomplete_native > 0
            || facts.incomplete_fee > 0
            || facts.unexplained_transactions > 0;
        let adds_up = self.comparison()?.differing.is_empty();
        coverage.complete &=
            coverage.missing.is_empty() && coverage.truncated.is_none() && !unread && adds_up;
        Ok(coverage)
    }
}
