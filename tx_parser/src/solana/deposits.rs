//! Rent deposits: which accounts hold one before and after, and who paid or got it back.
//!
//! Told apart by what created or closed the account, never by a list of amounts:
//! - a token account (a balance row names it): what it holds, without what is wrapped, up to the
//!   largest minimum for its size;
//! - an account created, or allocated and assigned, here: the minimum for its space; what it holds
//!   beyond is no deposit. A system account without data has none;
//! - a stake, nonce or vote account that is emptied here: up to the largest minimum for its fixed size;
//! - an account that a program empties without an instruction: its balance when that is exactly the
//!   minimum of some size, else only the minimum of an empty account is certain;
//! - an account that grows or shrinks: when its balance is the exact minimum of some size before
//!   and after;
//! - an account that gives up what a lower rate no longer asks for: the difference.

use std::collections::BTreeMap;

use super::actions::{Action, KeyIndex, LamportMove};
use super::encoding::{Holding, Recording};
use super::ledger::{Flow, FlowKind, Ledger};
use super::owners::TokenAccounts;
use super::programs::ids::{self, TokenProgram};
use super::programs::tips;
use super::pubkey::Pubkey;
use super::rent::{self, Rent};

/// The deposits of a transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deposits {
    /// Deposit in each key before and after, indexed like the account keys.
    pub(crate) before: Vec<u64>,
    pub(crate) after: Vec<u64>,
    /// What each wallet got back (+) or paid (-) of deposits, its own token accounts included.
    pub(crate) moved: BTreeMap<Pubkey, i128>,
    /// Accounts that were emptied without a known size.
    pub(crate) unsized_accounts: Vec<KeyIndex>,
    /// Emptied accounts whose lamports may have gone to one of several.
    pub(crate) ambiguous: Vec<KeyIndex>,
}

impl Deposits {
    /// Finds the deposits of a transaction that took effect.
    pub(crate) fn find(recording: &Recording, accounts: &TokenAccounts, ledger: &Ledger) -> Self {
        let births = births(recording);
        let rent = Rent::at(recording.slot);
        let mut deposits = Self::default();
        for (index, _) in recording.keys.iter() {
            let account = Account { index, recording, accounts, ledger, rent };
            let (before, after) = account.reserves(births.get(&index), &mut deposits);
            deposits.before.push(before);
            deposits.after.push(after);
            if after > before {
                account.charge(u64_difference(after, before), &mut deposits);
            } else if before > after {
                account.refund(u64_difference(before, after), &mut deposits);
            }
        }
        deposits
    }
}

impl Deposits {
    /// How much larger the deposit in one account became.
    pub(crate) fn change(&self, index: KeyIndex) -> i128 {
        u64_difference(self.after[index.get()], self.before[index.get()])
    }
}

fn u64_difference(large: u64, small: u64) -> i128 {
    i128::from(large) - i128::from(small)
}

/// How an account came into being here.
#[derive(Debug, Clone, Copy, Default)]
struct Birth {
    /// What it was created with.
    lamports: Option<u64>,
    space: Option<u64>,
    owner: Option<Pubkey>,
}

fn births(recording: &Recording) -> BTreeMap<KeyIndex, Birth> {
    let mut births: BTreeMap<KeyIndex, Birth> = BTreeMap::new();
    for step in &recording.steps {
        match step.action {
            Some(Action::Create { account, lamports, space, owner, .. }) => {
                let birth =
                    Birth { lamports: Some(lamports), space: Some(space), owner: Some(owner) };
                births.insert(account, birth);
            }
            Some(Action::Allocate { account, space }) => {
                births.entry(account).or_default().space = Some(space);
            }
            Some(Action::Assign { account, owner }) => {
                births.entry(account).or_default().owner = Some(owner);
            }
            _ => {}
        }
    }
    births
}

/// One account with everything known about it.
struct Account<'a> {
    index: KeyIndex,
    recording: &'a Recording,
    accounts: &'a TokenAccounts,
    ledger: &'a Ledger,
    rent: Rent,
}

