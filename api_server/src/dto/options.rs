//! The member `options` of a submission, checked by the engine and, where it names assets, by the
//! chain: the engine takes any name for an asset, a batch only what its chain can hold.

use pnl_core::engine::Options;
use pnl_core::{Address, AssetId, Chain};
use serde_json::{Map, Value};

use crate::dto::batch::wrong_type;
use crate::error::FieldErrors;
use crate::json::{Json, pointer, shown};

const NAMES: [&str; 11] = [
    "scope",
    "fee_policy",
    "swap_fee_side",
    "quote_assets",
    "cash_assets",
    "oversold",
    "transfer_in",
    "transfer_out",
    "unpriced",
    "hifo_key",
    "same_ts",
];

/// Options that are lists of assets.
const ASSET_LISTS: [&str; 2] = ["quote_assets", "cash_assets"];

/// Most entries of such a list. It is stored with the batch and repeated in each of its results.
const MOST_ASSETS: usize = 100;

/// Digits of the largest id of a token of a contract, 2^256 - 1.
const MOST_TOKEN_ID_DIGITS: usize = 78;

/// The options in `value`, as the engine takes them; what is wrong is noted. Without a chain, which
/// is noted elsewhere, assets are not looked at.
pub fn read(
    value: Option<&Json>,
    chain: Option<Chain>,
    errors: &mut FieldErrors,
) -> Map<String, Value> {
    let mut options = Map::new();
    let object = match value {
        None => return options,
        Some(Json::Object(object)) => object,
        Some(other) => {
            wrong_type(other, "/options", "an object", errors);
            return options;
        }
    };
    object.check_names("/options", &NAMES, errors);
    let mut checked = Options::default();
    for (name, value) in object.iter().filter(|(name, _)| NAMES.contains(name)) {
        let mut value = plain(value);
        if name == "same_ts" && value == "acquire_first" {
            // A wallet's own order is known to the transaction; the engine takes it as it comes.
            let detail =
                "a wallet's events keep the order of their chain: only \"sequence\" is offered";
            errors.push(|| pointer("/options", name), "bad-option", || detail.to_owned());
            continue;
        }
        if let (true, Some(chain), Value::Array(entries)) =
            (ASSET_LISTS.contains(&name), chain, &mut value)
        {
            let is_good = read_assets(name, entries, chain, errors);
            if !is_good {
                continue;
            }
        }
        match checked.set(name, &value) {
            Ok(()) => {
                options.insert(name.to_owned(), value);
            }
            Err(error) => {
                let at = || pointer("/options", name);
                errors.push(at, "bad-option", || {
                    error.to_string().chars().take(300).collect::<String>()
                });
            }
        }
    }
    options
}

/// Brings the texts of a list of assets into the form in which ledgers name them; false when
/// something was noted.
fn read_assets(name: &str, entries: &mut [Value], chain: Chain, errors: &mut FieldErrors) -> bool {
    if entries.len() > MOST_ASSETS {
        let found = entries.len();
        errors.push(
            || pointer("/options", name),
            "bad-option",
            || format!("the list has {found} entries; at most {MOST_ASSETS} are taken"),
        );
        return false;
    }
    let mut is_good = true;
    for (n, entry) in entries.iter_mut().enumerate() {
        if let Some(id) = entry.as_str().and_then(|text| asset(text, chain)) {
            *entry = Value::String(id);
            continue;
        }
        is_good = false;
        let found = || entry.as_str().map_or_else(|| "what is no text".to_owned(), shown);
        let expected = expected_asset(chain);
        errors.push(
            || format!("{}/{n}", pointer("/options", name)),
            "bad-option",
            || format!("{} is no asset of {chain}: expected {expected} or native", found()),
        );
    }
    is_good
}

/// How assets of the chain are named, beside `native`.
pub const fn expected_asset(chain: Chain) -> &'static str {
    match chain {
        Chain::Solana => "a mint",
        Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => "a contract, contract/token_id",
    }
}

