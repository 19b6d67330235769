//! Instruction data in bytes -> actions.
//!
//! Layouts: System, Stake, Vote and Address Lookup Table instructions are bincode enums with a
//! 32-bit little-endian tag; Token and Token-2022 instructions have an 8-bit tag. Trailing bytes are
//! ignored, as the programs do.

use super::super::actions::{Action, AuthorityKind, KeyIndex, LamportMove, Owner, token_program};
use super::super::programs::ids;
use super::super::pubkey::Pubkey;

/// Why an instruction of a known program makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const SHORT_DATA: Malformed = Malformed("its data ends early");
const FEW_ACCOUNTS: Malformed = Malformed("it names too few accounts");

/// Whether the data of this program's instructions is looked at.
pub(super) fn is_known(program: &Pubkey) -> bool {
    token_program(program).is_some()
        || [ids::SYSTEM, ids::ASSOCIATED_TOKEN, ids::STAKE, ids::VOTE, ids::LOOKUP_TABLE]
            .contains(program)
}

/// Adds what the instruction means to `actions`; nothing when it moves nothing.
pub(super) fn decode(
    program: &Pubkey,
    accounts: &[KeyIndex],
    data: &[u8],
    actions: &mut Vec<Action>,
) -> Result<(), Malformed> {
    let accounts = Accounts(accounts);
    let action = if token_program(program).is_some() {
        return token(accounts, data, actions, true);
    } else if *program == ids::SYSTEM {
        system(accounts, &mut Reader(data))?
    } else if *program == ids::ASSOCIATED_TOKEN {
        associated_token(accounts, data)?
    } else if *program == ids::STAKE {
        stake(accounts, &mut Reader(data))?
    } else if *program == ids::VOTE {
        vote(accounts, &mut Reader(data))?
    } else if *program == ids::LOOKUP_TABLE {
        lookup_table(accounts, &mut Reader(data))?
    } else {
        None
    };
    actions.extend(action);
    Ok(())
}

fn system(accounts: Accounts<'_>, data: &mut Reader<'_>) -> Result<Option<Action>, Malformed> {
    let action = match data.u32()? {
        0 => Action::Create {
            payer: Some(accounts.at(0)?),
            account: accounts.at(1)?,
            lamports: data.u64()?,
            space: data.u64()?,
            owner: data.key()?,
        },
        1 => Action::Assign { account: accounts.at(0)?, owner: data.key()? },
        2 => lamports(accounts.at(0)?, accounts.at(1)?, data.u64()?, LamportMove::System),
        3 => {
            data.key()?;
            data.text()?;
            Action::Create {
                payer: Some(accounts.at(0)?),
                account: accounts.at(1)?,
                lamports: data.u64()?,
                space: data.u64()?,
                owner: data.key()?,
            }
        }
        5 => lamports(accounts.at(0)?, accounts.at(1)?, data.u64()?, LamportMove::Nonce),
        8 => Action::Allocate { account: accounts.at(0)?, space: data.u64()? },
        9 => {
            data.key()?;
            data.text()?;
            Action::Allocate { account: accounts.at(0)?, space: data.u64()? }
        }
        10 => {
            data.key()?;
            data.text()?;
            Action::Assign { account: accounts.at(0)?, owner: data.key()? }
        }
        // The transfer from an account derived with a seed names its base in between.
        11 => lamports(accounts.at(0)?, accounts.at(2)?, data.u64()?, LamportMove::System),
        // Creation of an account that may hold lamports already; the payer is optional.
        13 => Action::Create {
            account: accounts.at(0)?,
            payer: accounts.at(1).ok(),
            lamports: data.u64()?,
            space: data.u64()?,
            owner: data.key()?,
        },
        _ => return Ok(None),
    };
    Ok(Some(action))
}