impl Account<'_> {
    fn pre(&self) -> u64 {
        self.recording.pre[self.index.get()]
    }

    fn post(&self) -> u64 {
        self.recording.post[self.index.get()]
    }

    fn residual(&self) -> i128 {
        self.ledger.residual[self.index.get()]
    }

    fn flows_in(&self) -> impl DoubleEndedIterator<Item = &Flow> {
        self.ledger.flows.iter().filter(|flow| flow.to == self.index)
    }

    fn flows_out(&self) -> impl DoubleEndedIterator<Item = &Flow> {
        self.ledger.flows.iter().filter(|flow| flow.from == self.index)
    }

    /// The deposit in the account before and after.
    fn reserves(&self, birth: Option<&Birth>, deposits: &mut Deposits) -> (u64, u64) {
        let (pre, post) = (self.pre(), self.post());
        let (was, is) =
            (self.accounts.before[self.index.get()], self.accounts.after[self.index.get()]);
        match (was, is) {
            (Some(was), Some(is)) => {
                let (before, after) =
                    (self.token_deposit(&was, pre), self.token_deposit(&is, post));
                let exact = self.rent.is_exact(pre) && self.rent.is_exact(post);
                if !is_native(&is) && self.gave_excess() {
                    // A lower rate may have set a part of it free. Nothing but the minimum stays.
                    (before.max(after), after)
                } else if !is_native(&is) && exact {
                    // Only Token-2022 accounts can grow.
                    (before, after)
                } else {
                    (before.min(after), before.min(after))
                }
            }
            (Some(was), None) => (self.token_deposit(&was, pre), 0),
            (None, Some(is)) => match birth {
                Some(birth) if birth.space.is_some() => {
                    (0, self.deposit_of_new(birth, not_wrapped(&is, post)))
                }
                _ => (0, self.token_deposit(&is, post)),
            },
            (None, None) if pre == 0 && post == 0 => (0, 0),
            (None, None) => match birth {
                Some(birth) => (0, self.birth_deposit(birth, post)),
                None if post == 0 => (self.emptied_deposit(deposits), 0),
                None if self.is_resized() => (pre, post),
                // A mint or a multisig: nothing but the minimum stays.
                None if self.gave_excess() && self.rent.is_exact(pre) => (pre, post),
                None => (0, 0),
            },
        }
    }

    /// The deposit of an account without token row that holds nothing afterwards.
    fn emptied_deposit(&self, deposits: &mut Deposits) -> u64 {
        let pre = self.pre();
        let mut last = None;
        for flow in self.flows_out() {
            last = Some(flow.kind);
        }
        match last {
            Some(FlowKind::Withdrawal(by)) => match by {
                LamportMove::StakeWithdraw | LamportMove::StakeToStake => {
                    pre.min(rent::STAKE_ACCOUNT)
                }
                LamportMove::Nonce => pre.min(rent::NONCE_ACCOUNT),
                LamportMove::Vote => pre.min(rent::VOTE_ACCOUNT),
                LamportMove::LookupTable => pre,
                LamportMove::System => 0,
            },
            Some(FlowKind::Close) => self.exact_deposit(deposits),
            // Only accounts without data can be the source of a system transfer.
            Some(FlowKind::Payment | FlowKind::Creation) => 0,
            Some(FlowKind::WrappedTransfer | FlowKind::Unwrap) => 0,
            None if self.residual() < 0 => self.exact_deposit(deposits),
            None => 0,
        }
    }

    fn exact_deposit(&self, deposits: &mut Deposits) -> u64 {
        let pre = self.pre();
        if self.rent.is_exact(pre) {
            return pre;
        }
        deposits.unsized_accounts.push(self.index);
        pre.min(self.rent.minimum(0))
    }

    /// The deposit of a token account with this balance: at most that of the first rate, which no
    /// rate exceeds.
    fn token_deposit(&self, holding: &Holding, lamports: u64) -> u64 {
        let rest = not_wrapped(holding, lamports);
        match holding.program {
            TokenProgram::SplToken => rest.min(rent::TOKEN_ACCOUNT),
            // The size depends on the mint's extensions, but the balance is the deposit.
            TokenProgram::Token2022 if self.rent.is_exact(rest) => rest,
            TokenProgram::Token2022 => rest.min(rent::TOKEN_2022_ACCOUNT),
        }
    }

    /// The deposit of an account created here.
    fn birth_deposit(&self, birth: &Birth, post: u64) -> u64 {
        match birth.owner {
            // A system account without data is a wallet, with data a nonce account.
            None | Some(ids::SYSTEM) if birth.space.unwrap_or(0) == 0 => 0,
            None | Some(ids::SYSTEM | ids::STAKE) => self.deposit_of_new(birth, post),
            // A program may enlarge the account right away; then the balance fits the final size.
            Some(_) if self.rent.is_exact(post) => post,
            Some(_) => self.deposit_of_new(birth, post),
        }
    }

    /// The deposit in a new account: what it was created with, or holds, when that is a deposit of its
    /// size, else the minimum at the rate of now.
    fn deposit_of_new(&self, birth: &Birth, held: u64) -> u64 {
        let space = birth.space.unwrap_or(0);
        let mut paid = birth.lamports.into_iter().chain([held]);
        let exact = paid.find(|lamports| self.rent.is_deposit_of(space, *lamports));
        exact.unwrap_or_else(|| self.rent.minimum(space)).min(held)
    }

    /// Whether what it held beyond the minimum of now was withdrawn from it.
    fn gave_excess(&self) -> bool {
        self.flows_out().any(|flow| flow.kind == FlowKind::Unwrap)
    }

    /// Whether a program changed the size of the account's data and its deposit with it.
    fn is_resized(&self) -> bool {
        let (pre, post) = (self.pre(), self.post());
        if pre == post || !self.rent.is_exact(pre) || !self.rent.is_exact(post) {
            return false;
        }
        let key = self.recording.keys.at(self.index);
        if self.recording.keys.signers().any(|signer| signer == key) {
            return false;
        }
        if self.flows_out().next().is_some() {
            return false;
        }
        let paid_by_programs = self.flows_in().all(|f| f.kind == FlowKind::Payment && f.is_inner);
        if post > pre {
            paid_by_programs && self.flows_in().next().is_some() && self.residual() == 0
        } else {
            self.flows_in().next().is_none()
        }
    }

    /// Charges whoever paid `deposit` into this account: the first lamports that came in.
    fn charge(&self, deposit: i128, deposits: &mut Deposits) {
        let mut left = deposit;
        for flow in self.flows_in() {
            let part = flow.lamports.clamp(0, left);
            *deposits.moved.entry(flow.payer).or_default() -= part;
            left -= part;
        }
        // What no flow explains was in the account before it had data, or came from a program.
        if left > 0 && self.residual() > 0 {
            let sources = self.counterparts(|residual| residual < 0);
            if let [(_, source)] = sources.as_slice() {
                *deposits.moved.entry(*source).or_default() -= left.min(self.residual());
            }
        }
    }

    /// Credits whoever got `deposit` back out of this account: the last lamports that went out.
    fn refund(&self, deposit: i128, deposits: &mut Deposits) {
        let mut left = deposit;
        for flow in self.flows_out().rev() {
            let part = flow.lamports.clamp(0, left);
            // A tip is counted whole, so the deposit in it came back to the payer first.
            let to_tip = tips::is_tip_account(&self.recording.keys.at(flow.to));
            let receiver = if to_tip { flow.payer } else { flow.receiver };
            *deposits.moved.entry(receiver).or_default() += part;
            left -= part;
        }
        if left <= 0 || self.residual() >= 0 {
            return;
        }
        let receiver = match self.counterparts(|residual| residual > 0).as_slice() {
            [] => return,
            [(_, only)] => *only,
            several => {
                let out = -self.residual();
                let exact = several.iter().find(|(amount, _)| *amount == out);
                let exact = exact.or_else(|| several.iter().find(|(amount, _)| *amount == left));
                let exact = exact.map(|(_, key)| *key);
                exact.unwrap_or_else(|| {
                    deposits.ambiguous.push(self.index);
                    let mut signers = self.recording.keys.signers();
                    let signer = signers.find(|key| several.iter().any(|(_, k)| k == key));
                    signer.unwrap_or_else(|| {
                        several.iter().max_by_key(|(amount, _)| *amount).expect("not empty").1
                    })
                })
            }
        };
        *deposits.moved.entry(receiver).or_default() += left;
    }

    /// Other accounts with a residual of the wanted sign, and who controls them.
    fn counterparts(&self, wanted: impl Fn(i128) -> bool) -> Vec<(i128, Pubkey)> {
        let residuals = self.recording.keys.iter().zip(&self.ledger.residual);
        residuals
            .filter(|((index, _), residual)| *index != self.index && wanted(**residual))
            .map(|((index, key), residual)| {
                let held = self.accounts.after[index.get()].or(self.accounts.before[index.get()]);
                (*residual, held.and_then(|h| h.owner).unwrap_or(key))
            })
            .collect()
    }
}

fn is_native(holding: &Holding) -> bool {
    ids::is_native_mint(&holding.mint)
}

/// The lamports of a token account without what is wrapped in it. What waits to be wrapped counts.
fn not_wrapped(holding: &Holding, lamports: u64) -> u64 {
    if is_native(holding) { lamports.saturating_sub(holding.amount) } else { lamports }
}
