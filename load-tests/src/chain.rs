//! What the node knows: recorded transactions, made-up wallets, prices.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::evm::EvmChain;
use crate::prices::PriceTables;
use crate::recorded::{Recorded, Row, TokenAccount};
use crate::synthetic::{Synthetic, SyntheticPlan};

/// Slots between the newest transaction and the head of the chain.
const HEAD_DISTANCE: u64 = 32;

/// A chain that can be served.
#[derive(Debug, Default)]
pub struct RecordedChain {
    pub(crate) recorded: Recorded,
    synthetic: Vec<Synthetic>,
    pub(crate) prices: Option<PriceTables>,
    /// EVM chains by name.
    pub(crate) evm: BTreeMap<String, EvmChain>,
}

impl RecordedChain {
    /// Reads a folder `transactions/*.json` with an optional `index.json`.
    ///
    /// # Errors
    /// When the folder cannot be read or holds something that is no recorded transaction.
    pub fn from_folder(folder: impl AsRef<Path>) -> anyhow::Result<Self> {
        Ok(Self { recorded: Recorded::read(folder.as_ref())?, ..Self::default() })
    }

    /// A chain of made-up wallets only.
    pub fn synthetic(plan: SyntheticPlan) -> Self {
        Self::default().with_synthetic(plan)
    }

    /// Adds made-up wallets. Of several plans each has a seed of its own.
    #[must_use]
    pub fn with_synthetic(mut self, plan: SyntheticPlan) -> Self {
        self.synthetic.push(Synthetic::new(plan));
        self
    }

    /// Adds an EVM chain under its canonical name, such as `ethereum`.
    #[must_use]
    pub fn with_evm(mut self, name: &str, chain: EvmChain) -> Self {
        self.evm.insert(name.to_owned(), chain);
        self
    }

    /// Adds the price tables `<sol|eth|bnb>_usd.csv` of a folder.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn with_prices(mut self, folder: impl AsRef<Path>) -> anyhow::Result<Self> {
        self.prices = Some(PriceTables::read(folder.as_ref())?);
        Ok(self)
    }

    /// Every signer and every owner of a token account in the recordings, in order.
    pub fn recorded_wallets(&self) -> Vec<String> {
        self.recorded.wallets.iter().cloned().collect()
    }

    /// The addresses of the made-up wallets.
    pub fn synthetic_wallets(&self) -> Vec<String> {
        self.synthetic.iter().flat_map(Synthetic::wallets).collect()
    }

    /// Who each of them deals with, in the same order: what one sends the other receives.
    pub fn synthetic_counterparties(&self) -> Vec<String> {
        self.synthetic.iter().flat_map(Synthetic::counterparties).collect()
    }

    /// Whether any transaction names the address.
    pub fn knows_address(&self, address: &str) -> bool {
        self.recorded.knows_address(address)
            || self.synthetic.iter().any(|made| made.knows_address(address))
    }

    pub(crate) fn rows(
        &self,
        address: &str,
        before: Option<&str>,
        until: Option<&str>,
        limit: usize,
    ) -> Vec<Row> {
        match self.synthetic.iter().find(|made| made.knows_address(address)) {
            Some(made) => made.rows(address, before, until, limit),
            None => self.recorded.rows(address, before, until, limit),
        }
    }

    /// The JSON of a transaction, and whether it needs `maxSupportedTransactionVersion`.
    pub(crate) fn transaction(
        &self,
        signature: &str,
        json_parsed: bool,
    ) -> Option<(Box<RawValue>, bool)> {
        if let Some((json, versioned)) = self.recorded.transaction(signature, json_parsed) {
            return Some((json.to_owned(), versioned));
        }
        let made: Value = self.synthetic.iter().find_map(|made| made.transaction(signature))?;
        let json = RawValue::from_string(made.to_string()).ok()?;
        Some((json, false))
    }

    pub(crate) fn lamports(&self, address: &str) -> u64 {
        let made = self.synthetic.iter().find_map(|made| made.lamports(address));
        made.or_else(|| self.recorded.lamports.get(address).copied()).unwrap_or_default()
    }

    /// The open token accounts of an owner, with their addresses.
    pub(crate) fn token_accounts(&self, owner: &str) -> Vec<(String, TokenAccount)> {
        let recorded = self.recorded.accounts.iter();
        let mut accounts: Vec<(String, TokenAccount)> = recorded
            .filter(|(_, account)| account.owner.as_deref() == Some(owner))
            .map(|(key, account)| (key.clone(), account.clone()))
            .collect();
        accounts.extend(self.synthetic.iter().flat_map(|made| made.token_accounts(owner)));
        accounts
    }

    /// The newest finalized slot: a little after the newest transaction.
    pub(crate) fn head(&self) -> u64 {
        self.newest().map_or(0, |(slot, _)| slot) + HEAD_DISTANCE
    }

    pub(crate) fn time_of(&self, slot: u64) -> Option<i64> {
        if slot == self.head() {
            // 0.4 s a slot after the newest transaction.
            let (newest, time) = self.newest()?;
            let seconds = i64::try_from((slot - newest) * 2 / 5).ok()?;
            return time.map(|time| time + seconds);
        }
        let made = self.synthetic.iter().find_map(|made| made.time_of(slot));
        made.or_else(|| self.recorded.time_of(slot))
    }

    fn newest(&self) -> Option<(u64, Option<i64>)> {
        let made = self.synthetic.iter().filter_map(Synthetic::newest).max();
        self.recorded.newest().max(made)
    }
}
