//! A submission as lines: what is asked for on the first, then a wallet on each, read as they come in.

use std::collections::HashSet;

use pnl_core::{Address, Chain};
use sha2::{Digest, Sha256};

use crate::dto::batch::{CreateBatch, SubmitRules, Terms, wrong_type};
use crate::error::{ApiError, FieldErrors};
use crate::extract::Lines;
use crate::json::{Json, hex, shown};
use crate::problems;

/// Members of the first line.
const FIELDS: &[&str] = &[
    "chain",
    "time_range",
    "as_of",
    "max_transactions",
    "method",
    "options",
    "group",
    "dry_run",
    "webhook_url",
];

/// Largest first line, in bytes: as many chosen lots as are taken fit.
const MAX_TERMS_BYTES: usize = 512 << 10;

/// Largest line of a wallet, in bytes.
const MAX_WALLET_BYTES: usize = 1024;

/// JSON values on a line: lists of assets have a hundred entries each.
const MAX_VALUES: usize = 10_000;

/// Reads a body to its end, finding every invalid line behind the first; gives the request and its
/// fingerprint, which is that of no JSON body. A first line that is not valid is told alone.
///
/// # Errors
/// [`problems::VALIDATION_FAILED`] with the numbers of the lines, [`problems::CHAIN_UNAVAILABLE`],
/// [`problems::TOO_MANY_WALLETS`], or a body that cannot be read.
pub async fn read(
    mut lines: Lines,
    rules: &SubmitRules,
    path: &str,
) -> Result<(CreateBatch, String), ApiError> {
    let mut hash = Sha256::new();
    hash.update(format!("POST\0{path}\0lines\0"));
    let terms = terms(lines.next(MAX_TERMS_BYTES).await?, rules, &mut hash)?;
    // Terms without a chain were refused.
    let chain = terms.chain.unwrap_or(Chain::Solana);
    let mut errors = FieldErrors::default();
    let mut wallets = Vec::new();
    let mut seen = HashSet::new();
    let mut found = 0usize;
    while let Some((number, line)) = lines.next(MAX_WALLET_BYTES).await? {
        found += 1;
        if found > rules.max_streamed_wallets {
            let most = rules.max_streamed_wallets;
            let detail = format!("There are more than {most} wallets; one job takes no more.");
            return Err(ApiError::new(problems::TOO_MANY_WALLETS, detail));
        }
        let mut wrong = FieldErrors::default();
        if let Some(address) = wallet(line, chain, &mut wrong) {
            hash.update(address.as_str());
            hash.update(b"\n");
            if seen.insert(address.clone()) {
                wallets.push(address);
            }
        }
        errors.take_of_line(number, wrong);
    }
    if found == 0 {
        errors.push(|| "line:2".to_owned(), "empty-list", || "no wallet follows the first line");
    }
    let duplicates = found.saturating_sub(wallets.len());
    let request = CreateBatch::of(terms, wallets, duplicates, "line:1", errors)?;
    Ok((request, hex(&hash.finalize())))
}

fn terms(
    line: Option<(u64, &[u8])>,
    rules: &SubmitRules,
    hash: &mut Sha256,
) -> Result<Terms, ApiError> {
    let mut wrong = FieldErrors::default();
    let body = json(line.map_or(b"", |(_, line)| line), &mut wrong);
    let terms = match &body {
        Some(Json::Object(object)) => {
            hash.update(body.as_ref().map(Json::canonical).unwrap_or_default());
            hash.update(b"\n");
            Some(Terms::read(object, FIELDS, rules, &mut wrong))
        }
        Some(other) => {
            wrong_type(other, "", "an object with chain and options", &mut wrong);
            None
        }
        None => None,
    };
    let mut errors = FieldErrors::default();
    errors.take_of_line(1, wrong);
    errors.into_result()?;
    terms.ok_or_else(ApiError::internal)
}

/// The address on a line: `"address"`, or `{"wallet": "address"}`.
fn wallet(line: &[u8], chain: Chain, wrong: &mut FieldErrors) -> Option<Address> {
    const MEMBER: &str = "wallet";
    let value = json(line, wrong)?;
    let (at, value) = match &value {
        Json::Object(object) => {
            object.check_names("", &[MEMBER], wrong);
            let Some(value) = object.get(MEMBER) else {
                wrong.push(|| "/wallet".to_owned(), "missing-field", || "the field is required");
                return None;
            };
            ("/wallet", value)
        }
        value => ("", value),
    };
    let Json::Text(text) = value else {
        wrong_type(value, at, "an address as a string", wrong);
        return None;
    };
    let address = Address::parse(chain, text);
    if let Err(error) = &address {
        wrong.push(|| at.to_owned(), "bad-address", || format!("{}: {error}", shown(text)));
    }
    address.ok()
}

/// The value on a line.
fn json(line: &[u8], wrong: &mut FieldErrors) -> Option<Json> {
    let value = Json::read(line, MAX_VALUES).ok();
    if value.is_none() {
        let text = String::from_utf8_lossy(line);
        let detail = || format!("{} is no JSON value that is taken here", shown(&text));
        wrong.push(String::new, "bad-line", detail);
    }
    value
}
