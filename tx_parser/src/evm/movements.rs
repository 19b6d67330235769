//! Everything that moved, in one list, and whether the list is known to be whole.

use std::collections::HashMap;

use alloy_primitives::{U256, U512};
use pnl_core::movement::Note;

use super::header::Header;
use super::logs::{self, Decoded, Event, Head};
use super::wire::{Log, Record};
use super::{Account, internal, repeats};
use crate::json::Loose;

/// At most so many malformed logs are described one by one.
const MAX_MALFORMED_NOTES: usize = 8;

/// Gas of a call without data that ran no code at all.
pub(super) const PLAIN_GAS: u64 = 21_000;
/// A call without data that used less gas than this ran no code that could send coins on: a transfer
/// inside costs at least 6,700 more than the call itself. Only where no gas is paid back beyond its
/// cost: that may be half of what was used.
const TOO_LITTLE_GAS_FOR_A_TRANSFER: u64 = 26_000;

/// What moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Asset {
    /// The chain's coin.
    Native,
    /// The chain's coin inside its wrapping contract; the same asset in the end.
    Wrapped,
    /// Units of a token.
    Token(Account),
    /// Units of one id of a contract.
    Item {
        contract: Account,
        id: U256,
        /// Whether there is only one (ERC-721).
        is_single: bool,
    },
}

/// Units that left one account and arrived at another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Movement {
    pub(super) asset: Asset,
    /// `None` when the units were created without naming a source.
    pub(super) from: Option<Account>,
    /// `None` when they were destroyed without naming a place.
    pub(super) to: Option<Account>,
    pub(super) amount: U256,
}

impl Movement {
    /// Whether the wallet is one of the two ends.
    pub(super) fn touches(&self, wallet: Account) -> bool {
        self.from == Some(wallet) || self.to == Some(wallet)
    }
}

/// The note of a recording that does not tell what contracts sent each other.
const MISSING: &str = "internal_transfers_missing";
/// The note of transfers between contracts that the wrapping contract contradicts.
const INCOMPLETE: &str = "internal_transfers_incomplete";
/// The note of rows that say nothing.
const MALFORMED: &str = "internal_malformed";
/// The note of a created contract that nothing names.
const CREATED_UNKNOWN: &str = "created_unknown";
/// The note of transfers that may have been rolled back.
const DOUBTFUL: &str = "internal_transfers_doubtful";

/// All movements of a transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Movements {
    /// Also those of nothing: they name a wallet that need not know of them.
    pub(super) list: Vec<Movement>,
    /// Whose tokens were approved for spending.
    pub(super) approvers: Vec<Account>,
    /// Whether all movements of the native coin are in the list.
    pub(super) native_is_complete: bool,
    /// Of the list, transfers between contracts that may have been rolled back.
    doubtful: Vec<Movement>,
    pub(super) notes: Vec<Note>,
}

impl Movements {
    pub(super) fn find(record: &Record<'_>, heads: &[Option<Head>], header: &Header) -> Self {
        let mut movements = Self::default();
        let mint = Movement {
            asset: Asset::Native,
            from: None,
            to: Some(header.sender),
            amount: header.mint,
        };
        if !header.mint.is_zero() {
            // It stays even when the call fails.
            movements.list.push(mint);
        }
        movements.native_is_complete = true;
        if header.failed {
            return movements;
        }
        let own = Movement {
            asset: Asset::Native,
            from: Some(header.sender),
            to: header.receiver(),
            amount: header.value,
        };
        let own = Some(own).filter(|own| !own.amount.is_zero());
        movements.list.extend(own);
        if own.is_some_and(|own| own.to.is_none()) {
            let detail = "nothing names the contract that was created and got the value";
            movements.lacks_native(CREATED_UNKNOWN, detail);
        }
        match record.internal_transfers.as_deref() {
            Some(rows) => {
                let transfers = internal::transfers(rows, own);
                movements.list.extend(transfers.list);
                movements.doubtful = transfers.doubtful;
                if transfers.unreadable > 0 {
                    let count = transfers.unreadable;
                    let detail = format!("{count} internal transfers make no sense");
                    movements.lacks_native(MALFORMED, &detail);
                }
                if !movements.doubtful.is_empty() {
                    let count = movements.doubtful.len();
                    let detail =
                        format!("{count} internal transfers may stand below one that failed");
                    movements.lacks_native(DOUBTFUL, &detail);
                }
            }
            None if could_send(header) => {
                let detail = "the recording does not tell what contracts sent each other";
                movements.lacks_native(MISSING, detail);
            }
            None => {}
        }
        movements.read_logs(record.logs(), heads, header);
        if movements.native_is_complete
            && movements.contradicts_wrapping(header.network.wrapped_native)
        {
            let detail = "coins were wrapped or unwrapped that no internal transfer carries";
            movements.lacks_native(INCOMPLETE, detail);
        }
        movements
    }

