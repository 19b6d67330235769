//! What contracts say about their tokens: decimals for the lines, and a warning about names that
//! look like those of listed tokens.

use std::collections::{BTreeSet, HashMap};

use chain_client::EvmSource;
use persistence_layer::chain_data::{self, StoredToken};
use pnl_core::movement::Note;
use pnl_core::{AssetId, WalletTransaction};

use crate::attempt::Attempt;
use crate::error::StageError;

/// Contracts asked at a time.
const ASKED_AT_ONCE: usize = 100;
/// The note of a transaction that moves a token with the name of another.
const LOOK_ALIKE: &str = "look_alike_symbol";
/// Names of the coins that tokens on our chains are taken for, beside the chain's own.
const FAMOUS: [&str; 4] = ["USDC", "USDT", "DAI", "USDBC"];

/// Adds decimals to the movements of tokens, and notes about names.
///
/// What a contract says is asked once and kept, also that it says nothing: equal histories have
/// equal lines.
pub(crate) async fn describe(
    attempt: &Attempt,
    source: &dyn EvmSource,
    lines: &mut [WalletTransaction],
) -> Result<(), StageError> {
    let is_fungible = |asset: &AssetId| !asset.is_native() && !asset.as_str().contains('/');
    let contracts: BTreeSet<AssetId> = lines
        .iter()
        .flat_map(|line| &line.net)
        .map(|change| change.asset.clone())
        .filter(is_fungible)
        .collect();
    if contracts.is_empty() {
        return Ok(());
    }
    let contracts: Vec<AssetId> = contracts.into_iter().collect();
    let known = facts(attempt, source, &contracts).await?;
    for line in lines {
        let mut taken_for = None;
        for change in &mut line.net {
            let Some(token) = known.get(&change.asset) else { continue };
            change.decimals = change.decimals.or(token.decimals);
            let symbol = token.symbol.as_deref().unwrap_or_default();
            if let Some(name) = looks_like(attempt, &change.asset, symbol) {
                taken_for = Some(format!("{} calls itself {name} and is not listed", change.asset));
            }
        }
        if let Some(detail) = taken_for {
            line.notes.push(Note { code: LOOK_ALIKE.to_owned(), detail });
        }
    }
    Ok(())
}

/// What is known of the contracts, from the store where it is there.
async fn facts(
    attempt: &Attempt,
    source: &dyn EvmSource,
    contracts: &[AssetId],
) -> Result<HashMap<AssetId, StoredToken>, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let mut known = chain_data::token_facts(store, chain, contracts).await?;
    let missing: Vec<AssetId> =
        contracts.iter().filter(|contract| !known.contains_key(contract)).cloned().collect();
    for part in missing.chunks(ASKED_AT_ONCE) {
        let said = source.tokens(part).await.map_err(StageError::asking)?;
        let rows: Vec<(AssetId, StoredToken)> = part
            .iter()
            .cloned()
            .zip(said)
            .map(|(contract, said)| {
                (contract, StoredToken { decimals: said.decimals, symbol: said.symbol })
            })
            .collect();
        chain_data::put_token_facts(store, chain, &rows).await?;
        attempt.note_progress(rows.len() as u64);
        // Another wallet may have asked at the same time and got another answer: the one that is
        // stored counts for both.
        known.extend(chain_data::token_facts(store, chain, part).await?);
    }
    Ok(known)
}

/// The listed name that an unlisted token has taken, also with letters that look the same.
fn looks_like(attempt: &Attempt, asset: &AssetId, symbol: &str) -> Option<String> {
    if attempt.rules.stablecoins.contains(asset) {
        return None;
    }
    let plain = plain(symbol);
    let native = attempt.chain().native_symbol().to_ascii_uppercase();
    let is_coin = plain == native || plain == format!("W{native}");
    (is_coin || FAMOUS.contains(&plain.as_str())).then_some(plain)
}

/// A symbol in capital letters, with letters of other alphabets as what they look like.
fn plain(symbol: &str) -> String {
    symbol
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}'))
        .map(|c| match c.to_uppercase().next().unwrap_or(c) {
            'А' | 'Α' => 'A',
            'В' | 'Β' => 'B',
            'С' | 'Ϲ' => 'C',
            'Ԁ' => 'D',
            'Е' | 'Ε' => 'E',
            'Н' | 'Η' => 'H',
            'І' | 'Ι' => 'I',
            'Ѕ' => 'S',
            'Т' | 'Τ' => 'T',
            'Ԝ' => 'W',
            'Ս' => 'U',
            '₮' => 'T',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn letters_that_look_the_same_are_the_same() {
        for alike in ["USDC", "usdc", " USDC ", "USDС", "ՍЅDC", "US\u{200b}DC"] {
            assert_eq!(plain(alike), "USDC", "{alike:?}");
        }
        assert_eq!(plain("USD₮"), "USDT");
        assert_ne!(plain("USDC.e"), "USDC");
    }
}
