//! One transaction, seen from any wallet: change, fee, tips, rent, service fees.
//!
//! This is where a lamport is split. The change of a wallet is read from the recorded balances; the
//! fee, the tips and the deposits are taken out of it, and what remains is the net.

use std::collections::BTreeMap;

use super::actions::{Action, KeyIndex};
use super::address::{associated, is_on_curve};
use super::deposits::Deposits;
use super::encoding::{Holding, Recording};
use super::ledger::Ledger;
use super::owners::TokenAccounts;
use super::programs::ids::{self, TokenProgram};
use super::programs::{services, tips};
use super::pubkey::Pubkey;
use super::rent::{Rent, TOKEN_ACCOUNT_BYTES};

/// A change of a token with the decimals the rows name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TokenChange {
    /// Base units; fits 65 bits and a sign, times 256 accounts.
    pub(crate) raw: i128,
    pub(crate) decimals: Option<u8>,
}

/// What a wallet's lamports and tokens did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// Lamports of the wallet and of all its token accounts, after minus before.
    pub(crate) change: i128,
    /// The network fee, negative, when the wallet paid it.
    pub(crate) fee: Option<i128>,
    pub(crate) tips: i128,
    pub(crate) rent: i128,
    /// Change of every token but the wrapped native coin, zeros included.
    pub(crate) tokens: BTreeMap<Pubkey, TokenChange>,
    /// (mint or native, service) -> amount, negative.
    pub(crate) service_fees: BTreeMap<(Option<Pubkey>, &'static str), i128>,
    /// The wallet's associated account, when no row says that it is a token account.
    pub(crate) derived_account: Option<KeyIndex>,
}

impl Split {
    /// The native coin without fee, tips and rent.
    pub(crate) fn net_native(&self) -> i128 {
        self.change - self.fee.unwrap_or(0) - self.tips - self.rent
    }
}

/// Everything about a transaction that does not depend on the wallet.
#[derive(Debug, Clone)]
pub(crate) struct Movements {
    pub(crate) accounts: TokenAccounts,
    pub(crate) ledger: Ledger,
    pub(crate) deposits: Deposits,
    tips: BTreeMap<Pubkey, i128>,
}

impl Movements {
    pub(crate) fn find(recording: &Recording) -> Self {
        let accounts = TokenAccounts::resolve(recording);
        let ledger = Ledger::replay(recording, &accounts);
        let deposits = if recording.failed {
            Deposits::none(recording.keys.len())
        } else {
            Deposits::find(recording, &accounts, &ledger)
        };
        let tips = tips_by_payer(recording, &ledger);
        Self { accounts, ledger, deposits, tips }
    }

    /// The wallet's part.
    pub(crate) fn split(&self, recording: &Recording, wallet: &Pubkey) -> Split {
        let keys = &recording.keys;
        let mut split = Split::default();
        if keys.fee_payer() == *wallet {
            split.fee = Some(-i128::from(recording.fee_lamports));
        }
        for (index, key) in keys.iter() {
            let at = index.get();
            let (pre, post) = (i128::from(recording.pre[at]), i128::from(recording.post[at]));
            if key == *wallet {
                split.change += post - pre;
                // Only an account that a program owns has a deposit of its own; its address may
                // sign or own tokens all the same.
                split.rent += self.deposits.change(index);
            }
            let owned = |held: &&Holding| held.owner == Some(*wallet);
            if let Some(held) = self.accounts.before[at].as_ref().filter(owned) {
                // An account that owns itself is counted once.
                if key != *wallet {
                    split.change -= pre;
                    split.rent -= i128::from(self.deposits.before[at]);
                }
                split.add_token(&held.mint, held.decimals, -i128::from(held.amount));
            }
            if let Some(held) = self.accounts.after[at].as_ref().filter(owned) {
                if key != *wallet {
                    split.change += post;
                    split.rent += i128::from(self.deposits.after[at]);
                }
                split.add_token(&held.mint, held.decimals, i128::from(held.amount));
            }
        }
        if let Some(index) = derived_account(recording, wallet) {
            let at = index.get();
            split.change += i128::from(recording.post[at]) - i128::from(recording.pre[at]);
            split.derived_account = Some(index);
        }
        split.rent += self.deposits.moved.get(wallet).copied().unwrap_or(0);
        split.tips = self.tips.get(wallet).copied().unwrap_or(0);
        self.add_service_fees(recording, wallet, &mut split);
        split
    }

