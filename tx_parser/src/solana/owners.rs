//! Whose token account it is, before and after.
//!
//! The balance rows say it since slot 111,491,819. Older rows lack the owner; it is then taken from
//! what the instructions say beyond doubt (an account is initialized for an owner, an owner names
//! or removes a delegate, or hands the account over), else from the address itself: an associated
//! account is derived from its owner, and owners are looked for among the keys of the transaction.
//! The authority of a transfer is no proof, since a delegate may transfer, too. What stays open
//! belongs to nobody.

use std::collections::BTreeMap;

use super::actions::{Action, AuthorityKind, KeyIndex, Owner, Step, token_program};
use super::address::{associated, is_on_curve};
use super::encoding::{Holding, Keys, Recording};
use super::programs::ids::TokenProgram;
use super::pubkey::Pubkey;

/// At most so many addresses are derived per transaction; one takes about 10 µs.
const MAX_DERIVATIONS: usize = 4_000;

/// Token accounts of a transaction with their owners.
#[derive(Debug, Clone)]
pub(crate) struct TokenAccounts {
    /// Indexed like the account keys.
    pub(crate) before: Vec<Option<Holding>>,
    /// Indexed like the account keys.
    pub(crate) after: Vec<Option<Holding>>,
    /// Accounts that were opened and closed inside: no row names them.
    pub(crate) temporary: Vec<Temporary>,
    /// Accounts with a change whose owner stays unknown.
    pub(crate) unknown: Vec<KeyIndex>,
}

/// A token account that lived inside the transaction only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Temporary {
    pub(crate) account: KeyIndex,
    pub(crate) mint: Pubkey,
    pub(crate) owner: Pubkey,
    pub(crate) program: TokenProgram,
}

impl TokenAccounts {
    /// Resolves the owners of a recording.
    pub(crate) fn resolve(recording: &Recording) -> Self {
        let keys = &recording.keys;
        let evidence = Evidence::gather(&recording.steps, keys);
        let mut before = recording.held_before.clone();
        let mut after = recording.held_after.clone();
        let mut derived = Derived::default();
        for (index, key) in keys.iter() {
            let (was, is) = (&mut before[index.get()], &mut after[index.get()]);
            let lacks = |holding: &Option<Holding>| holding.is_some_and(|h| h.owner.is_none());
            if !lacks(was) && !lacks(is) {
                continue;
            }
            let story = evidence.owners[index.get()];
            // The program of a live account never changes hands silently: without a word about a
            // change, before and after are the same owner.
            let unchanged = !story.changed;
            let named = |holding: &Option<Holding>| holding.and_then(|h| h.owner);
            let mut first = named(was).or(story.first);
            let mut last = named(is).or(story.last);
            if unchanged {
                first = first.or(last);
                last = last.or(first);
            }
            if (first.is_none() && was.is_some()) || (last.is_none() && is.is_some()) {
                let holding = is.or(*was).expect("one of the two lacks its owner");
                let owner = derived.owner_of(key, &holding, keys);
                first = first.or(owner);
                last = last.or(owner);
            }
            for (holding, owner) in [(was, first), (is, last)] {
                if let Some(holding) = holding {
                    holding.owner = holding.owner.or(owner);
                }
            }
        }
        for (index, _) in keys.iter() {
            let lived = (recording.pre[index.get()] > 0, recording.post[index.get()] > 0);
            let changed = evidence.owners[index.get()].changed;
            if lived == (true, true) && !changed {
                complete(&mut before[index.get()], &mut after[index.get()]);
            }
        }
        let temporary = evidence
            .initialized
            .into_iter()
            .filter(|t| before[t.account.get()].is_none() && after[t.account.get()].is_none())
            .collect();
        let unknown = keys
            .iter()
            .map(|(index, _)| index)
            .filter(|index| {
                let (was, is) = (before[index.get()], after[index.get()]);
                let lacks = [was, is].into_iter().flatten().any(|h| h.owner.is_none());
                let changed = was.map(|h| h.amount) != is.map(|h| h.amount)
                    || recording.pre[index.get()] != recording.post[index.get()];
                lacks && changed
            })
            .collect();
        Self { before, after, temporary, unknown }
    }

    /// The mint of a token account, whenever it lived.
    pub(crate) fn mint_of(&self, index: KeyIndex) -> Option<Pubkey> {
        let held = self.before[index.get()].or(self.after[index.get()]).map(|h| h.mint);
        held.or_else(|| self.temporary.iter().find(|t| t.account == index).map(|t| t.mint))
    }

