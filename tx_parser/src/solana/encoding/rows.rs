//! Token balance rows before and after.

use super::super::actions::KeyIndex;
use super::super::programs::ids::TokenProgram;
use super::super::pubkey::Pubkey;
use super::keys::{Keys, read_key};
use super::wire;
use crate::error::{ParseError, ParseErrorCode};

/// What a token account held at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) mint: Pubkey,
    /// Unknown in recordings of 2020 and 2021 until it is resolved.
    pub(crate) owner: Option<Pubkey>,
    /// Base units.
    pub(crate) amount: u64,
    pub(crate) decimals: Option<u8>,
    pub(crate) program: TokenProgram,
}

/// Reads one list; the answer is indexed like the account keys.
pub(super) fn read(
    rows: &[wire::TokenRow<'_>],
    keys: &Keys,
    at: &str,
) -> Result<Vec<Option<Holding>>, ParseError> {
    let mut holdings = vec![None; keys.len()];
    for (position, row) in rows.iter().enumerate() {
        let bad = |member: &str, detail: &str| {
            let at = format!("{at}/{position}/{member}");
            ParseError::new(ParseErrorCode::BadTokenRow, at, detail)
        };
        let index: KeyIndex = keys
            .index(row.account_index)
            .ok_or_else(|| bad("accountIndex", "no account key has this index"))?;
        let amount = row.ui_token_amount.amount.as_str();
        let is_digits = !amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit());
        let amount = amount.parse::<u64>().ok().filter(|_| is_digits);
        let amount =
            amount.ok_or_else(|| bad("uiTokenAmount/amount", "not a 64-bit number in digits"))?;
        // Recordings without a program are older than Token-2022.
        let program = match &row.program_id {
            None => TokenProgram::SplToken,
            Some(text) => TokenProgram::from_address(text.as_str())
                .ok_or_else(|| bad("programId", "not a token program"))?,
        };
        let owner = match &row.owner {
            None => None,
            Some(text) if text.as_str().is_empty() => None,
            Some(text) => Some(read_key(text, || format!("{at}/{position}/owner"))?),
        };
        let holding = Holding {
            mint: read_key(&row.mint, || format!("{at}/{position}/mint"))?,
            owner,
            amount,
            decimals: row.ui_token_amount.decimals,
            program,
        };
        if holdings[index.get()].replace(holding).is_some() {
            return Err(bad("accountIndex", "a second row of the same account"));
        }
    }
    Ok(holdings)
}
