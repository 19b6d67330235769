//! What the chain says a wallet holds at the pin, and which tokens lie.

use std::collections::{BTreeMap, BTreeSet};

use chain_client::evm::STATE_UNKNOWN;
use chain_client::{EvmSource, SourceError};
use pnl_core::{AssetId, Pin, RawAmount};
use tx_parser::evm::Network;

use super::fetch::TokenSum;
use crate::attempt::Attempt;
use crate::error::StageError;

/// Blocks at which a token is looked at that holds another quantity than its events say.
const SAMPLES: usize = 4;

/// Balances per asset, `None` where the contract does not tell; the wrapped coin counts as native.
type Told = BTreeMap<AssetId, Option<RawAmount>>;

/// What the chain says, and what follows for the tokens.
#[derive(Debug)]
pub(crate) struct Compared {
    /// Balances per asset; the wrapped coin counts as native. `None`: no endpoint keeps them.
    pub balances: Option<BTreeMap<AssetId, RawAmount>>,
    /// Tokens whose balances contradict their events.
    pub excluded: BTreeSet<AssetId>,
}

/// Asks for the balances at the pin, and judges the tokens by them. A final block does not change, so
/// asking again brings the same.
pub(crate) async fn run(
    attempt: &Attempt,
    source: &dyn EvmSource,
    network: Network,
    pin: Pin,
    sums: &BTreeMap<AssetId, TokenSum>,
) -> Result<Compared, StageError> {
    let impossible = sums.iter().filter(|(_, sum)| sum.is_impossible);
    let mut excluded: BTreeSet<AssetId> = impossible.map(|(asset, _)| asset.clone()).collect();
    for asset in &excluded {
        tracing::info!(%asset, "a token moved more than any balance can hold");
    }
    let Some(told) = ask(attempt, source, network, pin, sums).await? else {
        return Ok(Compared { balances: None, excluded });
    };
    for (asset, sum) in sums {
        let balance = told.get(asset).copied().flatten().unwrap_or_default();
        if !sum.has_room_for(balance) {
            tracing::info!(%asset, "what left of a token and its balance are more than any balance can hold");
            excluded.insert(asset.clone());
        }
    }
    let possible = sums.iter().filter(|(asset, _)| !excluded.contains(*asset));
    let liars = liars(attempt, source, pin, possible, &told).await?;
    excluded.extend(liars);
    let told = told.into_iter();
    // A contract that tells nothing holds nothing that could be claimed.
    let balances = told.map(|(asset, raw)| (asset, raw.unwrap_or_default())).collect();
    Ok(Compared { balances: Some(balances), excluded })
}

async fn ask(
    attempt: &Attempt,
    source: &dyn EvmSource,
    network: Network,
    pin: Pin,
    sums: &BTreeMap<AssetId, TokenSum>,
) -> Result<Option<Told>, StageError> {
    let wrapped = AssetId::new(network.wrapped_native().as_str());
    let mut assets = vec![AssetId::native(), wrapped.clone()];
    assets.extend(sums.keys().filter(|asset| **asset != wrapped).cloned());
    let Some(held) = held(attempt, source, &assets, pin.block).await? else { return Ok(None) };
    let mut told = Told::new();
    for (asset, raw) in assets.into_iter().zip(held) {
        // The wrapped coin is the coin.
        let asset = if asset == wrapped { AssetId::native() } else { asset };
        let sum = told.entry(asset).or_default();
        let Some(raw) = raw else { continue };
        let both = sum.unwrap_or_default().checked_add(raw);
        *sum = Some(both.map_err(|error| StageError::uncomputable("amount-out-of-range", &error))?);
    }
    Ok(Some(told))
}

/// Balances at the end of a block; `None` when no endpoint keeps them.
async fn held(
    attempt: &Attempt,
    source: &dyn EvmSource,
    assets: &[AssetId],
    block: u64,
) -> Result<Option<Vec<Option<RawAmount>>>, StageError> {
    match source.balances(attempt.wallet(), assets, block).await {
        Ok(held) => Ok(Some(held)),
        Err(SourceError::Permanent { code: STATE_UNKNOWN, .. }) => Ok(None),
        Err(error) => Err(StageError::asking(error)),
    }
}

/// The tokens whose events are lies: where they say that something moved, no balance changed.
///
/// A balance that differs from the sum of the events is no lie yet: tokens that rebase, or take a
/// fee, differ too. So the balance is looked at around some of the events. Where the past cannot be
/// asked for, or the contract does not tell, nothing contradicts the events, and nothing but they says
/// that the token is the wallet's. It is believed when it is listed, when the wallet sent a transaction
/// that moved it, or when it was bought or sold for something that nobody can make up: smart accounts
/// send nothing themselves, and trade.
async fn liars(
    attempt: &Attempt,
    source: &dyn EvmSource,
    pin: Pin,
    sums: impl Iterator<Item = (&AssetId, &TokenSum)>,
    balances: &Told,
) -> Result<BTreeSet<AssetId>, StageError> {
    let mut excluded = BTreeSet::new();
    for (asset, sum) in sums {
        let balance = balances.get(asset).copied().flatten();
        if balance.unwrap_or_default().into_delta() == sum.raw {
            continue;
        }
        let one = std::slice::from_ref(asset);
        let blocks = sum
            .by_block
            .iter()
            .filter(|(block, raw)| !raw.is_zero() && **block > 0 && **block <= pin.block);
        let (mut looks, mut moved, mut is_known) = (0, false, true);
        for block in blocks.map(|(block, _)| *block).take(SAMPLES) {
            let before = held(attempt, source, one, block - 1).await?;
            let after = held(attempt, source, one, block).await?;
            let (Some(before), Some(after)) = (before, after) else {
                is_known = false;
                break;
            };
            let (Some(before), Some(after)) = (before.first(), after.first()) else { continue };
            // A contract that tells only one of them was made, or ended, between.
            if before.is_none() && after.is_none() {
                continue;
            }
            looks += 1;
            moved |= before.unwrap_or_default() != after.unwrap_or_default();
            if moved {
                break;
            }
        }
        let is_lie = if is_known && looks > 0 {
            !moved
        } else {
            let holds_none = balance.is_none_or(|held| held.is_zero());
            let is_believed = sum.signed || sum.exchanged || attempt.rules.is_quote_asset(asset);
            holds_none && !is_believed
        };
        if is_lie {
            tracing::info!(%asset, "the balances of a token contradict its events");
            excluded.insert(asset.clone());
        }
    }
    Ok(excluded)
}
