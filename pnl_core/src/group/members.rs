//! What of a group's outcome is whose, and the result of a group.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::GroupHistory;
use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::chain::Address;
use crate::engine::{Flows, Outcome, Scope, Window};
use crate::ledger::RENT_SUFFIX;
use crate::report::{self, History, ReportError, ReportInput, WalletReport};

/// Whose the events of a group are.
#[derive(Debug)]
pub struct Members {
    pub(super) wallets: Vec<Address>,
    pub(super) owners: Vec<u32>,
}

/// The part of one wallet in the result of its group. The rows sum to the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberRow {
    /// The wallet.
    pub wallet: Address,
    /// Gain of its disposals, of lots that it was moved as well.
    pub realized_gain_usd: Usd,
    /// Value of what it earned.
    pub income_usd: Usd,
    /// Value of its fees that no trade carries.
    pub fee_expense_usd: Usd,
    /// Realized gain plus income less fee expense.
    pub net_realized_usd: Usd,
    /// Value of all its fees and tips.
    pub fees_usd: Usd,
    /// Cost of what it holds at a known basis, deposits included; `None` where the lots of all wallets are
    /// pooled (`scope = global`).
    pub basis_usd: Option<Usd>,
    /// Market value less basis of what has a price; `None` likewise.
    pub unrealized_gain_usd: Option<Usd>,
    /// Net realized plus unrealized; `None` likewise.
    pub total_pnl_usd: Option<Usd>,
}

/// The result object of a group: that of a wallet, and what is of each of its wallets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// The result.
    #[serde(flatten)]
    pub report: WalletReport,
    /// Moves between its wallets.
    pub moves: u64,
    /// A row per wallet that has a ledger, by address.
    pub members: Vec<MemberRow>,
}

impl GroupHistory {
    /// The result of the group, whose merged events gave `outcome` by an engine that read nothing else,
    /// with the prices of its history.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn report(&self, outcome: &Outcome, window: Window) -> Result<GroupReport, ReportError> {
        let (history, transactions) = (&self.history, self.transactions);
        let report = report::build(ReportInput { history, outcome, window, transactions })?;
        let members = self.members.rows(history, outcome, &window)?;
        Ok(GroupReport { report, moves: self.moves, members })
    }
}

impl Members {
    fn rows(
        &self,
        history: &History,
        outcome: &Outcome,
        window: &Window,
    ) -> Result<Vec<MemberRow>, AmountError> {
        let owner = |event: u32| self.owners.get(event as usize).map(|owner| *owner as usize);
        let flows = outcome.window_by(window, self.wallets.len(), owner)?;
        let held = match outcome.options.scope {
            Scope::Wallet => Some(self.held(history, outcome)?),
            Scope::Global => None,
        };
        let row = |(number, (wallet, flows)): (usize, (&Address, Flows))| {
            let net_realized_usd = flows.net_realized()?;
            let held = held.as_ref().map(|held| held[number]);
            let unrealized = held.map(|(_, unrealized)| unrealized);
            Ok(MemberRow {
                wallet: wallet.clone(),
                realized_gain_usd: flows.realized_gain,
                income_usd: flows.income,
                fee_expense_usd: flows.fee_expense,
                net_realized_usd,
                fees_usd: flows.fees_usd,
                basis_usd: held.map(|(basis, _)| basis),
                unrealized_gain_usd: unrealized,
                total_pnl_usd: unrealized
                    .map(|gain| net_realized_usd.checked_add(gain))
                    .transpose()?,
            })
        };
        self.wallets.iter().zip(flows).enumerate().map(row).collect()
    }

    /// Basis and unrealized gain of what each wallet holds.
    fn held(&self, history: &History, outcome: &Outcome) -> Result<Vec<(Usd, Usd)>, AmountError> {
        let numbers: HashMap<&str, usize> =
            self.wallets.iter().map(Address::as_str).zip(0..).collect();
        let mut sums: Vec<BTreeMap<&AssetId, (RawAmount, Usd)>> =
            vec![BTreeMap::new(); self.wallets.len()];
        for lot in outcome.lots() {
            let wallet = lot.wallet.strip_suffix(RENT_SUFFIX).unwrap_or(lot.wallet);
            let (Some(basis), Some(number)) = (lot.basis, numbers.get(wallet)) else { continue };
            let (quantity, cost) = sums[*number].entry(lot.asset).or_default();
            *quantity = quantity.checked_add(lot.quantity)?;
            *cost = cost.checked_add(basis)?;
        }
        let totals = |held: BTreeMap<&AssetId, (RawAmount, Usd)>| {
            let (mut all, mut gain) = (Usd::ZERO, Usd::ZERO);
            for (asset, (quantity, basis)) in held {
                all = all.checked_add(basis)?;
                let decimals = history.facts.assets.get(asset).and_then(|facts| facts.decimals);
                let Some((price, decimals)) = history.prices.get(asset).zip(decimals) else {
                    continue;
                };
                let value = price.value_of(quantity, decimals)?;
                gain = gain.checked_add(value.checked_sub(basis)?)?;
            }
            Ok((all, gain))
        };
        sums.into_iter().map(totals).collect()
    }
}
