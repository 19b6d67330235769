//! How much of an account's lamports is its rent deposit.
//!
//! Source: the rent defaults of the Solana runtime. An account must hold two years of rent for its
//! data and 128 bytes of overhead at 3,480 lamports per byte and year, 6,960 lamports per byte; it
//! comes back when the account is closed.

/// Lamports per byte that exempt an account from rent.
pub(crate) const LAMPORTS_PER_BYTE: u64 = 6_960;
/// Bytes that every account counts beside its data.
const OVERHEAD_BYTES: u64 = 128;
/// No account holds more data.
const MAX_SPACE: u64 = 10 * 1024 * 1024;

/// Deposit of an SPL token account.
pub(crate) const TOKEN_ACCOUNT: u64 = minimum(165);
/// Deposit of the smallest associated Token-2022 account (it says that its owner is immutable).
pub(crate) const TOKEN_2022_ACCOUNT: u64 = minimum(170);
/// Deposit of a stake account.
pub(crate) const STAKE_ACCOUNT: u64 = minimum(200);
/// Deposit of a nonce account.
pub(crate) const NONCE_ACCOUNT: u64 = minimum(80);
/// Deposit of a vote account.
pub(crate) const VOTE_ACCOUNT: u64 = minimum(3_762);
/// Deposit of an account without data.
pub(crate) const EMPTY_ACCOUNT: u64 = minimum(0);

/// The deposit of an account with so many bytes of data; sizes beyond the chain's limit count as
/// that limit.
pub(crate) const fn minimum(space: u64) -> u64 {
    let space = if space > MAX_SPACE { MAX_SPACE } else { space };
    (OVERHEAD_BYTES + space) * LAMPORTS_PER_BYTE
}

/// Whether a balance is exactly the deposit of some account size.
///
/// A round amount of SOL never is: 6,960 has the prime factors 3 and 29.
pub(crate) const fn is_exact(lamports: u64) -> bool {
    lamports >= EMPTY_ACCOUNT
        && lamports <= minimum(MAX_SPACE)
        && lamports.is_multiple_of(LAMPORTS_PER_BYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deposits_are_the_well_known_ones() {
        assert_eq!(EMPTY_ACCOUNT, 890_880);
        assert_eq!(TOKEN_ACCOUNT, 2_039_280);
        assert_eq!(STAKE_ACCOUNT, 2_282_880);
        assert_eq!(NONCE_ACCOUNT, 1_447_680);
        assert_eq!(minimum(82), 1_461_600, "a mint");
        assert_eq!(TOKEN_2022_ACCOUNT, 2_074_080);
        assert_eq!(VOTE_ACCOUNT, 27_074_400);
        assert_eq!(minimum(u64::MAX), minimum(MAX_SPACE));
    }

    #[test]
    fn round_amounts_are_no_deposits() {
        assert!(is_exact(2_039_280));
        assert!(!is_exact(2_039_281));
        for sol in [1_000_000u64, 10_000_000, 1_000_000_000, 250_000_000_000] {
            assert!(!is_exact(sol), "{sol}");
        }
        assert!(!is_exact(0));
        assert!(!is_exact(6_960));
    }
}
