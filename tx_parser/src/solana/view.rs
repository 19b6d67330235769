//! The answer: one line per wallet and transaction.

use std::collections::BTreeSet;

use pnl_core::movement::{Completeness, FeePaid, NetChange, Note, Order, ServiceFee};
use pnl_core::{AssetId, Chain, RawDelta, TxKind, TxStatus, WalletTransaction};

use super::actions::{Action, KeyIndex};
use super::encoding::Recording;
use super::labels::{self, Labels};
use super::pubkey::Pubkey;
use super::split::{Movements, Split};

/// The wallet's line.
pub(crate) fn line(
    recording: &Recording,
    movements: &Movements,
    labels: &Labels,
    wallet: &Pubkey,
) -> WalletTransaction {
    line_of(recording, movements, labels, wallet, &movements.split(recording, wallet))
}

fn line_of(
    recording: &Recording,
    movements: &Movements,
    labels: &Labels,
    wallet: &Pubkey,
    split: &Split,
) -> WalletTransaction {
    let kind: TxKind = labels::kind(recording, movements, labels, wallet, split);
    WalletTransaction {
        chain: Chain::Solana,
        tx_id: recording.tx_id.clone(),
        wallet: wallet.to_address(),
        block: recording.slot,
        block_time: recording.block_time,
        order: Order { block: recording.slot, index: recording.index },
        status: if recording.failed { TxStatus::Failed } else { TxStatus::Ok },
        kind,
        venue: labels.venue.map(str::to_owned),
        net: net(split),
        fee: split.fee.map(|raw| FeePaid { asset: AssetId::native(), raw: RawDelta::from(raw) }),
        tips: RawDelta::from(split.tips),
        rent: RawDelta::from(split.rent),
        service_fees: service_fees(split),
        // The net is what remains of the recorded balances, so nothing is left over.
        unexplained: Vec::new(),
        too_large: Vec::new(),
        complete: Completeness { native: true, fee: true },
        notes: notes(recording, movements, split),
        signed: recording.keys.signers().any(|key| key == *wallet),
        exchange: labels.exchange,
    }
}

fn net(split: &Split) -> Vec<NetChange> {
    let native = NetChange {
        asset: AssetId::native(),
        raw: RawDelta::from(split.net_native()),
        decimals: Some(Chain::Solana.native_decimals()),
    };
    let tokens = split.tokens.iter().map(|(mint, change)| NetChange {
        asset: asset(mint),
        raw: RawDelta::from(change.raw),
        decimals: change.decimals,
    });
    let mut net: Vec<_> =
        std::iter::once(native).chain(tokens).filter(|change| !change.raw.is_zero()).collect();
    net.sort_by(|a, b| a.asset.cmp(&b.asset));
    net
}

fn service_fees(split: &Split) -> Vec<ServiceFee> {
    let mut fees: Vec<_> = split
        .service_fees
        .iter()
        .map(|((mint, service), raw)| ServiceFee {
            asset: mint.as_ref().map_or_else(AssetId::native, asset),
            raw: RawDelta::from(*raw),
            to: (*service).to_owned(),
        })
        .collect();
    fees.sort_by(|a, b| a.asset.cmp(&b.asset).then_with(|| a.to.cmp(&b.to)));
    fees
}

fn asset(mint: &Pubkey) -> AssetId {
    AssetId::new(mint.text().as_str())
}

fn notes(recording: &Recording, movements: &Movements, split: &Split) -> Vec<Note> {
    let keys = &recording.keys;
    let mut notes = Vec::new();
    let mut add = |code: &str, detail: String| notes.push(Note { code: code.to_owned(), detail });
    let names = |list: &[KeyIndex]| {
        list.iter().map(|index| keys.at(*index).to_string()).collect::<Vec<_>>().join(", ")
    };
    if !movements.accounts.unknown.is_empty() {
        let accounts = names(&movements.accounts.unknown);
        add("owner_unknown", format!("the recording does not say who owns {accounts}"));
    }
    if let Some(index) = split.derived_account {
        let account = keys.at(index);
        add("account_derived", format!("{account} is the wallet's associated wrapped account"));
    }
    if !recording.failed && !recording.has_inner {
        let detail =
            "the recording has no inner instructions; tips and rent paid in them are in net";
        add("inner_instructions_missing", detail.to_owned());
    }
    if lacks_token_rows(recording) {
        let detail = "the recording has no token balances; tokens that moved are not in net";
        add("token_balances_missing", detail.to_owned());
    }
    if !movements.deposits.unsized_accounts.is_empty() {
        let accounts = names(&movements.deposits.unsized_accounts);
        let detail = format!("the deposit in {accounts} is not known; only its minimum is rent");
        add("deposit_unsized", detail);
    }
    if !movements.deposits.ambiguous.is_empty() {
        let accounts = names(&movements.deposits.ambiguous);
        add("deposit_ambiguous", format!("the deposit of {accounts} went to one of several"));
    }
    for detail in &recording.malformed {
        add("instruction_malformed", detail.clone());
    }
    notes
}

/// Whether tokens moved and no list of balances says whose.
///
/// Nodes kept no such lists in 2020, and empty ones for a while after.
fn lacks_token_rows(recording: &Recording) -> bool {
    let has_rows = recording.held_before.iter().chain(&recording.held_after).any(Option::is_some);
    let moved = recording.steps.iter().any(|step| match step.action {
        Some(Action::TokenTransfer { amount, .. }) => amount > 0,
        Some(Action::MintTo { .. } | Action::Burn { .. }) => true,
        _ => false,
    });
    moved && !has_rows
}

/// The lines of a transaction when no wallet is asked for: signers in their order, then every other
/// owner of a token account whose holdings changed, by address.
pub(crate) fn default_lines(
    recording: &Recording,
    movements: &Movements,
    labels: &Labels,
) -> Vec<WalletTransaction> {
    let mut signers: Vec<Pubkey> = Vec::new();
    for signer in recording.keys.signers() {
        if !signers.contains(&signer) {
            signers.push(signer);
        }
    }
    let mut lines: Vec<_> =
        signers.iter().map(|wallet| line(recording, movements, labels, wallet)).collect();
    let owners: BTreeSet<Pubkey> = movements.accounts.owners().collect();
    let others = owners.into_iter().filter(|owner| !signers.contains(owner));
    let mut others: Vec<_> = others
        .filter_map(|owner| {
            let split = movements.split(recording, &owner);
            let has_changed =
                split.change != 0 || split.tokens.values().any(|change| change.raw != 0);
            has_changed.then(|| line_of(recording, movements, labels, &owner, &split))
        })
        .collect();
    others.sort_by(|a, b| a.wallet.cmp(&b.wallet));
    lines.extend(others);
    lines
}
