//! The answer: one line per wallet and transaction.

use std::collections::BTreeMap;

use pnl_core::movement::{Completeness, FeePaid, Note, Order};
use pnl_core::{Address, AssetId, RawAmount, RawDelta, TxStatus, WalletTransaction};

use super::Account;
use super::balance::{self, Balance};
use super::header::Header;
use super::kind::kind;
use super::labels::Labels;
use super::movements::{Movement, Movements};
use super::scalar::account_text;

/// At most so many transfers of nothing are described one by one.
const MAX_NOTES_OF_NOTHING: usize = 8;

/// The wallet's line.
pub(super) fn line(
    header: &Header,
    movements: &Movements,
    labels: &Labels,
    wallet: Account,
) -> WalletTransaction {
    let balance = Balance::of(wallet, movements.list.iter());
    line_of(header, movements, labels, wallet, &balance)
}

/// The lines of the sender and of everybody else with a change, by address.
pub(super) fn default_lines(
    header: &Header,
    movements: &Movements,
    labels: &Labels,
) -> Vec<WalletTransaction> {
    let mut named: BTreeMap<Account, Vec<&Movement>> = BTreeMap::new();
    for movement in &movements.list {
        let other_end = movement.to.filter(|to| movement.from != Some(*to));
        for end in movement.from.into_iter().chain(other_end) {
            named.entry(end).or_default().push(movement);
        }
    }
    let of_sender = named.remove(&header.sender).unwrap_or_default();
    let balance = Balance::of(header.sender, of_sender.into_iter());
    let first = line_of(header, movements, labels, header.sender, &balance);
    let others = named.into_iter().filter_map(|(wallet, of_wallet)| {
        let balance = Balance::of(wallet, of_wallet.into_iter());
        let has_changed = balance.flows.values().any(|flow| flow.came != flow.went);
        has_changed.then(|| line_of(header, movements, labels, wallet, &balance))
    });
    std::iter::once(first).chain(others).collect()
}

fn line_of(
    header: &Header,
    movements: &Movements,
    labels: &Labels,
    wallet: Account,
    balance: &Balance,
) -> WalletTransaction {
    let sent = wallet == header.sender;
    let chain = header.network.chain;
    let (net, too_large) = balance.net(chain);
    let fee = sent.then(|| FeePaid {
        asset: AssetId::native(),
        raw: RawAmount::from(header.fee.known).into_delta().opposite(),
    });
    WalletTransaction {
        chain,
        tx_id: header.tx_id.clone(),
        wallet: address(wallet),
        block: header.block,
        block_time: header.block_time,
        order: Order { block: header.block, index: header.index },
        status: if header.failed { TxStatus::Failed } else { TxStatus::Ok },
        kind: kind(header, movements, labels, wallet, balance, &net),
        venue: labels.venue.map(str::to_owned),
        net,
        fee,
        tips: RawDelta::ZERO,
        rent: RawDelta::ZERO,
        service_fees: Vec::new(),
        unexplained: Vec::new(),
        complete: Completeness {
            native: movements.native_is_complete && header.outcome_is_known,
            // Who does not pay knows what he paid.
            fee: !sent || header.fee.is_complete,
        },
        notes: notes(header, movements, wallet, balance, &too_large),
        too_large,
        signed: sent,
        exchange: labels.exchange,
    }
}

fn notes(
    header: &Header,
    movements: &Movements,
    wallet: Account,
    balance: &Balance,
    too_large: &[AssetId],
) -> Vec<Note> {
    let mut notes = header.notes.clone();
    notes.extend_from_slice(&movements.notes);
    for asset in too_large {
        let detail = format!("the change of {asset} does not fit into 256 bits and is left out");
        notes.push(Note { code: "amount_too_large".to_owned(), detail });
    }
    // Who sends a transaction may have asked for a transfer of nothing; who does not is meant to
    // see an address in his history and to copy it.
    if wallet != header.sender {
        for movement in balance.of_nothing.iter().take(MAX_NOTES_OF_NOTHING) {
            let detail = format!(
                "a transfer of 0 of {} from {} to {}",
                balance::asset_id(&movement.asset),
                end_text(movement.from),
                end_text(movement.to)
            );
            notes.push(Note { code: "zero_value_transfer".to_owned(), detail });
        }
        let more = balance.of_nothing.len().saturating_sub(MAX_NOTES_OF_NOTHING);
        if more > 0 {
            let detail = format!("and {more} more");
            notes.push(Note { code: "zero_value_transfer".to_owned(), detail });
        }
    }
    notes
}

fn end_text(end: Option<Account>) -> String {
    end.map_or_else(|| "nobody".to_owned(), |account| account_text(&account).as_str().to_owned())
}

fn address(account: Account) -> Address {
    Address::from_chain_data(account_text(&account).as_str())
}
