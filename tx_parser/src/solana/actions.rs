//! What the programs with known rules were told to do, independent of the encoding.
//!
//! Only instructions that move lamports or tokens, or that say whose account it is, are named. All
//! other instructions keep their program and the first bytes of their data, for labels.

use super::programs::ids::TokenProgram;
use super::pubkey::Pubkey;

/// Index into the account keys of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyIndex(u16);

impl KeyIndex {
    /// The transaction format allows 256 keys, so 16 bits always hold an index.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u16::try_from(index).ok().map(Self)
    }

    pub(crate) const fn get(self) -> usize {
        self.0 as usize
    }
}

/// One instruction that ran, in the order of execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Position among the outer instructions.
    pub(crate) outer: u16,
    /// Position among the inner instructions of that outer one; `None` is the outer one itself.
    pub(crate) inner: Option<u16>,
    /// The program that ran.
    pub(crate) program: Pubkey,
    /// The first eight bytes of the data, zero-filled; all zero for programs that nodes parse.
    pub(crate) tag: [u8; 8],
    /// What it means, when the program's rules are known here.
    pub(crate) action: Option<Action>,
}

/// An owner named as an account of the instruction or in its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// One of the transaction's accounts.
    Account(KeyIndex),
    /// A key that need not be among them.
    Key(Pubkey),
}

/// The kind of authority that a SetAuthority instruction changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthorityKind {
    /// The owner of a token account.
    AccountOwner,
    /// Any other.
    Other,
}

/// A known instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Lamports from one account to another (system transfer, withdrawal of a nonce, vote or stake
    /// account, stake split).
    Lamports { from: KeyIndex, to: KeyIndex, lamports: u64, by: LamportMove },
    /// All lamports of an account, which ends there.
    AllLamports { from: KeyIndex, to: KeyIndex, by: LamportMove },
    /// A new account with data.
    Create { payer: Option<KeyIndex>, account: KeyIndex, lamports: u64, space: u64, owner: Pubkey },
    /// Data for an account that holds its lamports already.
    Allocate { account: KeyIndex, space: u64 },
    /// An account gets its program.
    Assign { account: KeyIndex, owner: Pubkey },
    /// A token account begins.
    InitializeAccount { account: KeyIndex, mint: KeyIndex, owner: Owner },
    /// An associated token account is asked for; it may exist already.
    CreateAssociated { account: KeyIndex, wallet: KeyIndex, mint: KeyIndex },
    /// Tokens move. For the wrapped native coin these are lamports.
    TokenTransfer { from: KeyIndex, to: KeyIndex, mint: Option<KeyIndex>, amount: u64 },
    /// A delegate is named by the owner.
    Approve { account: KeyIndex, owner: KeyIndex },
    /// The delegate is removed.
    Revoke { account: KeyIndex, owner: KeyIndex },
    /// An authority of a token account or mint changes hands.
    SetAuthority { account: KeyIndex, kind: AuthorityKind, current: KeyIndex, new: Option<Pubkey> },
    /// New tokens.
    MintTo { mint: KeyIndex, account: KeyIndex },
    /// Tokens are destroyed.
    Burn { account: KeyIndex, mint: KeyIndex },
    /// A token account ends; its lamports go to `to`.
    CloseAccount { account: KeyIndex, to: KeyIndex },
    /// Lamports leave a token account that stays: wrapped ones, or those beyond its deposit.
    /// Without an amount: all of them.
    Unwrap { account: KeyIndex, to: KeyIndex, amount: Option<u64> },
    /// The token amount of a wrapped account catches up with its lamports.
    SyncNative { account: KeyIndex },
}

/// Which rule moved lamports outside of a token program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LamportMove {
    /// A system transfer: the source is an account without data.
    System,
    /// From a nonce account.
    Nonce,
    /// From a stake account to wherever its withdrawer says.
    StakeWithdraw,
    /// From one stake account to another.
    StakeToStake,
    /// From a vote account.
    Vote,
    /// A closed address lookup table.
    LookupTable,
}

/// Token programs as an instruction's program.
pub(crate) fn token_program(program: &Pubkey) -> Option<TokenProgram> {
    TokenProgram::from_id(program)
}
