//! The member `options` of a submission, checked by the engine and, where it names assets, by the
//! chain: the engine takes any name for an asset, a batch only what its chain can hold.

use pnl_core::engine::Options;
use pnl_core::{Address, AssetId, Chain};
use serde_json::{Map, Value};

use crate::dto::batch::wrong_type;
use crate::error::FieldErrors;
use crate::json::{Json, pointer, shown};

const NAMES: [&str; 12] = [
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
    LOTS,
];

/// What specific identification takes its lots from.
const LOTS: &str = "lots";

/// Options that are lists of assets.
const ASSET_LISTS: [&str; 2] = ["quote_assets", "cash_assets"];

/// Most entries of such a list. It is stored with the batch and repeated in each of its results.
const MOST_ASSETS: usize = 100;

/// Most parts of lots that can be chosen, those of all disposals together. They are stored and repeated likewise.
const MOST_CHOSEN: usize = 1_000;

/// Bytes of the longest id of an event, and more.
const MOST_EVENT_ID_BYTES: usize = 100;

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
        if name == LOTS && !check_lots(object.get(name), errors) {
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
                if name == LOTS {
                    value = chosen_in_short(&checked);
                }
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

/// The chosen lots as the engine has read them: a number has no zeros before it.
fn chosen_in_short(options: &Options) -> Value {
    serde_json::to_value(&options.lots).expect("texts and numbers always serialize")
}

/// Notes what is wrong with the names and the number of chosen lots; false when something was. Their form is the
/// engine's to check.
fn check_lots(value: Option<&Json>, errors: &mut FieldErrors) -> bool {
    let Some(Json::Object(events)) = value else { return true };
    let at = || pointer("/options", LOTS);
    let mut wrong = FieldErrors::default();
    events.check_duplicates(&at(), &mut wrong);
    let mut chosen = 0;
    for (event, parts) in events.iter() {
        let here = pointer(&at(), event);
        if !is_event_id(event) {
            wrong.push(|| here.clone(), "bad-option", || no_event_id(event));
        }
        let Json::List(parts) = parts else { continue };
        if parts.is_empty() {
            wrong.push(
                || here.clone(),
                "bad-option",
                || "no lot is chosen: leave the event out".to_owned(),
            );
        }
        chosen += parts.len();
        for (n, part) in parts.iter().enumerate().take(MOST_CHOSEN) {
            let Json::Object(part) = part else { continue };
            part.check_duplicates(&format!("{here}/{n}"), &mut wrong);
            if let Some(Json::Text(lot)) = part.get("lot")
                && !is_event_id(lot)
            {
                wrong.push(|| format!("{here}/{n}/lot"), "bad-option", || no_event_id(lot));
            }
        }
    }
    if chosen > MOST_CHOSEN {
        wrong.push(at, "bad-option", || {
            format!("{chosen} parts of lots are chosen; at most {MOST_CHOSEN} are taken")
        });
    }
    let is_good = wrong.is_empty();
    errors.take(wrong);
    is_good
}

/// Whether `text` is of the form `TRANSACTION:NUMBER`.
fn is_event_id(text: &str) -> bool {
    text.len() <= MOST_EVENT_ID_BYTES
        && text.split_once(':').is_some_and(|(tx_id, number)| {
            let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            !tx_id.is_empty() && is_id(tx_id) && !number.is_empty() && is_number(number)
        })
}

fn no_event_id(text: &str) -> String {
    format!("{} is no id of an event, TRANSACTION:NUMBER", shown(text))
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

/// The value for the engine's own check. The one option that takes numbers, quantities, takes their text as well.
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
        let json = Json::read(options.as_bytes(), 10_000).unwrap();
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
    fn lots_are_named_by_events_and_bounded() {
        let lots = |lots: Value| json!({ "lots": lots });
        let good =
            lots(json!({"5hTx:0": [{"lot": "4kTx:2", "raw": 7}, {"lot": "0xab:0", "raw": "9"}]}));
        let (options, errors) = read_text(&good.to_string(), Chain::Solana);
        assert!(errors.is_empty());
        assert_eq!(options["lots"]["5hTx:0"][0], json!({"lot": "4kTx:2", "raw": "7"}));
        let part = json!({"lot": "a:0", "raw": 1});
        for (bad, expected) in [
            (lots(json!([])), "/options/lots bad-option"),
            (lots(json!({"5hTx:0": []})), "/options/lots/5hTx:0 bad-option"),
            (lots(json!({"5hTx:0": {}})), "/options/lots bad-option"),
            (lots(json!({"5hTx:0": [{"lot": "a:0"}]})), "/options/lots bad-option"),
            (lots(json!({"5hTx:0": [{"lot": "a:0", "raw": 0}]})), "/options/lots bad-option"),
            (lots(json!({"5hTx:0": [{"lot": "a:0", "raw": 1.5}]})), "/options/lots bad-option"),
            (lots(json!({"5hTx": [part]})), "/options/lots/5hTx bad-option"),
            (lots(json!({"5h/Tx:0": [part]})), "/options/lots/5h~1Tx:0 bad-option"),
            (lots(json!({"5hTx:": [part]})), "/options/lots/5hTx: bad-option"),
            (lots(json!({"\u{202e}5h:0": [part]})), "/options/lots/\u{202e}5h:0 bad-option"),
            (
                lots(json!({"5hTx:0": [{"lot": "\u{0}", "raw": 1}]})),
                "/options/lots/5hTx:0/0/lot bad-option",
            ),
        ] {
            assert_eq!(complaints(&bad, Chain::Solana), [expected], "{bad}");
        }
        let long = lots(json!({"a:0": [{"lot": "b:0", "raw": "0".repeat(500) + "7"}]}));
        let (options, _) = read_text(&long.to_string(), Chain::Solana);
        assert_eq!(options["lots"], json!({"a:0": [{"lot": "b:0", "raw": "7"}]}), "as it is read");
        let twice = r#"{"lots":{"a:0":[],"a:0":[{"lot":"b:0","raw":1}]}}"#;
        let (options, errors) = read_text(twice, Chain::Solana);
        assert!(!errors.is_empty() && options.is_empty());
        let many = |count| lots(json!({"a:0": vec![json!({"lot": "b:0", "raw": 1}); count]}));
        assert!(complaints(&many(1_000), Chain::Solana).is_empty());
        assert_eq!(complaints(&many(1_001), Chain::Solana), ["/options/lots bad-option"]);
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