    /// Whether this wallet owned the token account at any moment of the transaction.
    pub(crate) fn is_owned_by(&self, index: KeyIndex, wallet: &Pubkey) -> bool {
        let held = [self.before[index.get()], self.after[index.get()]];
        held.into_iter().flatten().any(|h| h.owner == Some(*wallet))
            || self.temporary.iter().any(|t| t.account == index && t.owner == *wallet)
    }

    /// Owners named by any row.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Pubkey> + '_ {
        self.before.iter().chain(&self.after).filter_map(|held| held.and_then(|h| h.owner))
    }
}

/// Adds the row that is missing of an account which lived through the transaction.
///
/// Recordings of 2022 leave out rows of zero tokens. A token account begins and ends with an
/// instruction only, so one without them was there before and after, with nothing in it.
fn complete(before: &mut Option<Holding>, after: &mut Option<Holding>) {
    let empty = |holding: Holding| Some(Holding { amount: 0, ..holding });
    match (*before, *after) {
        (Some(holding), None) => *after = empty(holding),
        (None, Some(holding)) => *before = empty(holding),
        _ => {}
    }
}

/// Associated accounts of the keys of a transaction.
#[derive(Default)]
struct Derived {
    /// By mint and token program: the accounts of all keys, in their order.
    accounts: BTreeMap<(Pubkey, TokenProgram), Vec<Option<Pubkey>>>,
    derivations: usize,
}

impl Derived {
    /// Looks for the key whose associated account this is.
    fn owner_of(&mut self, account: Pubkey, holding: &Holding, keys: &Keys) -> Option<Pubkey> {
        // Cheaper than a derivation for each key, and true of many accounts that are not associated.
        if is_on_curve(&account) {
            return None;
        }
        let accounts = self.accounts.entry((holding.mint, holding.program)).or_default();
        for (at, (_, candidate)) in keys.iter().enumerate() {
            if at == accounts.len() {
                if self.derivations == MAX_DERIVATIONS {
                    return None;
                }
                self.derivations += 1;
                accounts.push(associated(&candidate, &holding.mint, holding.program));
            }
            if accounts[at] == Some(account) {
                return Some(candidate);
            }
        }
        None
    }
}

/// What the instructions say about owners.
struct Evidence {
    /// Indexed like the account keys.
    owners: Vec<Story>,
    initialized: Vec<Temporary>,
}

/// The owners of one account over the transaction.
#[derive(Debug, Clone, Copy, Default)]
struct Story {
    first: Option<Pubkey>,
    last: Option<Pubkey>,
    /// Whether the account began, ended or changed hands.
    changed: bool,
}

impl Evidence {
    fn gather(steps: &[Step], keys: &Keys) -> Self {
        let owners = vec![Story::default(); keys.len()];
        let mut evidence = Self { owners, initialized: Vec::new() };
        for step in steps {
            match step.action {
                Some(Action::InitializeAccount { account, mint, owner }) => {
                    let owner = match owner {
                        Owner::Account(index) => keys.at(index),
                        Owner::Key(key) => key,
                    };
                    let story = &mut evidence.owners[account.get()];
                    story.last = Some(owner);
                    story.changed = true;
                    if let Some(program) = token_program(&step.program) {
                        let mint = keys.at(mint);
                        evidence.initialized.push(Temporary { account, mint, owner, program });
                    }
                }
                Some(Action::SetAuthority {
                    account,
                    kind: AuthorityKind::AccountOwner,
                    current,
                    new,
                }) => {
                    let story = &mut evidence.owners[account.get()];
                    if !story.changed {
                        story.first = story.first.or(Some(keys.at(current)));
                    }
                    story.last = new;
                    story.changed = true;
                }
                Some(Action::CloseAccount { account, .. }) => {
                    let story = &mut evidence.owners[account.get()];
                    story.last = None;
                    story.changed = true;
                }
                // Only the owner may name a delegate, and creating an associated account fails
                // when it exists with another owner.
                Some(
                    Action::Approve { account, owner }
                    | Action::CreateAssociated { account, wallet: owner, .. },
                ) => {
                    let story = &mut evidence.owners[account.get()];
                    let owner = Some(keys.at(owner));
                    if !story.changed {
                        story.first = story.first.or(owner);
                    }
                    story.last = owner;
                }
                _ => {}
            }
        }
        evidence
    }
}
