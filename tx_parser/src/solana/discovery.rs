//! Which token accounts and mints a transaction tells of.

use std::collections::BTreeSet;

use pnl_core::Address;

use super::actions::{Action, AuthorityKind, Owner, token_program};
use super::encoding::Recording;
use super::owners::TokenAccounts;
use super::programs::ids::TokenProgram;
use super::pubkey::Pubkey;

/// What a transaction tells about where a wallet keeps tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Token accounts that the wallet owned before, after or inside the transaction.
    pub token_accounts: BTreeSet<Address>,
    /// Every mint of the transaction with its token program, whoever moved it.
    pub mints: BTreeSet<(Address, TokenProgram)>,
}

pub(crate) fn discover(
    recording: &Recording,
    accounts: &TokenAccounts,
    wallet: &Pubkey,
) -> Discovered {
    let keys = &recording.keys;
    let mut token_accounts = BTreeSet::new();
    let mut mints = BTreeSet::new();
    for (index, _) in keys.iter() {
        let held = [accounts.before[index.get()], accounts.after[index.get()]];
        for holding in held.into_iter().flatten() {
            mints.insert((holding.mint, holding.program));
            if holding.owner == Some(*wallet) {
                token_accounts.insert(index);
            }
        }
    }
    for step in &recording.steps {
        let program = token_program(&step.program);
        match &step.action {
            Some(Action::InitializeAccount { account, mint, owner }) => {
                let owner = match owner {
                    Owner::Account(index) => keys.at(*index),
                    Owner::Key(key) => *key,
                };
                if owner == *wallet {
                    token_accounts.insert(*account);
                }
                mints.extend(program.map(|program| (keys.at(*mint), program)));
            }
            Some(Action::SetAuthority {
                account,
                kind: AuthorityKind::AccountOwner,
                current,
                new,
            }) if keys.at(*current) == *wallet || *new == Some(*wallet) => {
                token_accounts.insert(*account);
            }
            Some(Action::CreateAssociated { account, wallet: owner, .. })
                if keys.at(*owner) == *wallet =>
            {
                token_accounts.insert(*account);
            }
            Some(
                Action::TokenTransfer { mint: Some(mint), .. }
                | Action::MintTo { mint, .. }
                | Action::Burn { mint, .. },
            ) => mints.extend(program.map(|program| (keys.at(*mint), program))),
            _ => {}
        }
    }
    Discovered {
        token_accounts: token_accounts.into_iter().map(|i| keys.at(i).to_address()).collect(),
        mints: mints.into_iter().map(|(mint, program)| (mint.to_address(), program)).collect(),
    }
}
