//! Ids of the programs and mints whose rules this crate knows.

use serde::{Deserialize, Serialize};

use crate::solana::pubkey::Pubkey;

/// The SPL Token program.
pub const TOKEN_PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// The Token-2022 program.
pub const TOKEN_2022_PROGRAM: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

pub(crate) const SYSTEM: Pubkey = Pubkey::literal("11111111111111111111111111111111");
pub(crate) const TOKEN: Pubkey = Pubkey::literal(TOKEN_PROGRAM);
pub(crate) const TOKEN_2022: Pubkey = Pubkey::literal(TOKEN_2022_PROGRAM);
pub(crate) const ASSOCIATED_TOKEN: Pubkey =
    Pubkey::literal("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
pub(crate) const STAKE: Pubkey = Pubkey::literal("Stake11111111111111111111111111111111111111");
pub(crate) const VOTE: Pubkey = Pubkey::literal("Vote111111111111111111111111111111111111111");
pub(crate) const LOOKUP_TABLE: Pubkey =
    Pubkey::literal("AddressLookupTab1e1111111111111111111111111");

/// The mints of the wrapped native coin: of the SPL Token program, and of the Token-2022 program, which
/// derives it from the seed `native-mint`. Their accounts hold lamports, so that they count as native.
pub const WRAPPED_NATIVE_MINTS: [&str; 2] =
    ["So11111111111111111111111111111111111111112", "9pan9bMn5HatX4EJdBwg9VgCa7Uz5HL8N1m5D3NdXejP"];

pub(crate) const WSOL: Pubkey = Pubkey::literal(WRAPPED_NATIVE_MINTS[0]);
pub(crate) const WSOL_2022: Pubkey = Pubkey::literal(WRAPPED_NATIVE_MINTS[1]);

/// Whether the amount of such a token account is the lamports in it.
pub(crate) fn is_native_mint(mint: &Pubkey) -> bool {
    *mint == WSOL || *mint == WSOL_2022
}

/// One of the two programs that keep token accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenProgram {
    /// The SPL Token program.
    SplToken,
    /// The Token-2022 program.
    Token2022,
}

impl TokenProgram {
    /// Both programs.
    pub const ALL: [Self; 2] = [Self::SplToken, Self::Token2022];

    /// The program's address text.
    pub const fn address(self) -> &'static str {
        match self {
            Self::SplToken => TOKEN_PROGRAM,
            Self::Token2022 => TOKEN_2022_PROGRAM,
        }
    }

    /// The program with this address text.
    pub fn from_address(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.address() == text)
    }

    pub(crate) const fn id(self) -> Pubkey {
        match self {
            Self::SplToken => TOKEN,
            Self::Token2022 => TOKEN_2022,
        }
    }

    pub(crate) fn from_id(id: &Pubkey) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.id() == *id)
    }
}
