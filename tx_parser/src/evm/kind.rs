//! What a transaction was for one wallet. A label: it never changes an amount.

use pnl_core::TxKind;
use pnl_core::movement::NetChange;

use super::Account;
use super::balance::Balance;
use super::header::Header;
use super::labels::Labels;
use super::movements::{Asset, Movements};
use super::programs::Category;

/// What the transaction was for the wallet.
pub(super) fn kind(
    header: &Header,
    movements: &Movements,
    labels: &Labels,
    wallet: Account,
    balance: &Balance,
    net: &[NetChange],
) -> TxKind {
    if header.failed {
        return TxKind::FeeOnly;
    }
    let facts = Facts { header, movements, labels, wallet, balance, net };
    let out = net.iter().any(|change| change.raw.is_negative());
    let into = net.iter().any(|change| change.raw.is_positive());
    match (out, into) {
        (false, false) => facts.nothing_moved(),
        (true, true) => facts.exchanged(),
        (false, true) => facts.received(),
        (true, false) => facts.gave(),
    }
}

struct Facts<'a> {
    header: &'a Header,
    movements: &'a Movements,
    labels: &'a Labels,
    wallet: Account,
    balance: &'a Balance,
    net: &'a [NetChange],
}

impl Facts<'_> {
    fn sent(&self) -> bool {
        self.header.sender == self.wallet
    }

    fn nothing_moved(&self) -> TxKind {
        let wrapped = self.balance.wrapped;
        if wrapped.came > wrapped.went {
            TxKind::Wrap
        } else if wrapped.went > wrapped.came {
            TxKind::Unwrap
        } else if self.movements.approvers.contains(&self.wallet) {
            TxKind::Approve
        } else if self.balance.to_itself {
            TxKind::OwnTransfer
        } else if self.sent() {
            TxKind::FeeOnly
        } else if !self.balance.of_nothing.is_empty() && self.balance.flows.is_empty() {
            TxKind::Spam
        } else {
            TxKind::None
        }
    }

    fn exchanged(&self) -> TxKind {
        if self.is_liquidity() {
            return TxKind::Liquidity;
        }
        if self.has_item() || self.labels.category == Some(Category::NftMarket) {
            return TxKind::Nft;
        }
        match self.labels.category {
            Some(Category::Lend) => TxKind::Lend,
            Some(Category::Stake) => TxKind::Stake,
            // A swap on the way to another chain: what is bridged left the wallet in it.
            Some(Category::Bridge) if self.sent() => TxKind::Bridge,
            _ if self.labels.exchange => TxKind::Swap,
            _ if self.labels.lent => TxKind::Lend,
            _ => TxKind::Swap,
        }
    }

    fn received(&self) -> TxKind {
        if let Some(kind) = self.one_sided() {
            return kind;
        }
        if self.sent() && self.labels.claimed {
            TxKind::Claim
        } else if self.sent() && self.balance.only_from_nowhere {
            TxKind::Mint
        } else {
            TxKind::TransferIn
        }
    }

    fn gave(&self) -> TxKind {
        if let Some(kind) = self.one_sided() {
            return kind;
        }
        if self.net.len() == 1 && self.balance.only_to_nowhere {
            TxKind::Burn
        } else {
            TxKind::TransferOut
        }
    }

    /// Rules that hold for receipts as for payments.
    fn one_sided(&self) -> Option<TxKind> {
        if self.is_liquidity() {
            return Some(TxKind::Liquidity);
        }
        if self.has_item() {
            return Some(TxKind::Nft);
        }
        match self.labels.category {
            Some(Category::Lend) => return Some(TxKind::Lend),
            Some(Category::Stake) => return Some(TxKind::Stake),
            Some(Category::Bridge) => return Some(TxKind::Bridge),
            Some(Category::NftMarket) => return Some(TxKind::Nft),
            Some(Category::Claim) if self.sent() => return Some(TxKind::Claim),
            // An order is opened or taken back by its owner; in a settlement that somebody else
            // sends, others only receive.
            Some(Category::Order) if self.sent() && !self.labels.swapped => {
                return Some(TxKind::Order);
            }
            _ => {}
        }
        if self.labels.exchange && self.sent() && self.is_round_trip() {
            return Some(TxKind::Swap);
        }
        let lent = self.labels.lent && !self.labels.exchange;
        (lent && self.sent()).then_some(TxKind::Lend)
    }

    /// Whether the one asset that changed went out and came back. The rest of a payment that comes
    /// back is no round trip: at least half must return.
    fn is_round_trip(&self) -> bool {
        let mut changed = self.balance.flows.values().filter(|flow| flow.came != flow.went);
        let (Some(flow), None) = (changed.next(), changed.next()) else { return false };
        !flow.came.is_zero() && !flow.went.is_zero() && flow.went <= flow.came + flow.came
    }

    /// Liquidity was added, removed or harvested: by a program that is there for it, or where the
    /// wallet's share in the pool changed, or by a call of the wallet that exchanged nothing. Other
    /// people's liquidity may move in the same transaction, and some tokens add some at every sale.
    fn is_liquidity(&self) -> bool {
        if self.labels.category == Some(Category::Liquidity) {
            return true;
        }
        if self.labels.category == Some(Category::Lend) {
            return false;
        }
        let alone = self.labels.pooled && !self.labels.swapped;
        self.has_share() || (alone && self.sent())
    }

    /// Whether the wallet's share in a pool or vault that emitted an event changed.
    fn has_share(&self) -> bool {
        self.changed().any(|asset| match asset {
            Asset::Token(contract) | Asset::Item { contract, .. } => {
                self.labels.shares.contains(contract)
            }
            Asset::Native | Asset::Wrapped => false,
        })
    }

    fn has_item(&self) -> bool {
        self.changed().any(|asset| matches!(asset, Asset::Item { .. }))
    }

    fn changed(&self) -> impl Iterator<Item = &Asset> {
        let flows = self.balance.flows.iter();
        flows.filter(|(_, flow)| flow.came != flow.went).map(|(asset, _)| asset)
    }
}
