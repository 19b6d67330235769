//! How much of an account's lamports is its rent deposit.
//!
//! Sources: the rent defaults of the Solana runtime, and SIMD-0194 and SIMD-0437. An account must hold
//! a rate for every byte of its data and for 128 bytes of overhead; it comes back when the account is
//! closed. The rate was 6,960 lamports a byte from the beginning and falls in steps. An account keeps
//! what it was born with, so that one of any earlier rate can be met. SIMD-0438 may only bring the
//! first rate back. What happens at a rate that is not known here is written in `docs/parser.md`.

/// Lamports per byte of all steps, the first rate first. The last three are announced.
const RATES: [u64; 6] = [6_960, 6_333, 5_080, 2_575, 1_322, 696];
/// The first slot of the second and of the third rate on mainnet: epochs 1,028 and 1,033.
const STEPS: [u64; 2] = [444_096_000, 446_256_000];
/// Bytes that every account counts beside its data.
const OVERHEAD_BYTES: u64 = 128;
/// No account holds more data.
const MAX_SPACE: u64 = 10 * 1024 * 1024;
/// Bytes of data of an SPL token account.
pub(crate) const TOKEN_ACCOUNT_BYTES: u64 = 165;

/// The largest deposit of an SPL token account.
pub(crate) const TOKEN_ACCOUNT: u64 = deposit(TOKEN_ACCOUNT_BYTES, RATES[0]);
/// The largest deposit of the smallest associated Token-2022 account (it says that its owner is immutable).
pub(crate) const TOKEN_2022_ACCOUNT: u64 = deposit(170, RATES[0]);
/// The largest deposit of a stake account.
pub(crate) const STAKE_ACCOUNT: u64 = deposit(200, RATES[0]);
/// The largest deposit of a nonce account.
pub(crate) const NONCE_ACCOUNT: u64 = deposit(80, RATES[0]);
/// The largest deposit of a vote account.
pub(crate) const VOTE_ACCOUNT: u64 = deposit(3_762, RATES[0]);

/// The deposit of an account with so many bytes of data; sizes beyond the chain's limit count as
/// that limit.
const fn deposit(space: u64, rate: u64) -> u64 {
    let space = if space > MAX_SPACE { MAX_SPACE } else { space };
    (OVERHEAD_BYTES + space) * rate
}

/// The rates at one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rent {
    /// What an account that lives now may have been born with, highest first.
    possible: &'static [u64],
    /// What an account is born with now, as far as it is known.
    current: u64,
}

impl Rent {
    pub(crate) fn at(slot: u64) -> Self {
        let steps = STEPS.iter().filter(|first| slot >= **first).count();
        // After the last known step any announced one may have come.
        let possible = if steps == STEPS.len() { &RATES[..] } else { &RATES[..=steps] };
        Self { possible, current: RATES[steps] }
    }

    /// The deposit of an account that is born now, as far as the rate is known.
    pub(crate) const fn minimum(self, space: u64) -> u64 {
        deposit(space, self.current)
    }

    /// No account of this size that lives now holds less.
    pub(crate) fn least(self, space: u64) -> u64 {
        deposit(space, self.lowest())
    }

    fn lowest(self) -> u64 {
        self.possible[self.possible.len() - 1]
    }

    /// Whether a balance is the whole deposit of an account of this size: at any whole rate between the
    /// lowest and the first one, so that steps of another height are found, too.
    pub(crate) fn is_deposit_of(self, space: u64, lamports: u64) -> bool {
        let bytes = deposit(space, 1);
        lamports.is_multiple_of(bytes) && (self.lowest()..=RATES[0]).contains(&(lamports / bytes))
    }

    /// Whether a balance is exactly the deposit of some account size at a possible rate.
    ///
    /// A round amount of SOL never is: every rate has a prime factor other than 2 and 5.
    pub(crate) fn is_exact(self, lamports: u64) -> bool {
        self.possible.iter().any(|rate| {
            lamports.is_multiple_of(*rate)
                && (deposit(0, *rate)..=deposit(MAX_SPACE, *rate)).contains(&lamports)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 300_000_000;

    #[test]
    fn deposits_of_the_first_rate_are_the_well_known_ones() {
        let rent = Rent::at(FIRST);
        assert_eq!(rent.minimum(0), 890_880);
        assert_eq!((TOKEN_ACCOUNT, rent.minimum(165)), (2_039_280, 2_039_280));
        assert_eq!(STAKE_ACCOUNT, 2_282_880);
        assert_eq!(NONCE_ACCOUNT, 1_447_680);
        assert_eq!(rent.minimum(82), 1_461_600, "a mint");
        assert_eq!(TOKEN_2022_ACCOUNT, 2_074_080);
        assert_eq!(VOTE_ACCOUNT, 27_074_400);
        assert_eq!(rent.minimum(u64::MAX), rent.minimum(MAX_SPACE));
    }

    #[test]
    fn the_rate_falls_at_the_slots_of_its_steps() {
        let token_account = |slot| Rent::at(slot).minimum(165);
        assert_eq!((token_account(0), token_account(444_095_999)), (2_039_280, 2_039_280));
        assert_eq!(
            (token_account(444_096_000), token_account(446_255_999)),
            (1_855_569, 1_855_569)
        );
        assert_eq!((token_account(446_256_000), token_account(u64::MAX)), (1_488_440, 1_488_440));
    }

    #[test]
    fn no_account_was_born_at_a_rate_of_later() {
        let second = (128 + 256) * 6_333;
        assert!(!Rent::at(FIRST).is_exact(second) && !Rent::at(FIRST).is_deposit_of(256, second));
        assert!(
            Rent::at(STEPS[0]).is_exact(second) && Rent::at(STEPS[0]).is_deposit_of(256, second)
        );
        let announced = (128 + 256) * 696;
        assert!(!Rent::at(STEPS[0]).is_exact(announced));
        assert!(Rent::at(STEPS[1]).is_exact(announced));
        assert_eq!(Rent::at(FIRST).least(165), TOKEN_ACCOUNT);
        assert_eq!(Rent::at(STEPS[1]).least(165), 293 * 696);
    }

    #[test]
    fn a_rate_that_nobody_announced_is_found_when_the_size_is_known() {
        let rent = Rent::at(STEPS[1]);
        assert!(rent.is_deposit_of(165, 293 * 3_001) && !rent.is_exact(293 * 3_001));
        assert!(!rent.is_deposit_of(165, 293 * 3_001 + 1));
        assert!(!rent.is_deposit_of(165, 293 * 6_961), "no rate is higher than the first");
        assert!(!rent.is_deposit_of(165, 0) && !rent.is_deposit_of(165, 293 * 695));
    }

    #[test]
    fn round_amounts_are_no_deposits() {
        for slot in [FIRST, STEPS[0], STEPS[1]] {
            let rent = Rent::at(slot);
            assert!(rent.is_exact(2_039_280));
            assert!(!rent.is_exact(2_039_281));
            for sol in [1_000_000u64, 10_000_000, 1_000_000_000, 250_000_000_000] {
                assert!(!rent.is_exact(sol), "{sol}");
            }
            assert!(!rent.is_exact(0));
            assert!(!rent.is_exact(6_960));
        }
    }
}