/// Token and Token-2022. `may_batch` is false inside a batch: batches do not nest.
fn token(
    accounts: Accounts<'_>,
    data: &[u8],
    actions: &mut Vec<Action>,
    may_batch: bool,
) -> Result<(), Malformed> {
    let mut reader = Reader(data);
    let action = match reader.u8()? {
        1 => Action::InitializeAccount {
            account: accounts.at(0)?,
            mint: accounts.at(1)?,
            owner: Owner::Account(accounts.at(2)?),
        },
        16 | 18 => Action::InitializeAccount {
            account: accounts.at(0)?,
            mint: accounts.at(1)?,
            owner: Owner::Key(reader.key()?),
        },
        3 => Action::TokenTransfer {
            from: accounts.at(0)?,
            to: accounts.at(1)?,
            mint: None,
            amount: reader.u64()?,
        },
        12 => checked_transfer(accounts, reader.u64()?)?,
        // Token-2022, transfer fee extension: 1 is the checked transfer that names its fee.
        26 => match reader.u8()? {
            1 => checked_transfer(accounts, reader.u64()?)?,
            _ => return Ok(()),
        },
        4 => Action::Approve { account: accounts.at(0)?, owner: accounts.at(2)? },
        13 => Action::Approve { account: accounts.at(0)?, owner: accounts.at(3)? },
        5 => Action::Revoke { account: accounts.at(0)?, owner: accounts.at(1)? },
        6 => {
            let kind = match reader.u8()? {
                2 => AuthorityKind::AccountOwner,
                _ => AuthorityKind::Other,
            };
            let new = match reader.u8()? {
                0 => None,
                _ => Some(reader.key()?),
            };
            Action::SetAuthority { account: accounts.at(0)?, kind, current: accounts.at(1)?, new }
        }
        7 | 14 => Action::MintTo { mint: accounts.at(0)?, account: accounts.at(1)? },
        8 | 15 => Action::Burn { account: accounts.at(0)?, mint: accounts.at(1)? },
        9 => Action::CloseAccount { account: accounts.at(0)?, to: accounts.at(1)? },
        17 => Action::SyncNative { account: accounts.at(0)? },
        38 => Action::Unwrap { account: accounts.at(0)?, to: accounts.at(1)?, amount: None },
        45 => {
            let amount = match reader.u8()? {
                0 => None,
                _ => Some(reader.u64()?),
            };
            Action::Unwrap { account: accounts.at(0)?, to: accounts.at(1)?, amount }
        }
        255 if may_batch => return batch(accounts, reader, actions),
        _ => return Ok(()),
    };
    actions.push(action);
    Ok(())
}

fn checked_transfer(accounts: Accounts<'_>, amount: u64) -> Result<Action, Malformed> {
    Ok(Action::TokenTransfer {
        from: accounts.at(0)?,
        mint: Some(accounts.at(1)?),
        to: accounts.at(2)?,
        amount,
    })
}

/// Several token instructions in one: each is a count of accounts, a count of bytes and the bytes;
/// the accounts are taken from the list in turn.
fn batch(
    accounts: Accounts<'_>,
    mut data: Reader<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), Malformed> {
    let mut left = accounts.0;
    while !data.0.is_empty() {
        let count = usize::from(data.u8()?);
        let length = usize::from(data.u8()?);
        let (own, rest) = left.split_at_checked(count).ok_or(FEW_ACCOUNTS)?;
        left = rest;
        token(Accounts(own), data.take(length)?, actions, false)?;
    }
    Ok(())
}

fn associated_token(accounts: Accounts<'_>, data: &[u8]) -> Result<Option<Action>, Malformed> {
    // No data and 0: create; 1: create unless it exists; 2: rescue of a nested account.
    match data.first() {
        None | Some(0 | 1) => Ok(Some(Action::CreateAssociated {
            account: accounts.at(1)?,
            wallet: accounts.at(2)?,
            mint: accounts.at(3)?,
        })),
        Some(_) => Ok(None),
    }
}

fn stake(accounts: Accounts<'_>, data: &mut Reader<'_>) -> Result<Option<Action>, Malformed> {
    let action = match data.u32()? {
        3 | 16 | 17 => {
            lamports(accounts.at(0)?, accounts.at(1)?, data.u64()?, LamportMove::StakeToStake)
        }
        4 => lamports(accounts.at(0)?, accounts.at(1)?, data.u64()?, LamportMove::StakeWithdraw),
        7 => Action::AllLamports {
            from: accounts.at(1)?,
            to: accounts.at(0)?,
            by: LamportMove::StakeToStake,
        },
        _ => return Ok(None),
    };
    Ok(Some(action))
}

fn vote(accounts: Accounts<'_>, data: &mut Reader<'_>) -> Result<Option<Action>, Malformed> {
    match data.u32()? {
        3 => Ok(Some(lamports(accounts.at(0)?, accounts.at(1)?, data.u64()?, LamportMove::Vote))),
        _ => Ok(None),
    }
}

fn lookup_table(
    accounts: Accounts<'_>,
    data: &mut Reader<'_>,
) -> Result<Option<Action>, Malformed> {
    match data.u32()? {
        4 => Ok(Some(Action::AllLamports {
            from: accounts.at(0)?,
            to: accounts.at(2)?,
            by: LamportMove::LookupTable,
        })),
        _ => Ok(None),
    }
}

fn lamports(from: KeyIndex, to: KeyIndex, lamports: u64, by: LamportMove) -> Action {
    Action::Lamports { from, to, lamports, by }
}

/// The accounts of one instruction.
#[derive(Clone, Copy)]
struct Accounts<'a>(&'a [KeyIndex]);

impl Accounts<'_> {
    fn at(self, position: usize) -> Result<KeyIndex, Malformed> {
        self.0.get(position).copied().ok_or(FEW_ACCOUNTS)
    }
}

/// Reads little-endian values from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(SHORT_DATA)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT_DATA)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn key(&mut self) -> Result<Pubkey, Malformed> {
        self.array().map(Pubkey::new)
    }

    /// A text with a 64-bit length before it; only skipped over.
    fn text(&mut self) -> Result<(), Malformed> {
        let length = usize::try_from(self.u64()?).map_err(|_| SHORT_DATA)?;
        self.take(length).map(|_| ())
    }
}
