//! Lamports from account to account, replayed in the order of execution.
//!
//! System transfers, creations, closings, withdrawals and transfers of the wrapped native coin all
//! leave a trace in the instructions. What programs move between their own accounts without an
//! instruction shows as a difference between the replayed and the recorded balance: the residual.

use super::actions::{Action, AuthorityKind, KeyIndex, LamportMove, Owner, Step};
use super::encoding::Recording;
use super::owners::TokenAccounts;
use super::programs::ids;
use super::pubkey::Pubkey;

/// How lamports moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowKind {
    /// By a system transfer.
    Payment,
    /// Into an account that is created with them.
    Creation,
    /// Out of a nonce, stake or vote account, or a lookup table.
    Withdrawal(LamportMove),
    /// A transfer of the wrapped native coin.
    WrappedTransfer,
    /// Everything in a token account (or mint) that is closed.
    Close,
    /// Part of a token account's lamports; the account stays.
    Unwrap,
}

/// One visible movement of lamports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) from: KeyIndex,
    pub(crate) to: KeyIndex,
    /// Who controlled the source: the owner of a token account, else the account itself.
    pub(crate) payer: Pubkey,
    /// Who controlled the target.
    pub(crate) receiver: Pubkey,
    pub(crate) lamports: i128,
    pub(crate) kind: FlowKind,
    /// Whether a program called for it, rather than the user.
    pub(crate) is_inner: bool,
}

/// All visible movements and what remains.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) flows: Vec<Flow>,
    /// Recorded minus replayed balance of each key.
    pub(crate) residual: Vec<i128>,
}

impl Ledger {
    /// Replays a transaction that took effect.
    pub(crate) fn replay(recording: &Recording, accounts: &TokenAccounts) -> Self {
        let mut replay = Replay::start(recording, accounts);
        for step in &recording.steps {
            replay.apply(step);
        }
        let residual = recording
            .post
            .iter()
            .zip(&replay.balances)
            .map(|(post, replayed)| i128::from(*post) - replayed)
            .collect();
        Self { flows: replay.flows, residual }
    }
}

struct Replay<'a> {
    recording: &'a Recording,
    balances: Vec<i128>,
    owners: Vec<Option<Pubkey>>,
    native: Vec<bool>,
    flows: Vec<Flow>,
}

impl<'a> Replay<'a> {
    fn start(recording: &'a Recording, accounts: &TokenAccounts) -> Self {
        let mut balances: Vec<i128> = recording.pre.iter().map(|b| i128::from(*b)).collect();
        // The fee is taken before anything runs; there is at least one key.
        balances[0] -= i128::from(recording.fee_lamports);
        let owners = accounts.before.iter().map(|held| held.and_then(|h| h.owner)).collect();
        let native = recording
            .keys
            .iter()
            .map(|(index, _)| accounts.mint_of(index).is_some_and(|m| ids::is_native_mint(&m)))
            .collect();
        Self { recording, balances, owners, native, flows: Vec::new() }
    }

    fn flow(
        &mut self,
        is_inner: bool,
        from: KeyIndex,
        to: KeyIndex,
        lamports: i128,
        kind: FlowKind,
    ) {
        let control = |index: KeyIndex| {
            self.owners[index.get()].unwrap_or_else(|| self.recording.keys.at(index))
        };
        let (payer, receiver) = (control(from), control(to));
        self.balances[from.get()] -= lamports;
        self.balances[to.get()] += lamports;
        self.flows.push(Flow { from, to, payer, receiver, lamports, kind, is_inner });
    }

    fn apply(&mut self, step: &Step) {
        let Some(action) = &step.action else { return };
        let is_inner = step.inner.is_some();
        match *action {
            Action::Lamports { from, to, lamports, by } => {
                let kind = match by {
                    LamportMove::System => FlowKind::Payment,
                    other => FlowKind::Withdrawal(other),
                };
                self.flow(is_inner, from, to, i128::from(lamports), kind);
            }
            Action::AllLamports { from, to, by } => {
                let all = self.balances[from.get()];
                self.flow(is_inner, from, to, all, FlowKind::Withdrawal(by));
            }
            Action::Create { payer, account, lamports, .. } => {
                if let Some(payer) = payer {
                    self.flow(is_inner, payer, account, i128::from(lamports), FlowKind::Creation);
                }
            }
            Action::TokenTransfer { from, to, amount, .. } => {
                // Both accounts of a transfer have one mint; either may be the one that is known.
                if self.native[from.get()] || self.native[to.get()] {
                    self.flow(is_inner, from, to, i128::from(amount), FlowKind::WrappedTransfer);
                }
            }
            Action::CloseAccount { account, to } => {
                let all = self.balances[account.get()];
                self.flow(is_inner, account, to, all, FlowKind::Close);
                self.owners[account.get()] = None;
            }
            Action::Unwrap { account, to, amount } => {
                let left = i128::from(self.recording.post[account.get()]);
                let all = (self.balances[account.get()] - left).max(0);
                let lamports = amount.map_or(all, i128::from);
                self.flow(is_inner, account, to, lamports, FlowKind::Unwrap);
            }
            Action::InitializeAccount { account, owner, .. } => {
                self.owners[account.get()] = Some(match owner {
                    Owner::Account(index) => self.recording.keys.at(index),
                    Owner::Key(key) => key,
                });
            }
            Action::SetAuthority { account, kind: AuthorityKind::AccountOwner, new, .. } => {
                self.owners[account.get()] = new;
            }
            Action::SetAuthority { .. }
            | Action::Allocate { .. }
            | Action::Assign { .. }
            | Action::CreateAssociated { .. }
            | Action::Approve { .. }
            | Action::Revoke { .. }
            | Action::MintTo { .. }
            | Action::Burn { .. }
            | Action::SyncNative { .. } => {}
        }
    }
}
