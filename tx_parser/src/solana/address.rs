//! Program-derived addresses and the associated token account.
//!
//! Rule (Solana program library, associated token account program): the account of a wallet for a
//! mint is the program-derived address of the seeds (wallet, token program, mint) under the
//! associated token program. A program-derived address is the SHA-256 of the seeds, a bump byte, the
//! program id and a fixed marker; the first bump from 255 downwards whose hash is *not* a point of
//! the ed25519 curve is taken, so that nobody holds a private key for it.

use curve25519_dalek::edwards::CompressedEdwardsY;
use pnl_core::Address;
use sha2::{Digest, Sha256};

use super::programs::ids::{self, TokenProgram};
use super::pubkey::Pubkey;

const MARKER: &[u8] = b"ProgramDerivedAddress";

/// The associated token account of `wallet` for `mint` under `program`.
///
/// `None` when one of the texts is no 32-byte key.
pub fn associated_token_account(
    wallet: &Address,
    mint: &Address,
    program: TokenProgram,
) -> Option<Address> {
    let wallet = Pubkey::parse(wallet.as_str())?;
    let mint = Pubkey::parse(mint.as_str())?;
    Some(associated(&wallet, &mint, program)?.to_address())
}

/// The associated token account in bytes; `None` only if no bump fits (never seen on the chain).
pub(crate) fn associated(wallet: &Pubkey, mint: &Pubkey, program: TokenProgram) -> Option<Pubkey> {
    let program = program.id();
    let seeds = [wallet.as_bytes(), program.as_bytes(), mint.as_bytes()];
    derive(&seeds.map(|seed| seed.as_slice()), &ids::ASSOCIATED_TOKEN)
}

/// The program-derived address of these seeds.
fn derive(seeds: &[&[u8]], program: &Pubkey) -> Option<Pubkey> {
    let mut prefix = Sha256::new();
    for seed in seeds {
        prefix.update(seed);
    }
    (0..=u8::MAX).rev().find_map(|bump| {
        let mut hash = prefix.clone();
        hash.update([bump]);
        hash.update(program.as_bytes());
        hash.update(MARKER);
        let address = Pubkey::new(hash.finalize().into());
        (!is_on_curve(&address)).then_some(address)
    })
}

/// Whether somebody could hold a private key for it; then no program derived it.
pub(crate) fn is_on_curve(key: &Pubkey) -> bool {
    CompressedEdwardsY(*key.as_bytes()).decompress().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_associated_account_is_derived() {
        // Account, wallet and mint of the associated account that a jsonParsed recording creates.
        let wallet = Pubkey::literal("AgHKxMdBmnvKVNBiqQHuLUVyHRGj7xsjVNGxnkUQbDHX");
        let mint = Pubkey::literal("So11111111111111111111111111111111111111112");
        let account = Pubkey::literal("4R3kZvotAAiNyLWjTHcRad1VWhLzNkpjv8bNGwY7QEa1");
        assert_eq!(associated(&wallet, &mint, TokenProgram::SplToken), Some(account));
        assert_ne!(associated(&wallet, &mint, TokenProgram::Token2022), Some(account));
    }

    #[test]
    fn the_wrapped_coin_of_token_2022_is_derived_from_its_seed() {
        assert_eq!(derive(&[b"native-mint"], &ids::TOKEN_2022), Some(ids::WSOL_2022));
    }

    #[test]
    fn no_address_is_derived_from_what_is_no_key() {
        let bad = Address::from_chain_data("wallet");
        let mint = Address::from_chain_data("So11111111111111111111111111111111111111112");
        assert_eq!(associated_token_account(&bad, &mint, TokenProgram::SplToken), None);
        assert_eq!(associated_token_account(&mint, &bad, TokenProgram::SplToken), None);
    }
}