/// The id of an asset of the chain in canonical form; `None` when `text` can be none.
pub fn asset(text: &str, chain: Chain) -> Option<String> {
    if text == AssetId::native().as_str() {
        return Some(text.to_owned());
    }
    match (chain, text.split_once('/')) {
        (Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain, Some((contract, token))) => {
            let is_id = (1..=MOST_TOKEN_ID_DIGITS).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_digit())
                && (token == "0" || !token.starts_with('0'));
            let contract = Address::parse(chain, contract).ok().filter(|_| is_id)?;
            Some(format!("{contract}/{token}"))
        }
        _ => Some(Address::parse(chain, text).ok()?.to_string()),
    }
}

/// The value for the engine's own check. No option takes a number, so a number passes as its text.
fn plain(value: &Json) -> Value {
    match value {
        Json::Null | Json::NoText => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(text) | Json::Text(text) => Value::String(text.clone()),
        Json::List(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(object) => Value::Object(
            object.iter().map(|(name, item)| (name.to_owned(), plain(item))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    const CONTRACT: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    fn read_text(options: &str, chain: Chain) -> (Map<String, Value>, FieldErrors) {
        let json = Json::read(options.as_bytes(), 1000).unwrap();
        let mut errors = FieldErrors::default();
        (read(Some(&json), Some(chain), &mut errors), errors)
    }

    fn complaints(options: &Value, chain: Chain) -> Vec<String> {
        let (_, errors) = read_text(&options.to_string(), chain);
        let Err(error) = errors.into_result() else { return Vec::new() };
        error.errors().iter().map(|e| format!("{} {}", e.pointer, e.code)).collect()
    }

    #[test]
    fn assets_are_those_a_chain_can_hold_in_the_form_of_its_ledgers() {
        let (options, errors) =
            read_text(&json!({"cash_assets": ["native", USDC]}).to_string(), Chain::Solana);
        assert!(errors.is_empty());
        assert_eq!(Value::Object(options), json!({"cash_assets": ["native", USDC]}));

        let named = [CONTRACT.to_owned(), format!("{CONTRACT}/0"), format!("{CONTRACT}/17")];
        let (options, errors) = read_text(&json!({"quote_assets": named}).to_string(), Chain::Base);
        assert!(errors.is_empty());
        let canonical = named.map(|id| id.to_lowercase());
        assert_eq!(Value::Object(options), json!({"quote_assets": canonical}));
    }

    #[test]
    fn what_is_no_asset_is_named_by_its_place() {
        let too_long = format!("{CONTRACT}/{}", "9".repeat(79));
        for (chain, bad) in [
            (Chain::Solana, ""),
            (Chain::Solana, "USDC"),
            (Chain::Solana, "native\0"),
            (Chain::Solana, "\u{202e}native"),
            (Chain::Solana, CONTRACT),
            (Chain::Base, USDC),
            (Chain::Base, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed/"),
            (Chain::Base, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed/01"),
            (Chain::Base, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed/-1"),
            (Chain::Base, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed/1/1"),
            (Chain::Base, &too_long),
        ] {
            let options = json!({"quote_assets": ["native", bad]});
            let expected = ["/options/quote_assets/1 bad-option"];
            assert_eq!(complaints(&options, chain), expected, "{bad:?}");
        }
        let none = json!({"quote_assets": [null, USDC, 7]});
        let expected = ["/options/quote_assets/0 bad-option", "/options/quote_assets/2 bad-option"];
        assert_eq!(complaints(&none, Chain::Solana), expected);
        let hundred = json!({"cash_assets": vec!["native"; 100]});
        assert!(complaints(&hundred, Chain::Solana).is_empty());
        let more = json!({"cash_assets": vec!["native"; 101]});
        assert_eq!(complaints(&more, Chain::Solana), ["/options/cash_assets bad-option"]);
    }
}
