//! One wallet's change per asset.

use std::collections::BTreeMap;

use alloy_primitives::{U256, U512};
use pnl_core::movement::NetChange;
use pnl_core::{AssetId, Chain, RawAmount, RawDelta};

use super::Account;
use super::movements::{Asset, Movement};
use super::scalar::account_text;

/// What came and went, each as a sum that cannot overflow: 512 bits hold 2^256 amounts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flow {
    pub(super) came: U512,
    pub(super) went: U512,
}

impl Flow {
    fn add(&mut self, other: Self) {
        self.came += other.came;
        self.went += other.went;
    }

    /// The difference; `None` when it does not fit into 256 bits.
    pub(super) fn net(self) -> Option<RawDelta> {
        let fits = |amount: U512| {
            U256::checked_from_limbs_slice(amount.as_limbs())
                .map(|amount| RawAmount::from(amount).into_delta())
        };
        if self.came >= self.went {
            fits(self.came - self.went)
        } else {
            fits(self.went - self.came).map(RawDelta::opposite)
        }
    }
}

/// A wallet's movements, summed.
#[derive(Debug, Clone, Default)]
pub(super) struct Balance {
    /// Wrapped coins are coins: they are in the entry of [`Asset::Native`].
    pub(super) flows: BTreeMap<Asset, Flow>,
    /// Of the native entry, what is wrapped.
    pub(super) wrapped: Flow,
    /// Whether something went from the wallet to itself.
    pub(super) to_itself: bool,
    /// Whether everything that came was made for the wallet: from the zero address or from nobody.
    pub(super) only_from_nowhere: bool,
    /// Whether everything that went was destroyed.
    pub(super) only_to_nowhere: bool,
    /// Movements of nothing that name the wallet.
    pub(super) of_nothing: Vec<Movement>,
}

impl Balance {
    pub(super) fn of<'a>(wallet: Account, movements: impl Iterator<Item = &'a Movement>) -> Self {
        let mut balance =
            Self { only_from_nowhere: true, only_to_nowhere: true, ..Self::default() };
        for movement in movements.filter(|movement| movement.touches(wallet)) {
            if movement.amount.is_zero() {
                balance.of_nothing.push(*movement);
                continue;
            }
            let share = |end: Option<Account>| {
                if end == Some(wallet) { U512::from(movement.amount) } else { U512::ZERO }
            };
            let flow = Flow { came: share(movement.to), went: share(movement.from) };
            balance.to_itself |= movement.from == movement.to;
            if movement.to == Some(wallet) {
                balance.only_from_nowhere &= is_nowhere(movement.from);
            } else {
                balance.only_to_nowhere &= is_nowhere(movement.to);
            }
            let asset = if movement.asset == Asset::Wrapped {
                balance.wrapped.add(flow);
                Asset::Native
            } else {
                movement.asset
            };
            balance.flows.entry(asset).or_default().add(flow);
        }
        balance
    }

    /// The changes that are not zero, native first, then by id, and the assets whose change does
    /// not fit into 256 bits.
    pub(super) fn net(&self, chain: Chain) -> (Vec<NetChange>, Vec<AssetId>) {
        let mut net = Vec::new();
        let mut too_large = Vec::new();
        for (asset, flow) in &self.flows {
            let id = asset_id(asset);
            match flow.net() {
                Some(raw) if raw.is_zero() => {}
                Some(raw) => {
                    net.push(NetChange { asset: id, raw, decimals: decimals(asset, chain) });
                }
                None => too_large.push(id),
            }
        }
        net.sort_by(|a, b| a.asset.cmp(&b.asset));
        (net, too_large)
    }
}

/// The zero address: where tokens come from and go to when they are made and destroyed.
fn is_nowhere(end: Option<Account>) -> bool {
    end.is_none_or(|account| account == Account::ZERO)
}

/// The wrapped coin is the coin; an id of a contract is an asset of its own.
pub(super) fn asset_id(asset: &Asset) -> AssetId {
    match asset {
        Asset::Native | Asset::Wrapped => AssetId::native(),
        Asset::Token(contract) => AssetId::new(account_text(contract).as_str()),
        Asset::Item { contract, id, .. } => {
            AssetId::new(&format!("{}/{id}", account_text(contract).as_str()))
        }
    }
}

/// Decimals, as far as a transaction tells them: a token's are known to its contract only.
fn decimals(asset: &Asset, chain: Chain) -> Option<u8> {
    match asset {
        Asset::Native | Asset::Wrapped => Some(chain.native_decimals()),
        Asset::Token(_) => None,
        Asset::Item { is_single, .. } => is_single.then_some(0),
    }
}