    fn read_logs(&mut self, logs: &[Loose<Log<'_>>], heads: &[Option<Head>], header: &Header) {
        let repeated = repeats::repeated(logs, heads);
        if !repeated.is_empty() {
            let detail = format!("{} logs are there again; each counts once", repeated.len());
            self.note("log_repeated", &detail);
        }
        let mut malformed = 0_usize;
        for (place, (log, head)) in logs.iter().zip(heads).enumerate() {
            if repeated.contains(&place) {
                continue;
            }
            let reason = match (&log.0, head) {
                (Some(log), Some(head)) => self.read_log(log, head, header).err(),
                (Some(_), None) => Some("its address or its topics make no sense"),
                (None, _) => Some("it is no object"),
            };
            let Some(reason) = reason else { continue };
            malformed += 1;
            if malformed <= MAX_MALFORMED_NOTES {
                let index = log.0.as_ref().and_then(|log| log.log_index.number());
                let index = index.map_or(String::new(), |index| format!(" (index {index})"));
                self.note("log_malformed", &format!("log {place}{index}: {reason}"));
            }
        }
        if let Some(more) = malformed.checked_sub(MAX_MALFORMED_NOTES).filter(|more| *more > 0) {
            self.note("log_malformed", &format!("and {more} more"));
        }
    }

    fn read_log(
        &mut self,
        log: &Log<'_>,
        head: &Head,
        header: &Header,
    ) -> Result<(), &'static str> {
        if log.removed.flag().unwrap_or_default() {
            return Err("it was removed from the chain");
        }
        match logs::decode(log, head, header) {
            Decoded::NotMine => {}
            Decoded::Yes(Event::Moved(moved)) => self.list.extend(moved),
            Decoded::Yes(Event::Approved { owner }) => self.approvers.push(owner),
            Decoded::Unknown(reason) => return Err(reason),
        }
        Ok(())
    }

    /// Forgets that transfers between contracts are missing, or in doubt, for a wallet that is known to
    /// have no part in any. Not where the wrapping contract names it: that moves coins of the wallet, so
    /// who knows of none knows too little. Nor where one in doubt does.
    pub(super) fn set_apart(&mut self, wallet: Account) {
        let is_booked = |one: &Movement| {
            one.asset == Asset::Wrapped
                && one.touches(wallet)
                && (one.from.is_none() || one.to.is_none())
        };
        let is_named = self.doubtful.iter().any(|one| one.touches(wallet));
        if is_named || self.list.iter().any(is_booked) {
            return;
        }
        self.notes.retain(|note| ![MISSING, INCOMPLETE, DOUBTFUL].contains(&note.code.as_str()));
        let lacks = [MALFORMED, CREATED_UNKNOWN];
        self.native_is_complete = !self.notes.iter().any(|note| lacks.contains(&&*note.code));
    }

    fn lacks_native(&mut self, code: &str, detail: &str) {
        self.native_is_complete = false;
        self.note(code, detail);
    }

    fn note(&mut self, code: &str, detail: &str) {
        self.notes.push(Note { code: code.to_owned(), detail: detail.to_owned() });
    }

    /// Whether the wrapping contract says that it took or gave more coins than the transfers carry.
    ///
    /// Its coins come from anywhere and are booked for anybody, so of what came in only the sum can
    /// be compared; what goes out goes to whom it is booked for.
    fn contradicts_wrapping(&self, wrapping: Account) -> bool {
        let mut taken = U512::ZERO;
        let mut booked = U512::ZERO;
        let mut given: HashMap<Account, (U512, U512)> = HashMap::new();
        for movement in &self.list {
            let amount = U512::from(movement.amount);
            match (movement.asset, movement.from, movement.to) {
                (Asset::Wrapped, None, Some(_)) => booked += amount,
                (Asset::Wrapped, Some(holder), None) => {
                    given.entry(holder).or_default().0 += amount
                }
                (Asset::Native, from, to) => {
                    if to == Some(wrapping) {
                        taken += amount;
                    }
                    if let (Some(_), Some(to)) = (from.filter(|from| *from == wrapping), to) {
                        given.entry(to).or_default().1 += amount;
                    }
                }
                _ => {}
            }
        }
        taken < booked || given.values().any(|(unwrapped, carried)| carried < unwrapped)
    }
}

/// Whether the call could have made contracts send coins.
fn could_send(header: &Header) -> bool {
    let gas = header.gas_used;
    let is_little = header.block >= header.network.small_refunds_from
        && (PLAIN_GAS..TOO_LITTLE_GAS_FOR_A_TRANSFER).contains(&gas);
    !header.input.is_empty || !(gas == PLAIN_GAS || is_little)
}