    /// Change of what is wrapped in the wallet's accounts of the native coin.
    pub(crate) fn wrapped_change(&self, wallet: &Pubkey) -> i128 {
        let wrapped = |held: &[Option<Holding>]| -> i128 {
            held.iter()
                .flatten()
                .filter(|h| h.owner == Some(*wallet) && ids::is_native_mint(&h.mint))
                .map(|h| i128::from(h.amount))
                .sum()
        };
        wrapped(&self.accounts.after) - wrapped(&self.accounts.before)
    }

    fn add_service_fees(&self, recording: &Recording, wallet: &Pubkey, split: &mut Split) {
        for flow in &self.ledger.flows {
            if flow.payer != *wallet || flow.receiver == *wallet || flow.lamports <= 0 {
                continue;
            }
            if let Some(service) = services::by_account(&flow.receiver) {
                *split.service_fees.entry((None, service)).or_default() -= flow.lamports;
            }
        }
        for step in &recording.steps {
            let Some(Action::TokenTransfer { from, to, amount, .. }) = step.action else {
                continue;
            };
            let Some(mint) = self.accounts.mint_of(from).or_else(|| self.accounts.mint_of(to))
            else {
                continue;
            };
            let owner = |index: KeyIndex| {
                let held = self.accounts.before[index.get()].or(self.accounts.after[index.get()]);
                held.and_then(|h| h.owner)
            };
            if ids::is_native_mint(&mint) || owner(from) != Some(*wallet) {
                continue;
            }
            if let Some(service) = owner(to).as_ref().and_then(services::by_account) {
                *split.service_fees.entry((Some(mint), service)).or_default() -= i128::from(amount);
            }
        }
    }
}

impl Split {
    fn add_token(&mut self, mint: &Pubkey, decimals: Option<u8>, raw: i128) {
        // The lamports of wrapped accounts are counted, not their token amount.
        if ids::is_native_mint(mint) {
            return;
        }
        let change = self.tokens.entry(*mint).or_default();
        change.raw += raw;
        change.decimals = change.decimals.or(decimals);
    }
}

impl Deposits {
    /// No deposit moves in a failed transaction.
    fn none(keys: usize) -> Self {
        Self { before: vec![0; keys], after: vec![0; keys], ..Self::default() }
    }
}

fn tips_by_payer(recording: &Recording, ledger: &Ledger) -> BTreeMap<Pubkey, i128> {
    let mut tips = BTreeMap::new();
    for flow in &ledger.flows {
        let is_tip = tips::is_tip_account(&recording.keys.at(flow.to));
        if is_tip && !tips::is_tip_account(&recording.keys.at(flow.from)) {
            *tips.entry(flow.payer).or_default() -= flow.lamports;
        }
    }
    tips
}

/// Mints whose associated accounts receive plain SOL in practice.
const DERIVED_MINTS: [Pubkey; 1] = [ids::WSOL];

/// The wallet's associated wrapped account, when the rows cannot name it.
///
/// A node writes token balance rows only when a token program is among the keys. A plain system
/// transfer into the wallet's own wrapped account has none, so the account is recognized by its
/// derived address. It held a deposit before and holds one after, so it is taken for a token account
/// at both times. The same goes for recordings of 2020, which have no rows at all.
fn derived_account(recording: &Recording, wallet: &Pubkey) -> Option<KeyIndex> {
    let keys = &recording.keys;
    let names_tokens = TokenProgram::ALL.iter().any(|program| keys.contains(&program.id()));
    if recording.failed || (names_tokens && recording.has_token_rows) {
        return None;
    }
    let least = Rent::at(recording.slot).least(TOKEN_ACCOUNT_BYTES);
    let could_be = |index: KeyIndex| {
        let (pre, post) = (recording.pre[index.get()], recording.post[index.get()]);
        pre != post && pre >= least && post >= least
    };
    // Who signed has a private key, which no associated account has.
    let is_other = |key: &Pubkey| {
        keys.signers().any(|signer| signer == *key) || tips::is_tip_account(key) || key == wallet
    };
    let candidates: Vec<_> =
        keys.iter().filter(|(index, key)| could_be(*index) && !is_other(key)).collect();
    match candidates.as_slice() {
        [] => return None,
        // Cheaper than a derivation, and usual: a payment to somebody else.
        [(_, only)] if is_on_curve(only) => return None,
        _ => {}
    }
    DERIVED_MINTS.iter().find_map(|mint| {
        let account = associated(wallet, mint, TokenProgram::SplToken)?;
        candidates.iter().find(|(_, key)| *key == account).map(|(index, _)| *index)
    })
}
