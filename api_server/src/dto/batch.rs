//! The body of `POST /api/pnl/batch/run`, read into checked values.

use std::collections::{BTreeSet, HashSet};

use chrono::Utc;
use job_orchestrator::request::{Analysis, MOST_WALLETS_OF_A_GROUP, Preset, TimeRange};
use job_orchestrator::webhooks::TargetRules;
use pnl_core::engine::OptionError;
use pnl_core::method::Method;
use pnl_core::{Address, Chain};

use crate::dto::options;
use crate::dto::time::{read_bound, read_moment};
use crate::error::{ApiError, FieldErrors};
use crate::extract::unknown_chain;
use crate::json::{Json, Object, shown};
use crate::problems;

mod webhook;

const FIELDS: &[&str] = &[
    "wallet_addresses",
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

/// What this server takes.
#[derive(Debug, Clone)]
pub struct SubmitRules {
    /// Entries of `wallet_addresses`, before duplicates are removed.
    pub max_wallets: usize,
    /// Wallets on lines of their own, before duplicates are removed.
    pub max_streamed_wallets: usize,
    /// Chains with a provider.
    pub available: BTreeSet<Chain>,
    /// Where webhooks may go; none where none is sent.
    pub webhooks: Option<TargetRules>,
}

/// A valid request.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateBatch {
    /// The chain.
    pub chain: Chain,
    /// The wallets in canonical form, each once, in the order of the request.
    pub wallets: Vec<Address>,
    /// Entries that named a wallet again.
    pub duplicates_removed: usize,
    /// How they are analyzed.
    pub analysis: Analysis,
    /// Where its end is told.
    pub webhook: Option<String>,
    /// Whether it is only checked and estimated.
    pub dry_run: bool,
}

/// What stands beside the wallets.
pub(super) struct Terms {
    /// The chain; `None` when that was noted as wrong.
    pub chain: Option<Chain>,
    /// How the wallets are analyzed, but for the bound of a group.
    pub analysis: Analysis,
    /// Where the end of the job is told.
    pub webhook: Option<String>,
    /// Whether the request is only checked and estimated.
    pub dry_run: bool,
}

impl Terms {
    /// Reads the members of `body`, of which `fields` are taken.
    pub(super) fn read(
        body: &Object,
        fields: &[&str],
        rules: &SubmitRules,
        errors: &mut FieldErrors,
    ) -> Self {
        body.check_names("", fields, errors);
        let chain = read_chain(body, rules, errors);
        Self {
            chain,
            analysis: Analysis {
                group: read_flag(body, "group", errors),
                method: read_method(body, errors),
                options: options::read(optional(body, "options"), chain, errors),
                time_range: read_as_of(body, read_time_range(body, errors), errors),
                max_transactions: read_max_transactions(body, errors),
            },
            webhook: webhook::read(body, rules.webhooks.as_ref(), errors),
            dry_run: read_flag(body, "dry_run", errors),
        }
    }
}

impl CreateBatch {
    /// Reads a body, finding every invalid field.
    ///
    /// # Errors
    /// [`problems::TOO_MANY_WALLETS`], [`problems::VALIDATION_FAILED`] or
    /// [`problems::CHAIN_UNAVAILABLE`].
    pub fn read(body: &Json, rules: &SubmitRules) -> Result<Self, ApiError> {
        Self::read_with(body, FIELDS, rules, |_, _| ()).map(|(request, ())| request)
    }

    /// The same of a body of which `fields` are taken, with what `more` reads of it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_with<T>(
        body: &Json,
        fields: &[&str],
        rules: &SubmitRules,
        more: impl FnOnce(&Object, &mut FieldErrors) -> T,
    ) -> Result<(Self, T), ApiError> {
        let mut errors = FieldErrors::default();
        let Json::Object(body) = body else {
            errors.push(String::new, "wrong-type", || {
                format!("the body must be an object, not {}", body.type_name())
            });
            return Err(errors.into_result().expect_err("one was just noted"));
        };
        if let Some(Json::List(entries)) = body.get("wallet_addresses")
            && entries.len() > rules.max_wallets
        {
            let detail = format!(
                "The list has {} wallets; one job takes at most {}.",
                entries.len(),
                rules.max_wallets
            );
            return Err(ApiError::new(problems::TOO_MANY_WALLETS, detail));
        }
        let terms = Terms::read(body, fields, rules, &mut errors);
        let more = more(body, &mut errors);
        let (wallets, duplicates_removed) = read_wallets(body, terms.chain, &mut errors);
        Ok((Self::of(terms, wallets, duplicates_removed, "", errors)?, more))
    }

    /// The wallets under the terms, whose pointer is `at`, unless something is wrong.
    pub(super) fn of(
        terms: Terms,
        wallets: Vec<Address>,
        duplicates_removed: usize,
        at: &str,
        mut errors: FieldErrors,
    ) -> Result<Self, ApiError> {
        let Terms { chain, analysis, webhook, dry_run } = terms;
        if analysis.group {
            check_group(wallets.len(), at, &mut errors);
        }
        if analysis.options.contains_key("lots") {
            check_lots(&analysis, wallets.len(), at, &mut errors);
        }
        // Without a chain there is an error, and this value goes nowhere.
        let chain = chain.unwrap_or(Chain::Solana);
        errors.into_result()?;
        Ok(Self { chain, wallets, duplicates_removed, analysis, webhook, dry_run })
    }
}

/// The member `name`, unless it is absent or null (which for optional fields means the same).
pub(super) fn optional<'a>(body: &'a Object, name: &str) -> Option<&'a Json> {
    body.get(name).filter(|value| **value != Json::Null)
}

/// The text at `/name`; another type is noted.
fn text<'a>(value: &'a Json, name: &str, errors: &mut FieldErrors) -> Option<&'a str> {
    if let Json::Text(text) = value {
        return Some(text);
    }
    wrong_type(value, &format!("/{name}"), "a string", errors);
    None
}

/// Notes that the value at `at` has another type.
pub fn wrong_type(value: &Json, at: &str, expected: &str, errors: &mut FieldErrors) {
    errors.push(
        || at.to_owned(),
        "wrong-type",
        || format!("expected {expected}, found {}", value.type_name()),
    );
}

fn missing(name: &str, errors: &mut FieldErrors) {
    errors.push(|| format!("/{name}"), "missing-field", || "the field is required");
}

fn read_chain(body: &Object, rules: &SubmitRules, errors: &mut FieldErrors) -> Option<Chain> {
    let Some(value) = body.get("chain") else {
        missing("chain", errors);
        return None;
    };
    let name = text(value, "chain", errors)?;
    let Ok(chain) = name.parse::<Chain>() else {
        errors.push(|| "/chain".into(), "unknown-chain", || unknown_chain(name));
        return None;
    };
    if !rules.available.contains(&chain) {
        errors.push(
            || "/chain".into(),
            "chain-unavailable",
            || format!("no data provider is configured for {chain} on this server"),
        );
    }
    Some(chain)
}

fn read_wallets(
    body: &Object,
    chain: Option<Chain>,
    errors: &mut FieldErrors,
) -> (Vec<Address>, usize) {
    const NAME: &str = "wallet_addresses";
    let entries = match body.get(NAME) {
        None => {
            missing(NAME, errors);
            return (Vec::new(), 0);
        }
        Some(Json::List(entries)) => entries,
        Some(other) => {
            wrong_type(other, "/wallet_addresses", "a list of addresses", errors);
            return (Vec::new(), 0);
        }
    };
    if entries.is_empty() {
        errors.push(
            || format!("/{NAME}"),
            "empty-list",
            || "the list must have at least one address",
        );
    }
    let mut wallets = Vec::with_capacity(entries.len());
    let mut seen = HashSet::with_capacity(entries.len());
    let mut duplicates_removed = 0;
    for (n, entry) in entries.iter().enumerate() {
        let at = || format!("/{NAME}/{n}");
        let Json::Text(text) = entry else {
            wrong_type(entry, &at(), "an address as a string", errors);
            continue;
        };
        // What an address looks like depends on the chain; without one there is nothing to check.
        let Some(chain) = chain else { continue };
        match Address::parse(chain, text) {
            Ok(address) if seen.insert(address.clone()) => wallets.push(address),
            Ok(_) => duplicates_removed += 1,
            Err(error) => {
                errors.push(at, "bad-address", || format!("{}: {error}", shown(text)));
            }
        }
    }
    (wallets, duplicates_removed)
}

fn read_method(body: &Object, errors: &mut FieldErrors) -> Method {
    let Some(name) = optional(body, "method").and_then(|value| text(value, "method", errors))
    else {
        return Method::default();
    };
    name.parse().unwrap_or_else(|_| {
        errors.push(|| "/method".into(), "unknown-method", || unknown(name, |_| true));
        Method::default()
    })
}

/// The message for a text that names no method that needs nothing else.
pub fn unknown_method(name: &str) -> String {
    unknown(name, Method::is_offered)
}

fn unknown(name: &str, is_offered: fn(Method) -> bool) -> String {
    let offered = Method::ALL.into_iter().filter(|method| is_offered(*method));
    let offered: Vec<_> = offered.map(Method::as_str).collect();
    format!("the method {} is not offered; offered here: {}", shown(name), offered.join(", "))
}

fn read_time_range(body: &Object, errors: &mut FieldErrors) -> TimeRange {
    match optional(body, "time_range") {
        None => TimeRange::default(),
        Some(Json::Text(name)) => match name.parse() {
            Ok(preset) => TimeRange::Preset(preset),
            Err(_) => {
                errors.push(|| "/time_range".into(), "bad-time-range", || unknown_preset(name));
                TimeRange::default()
            }
        },
        Some(Json::Object(range)) => read_bounds(range, errors).unwrap_or_default(),
        Some(other) => {
            wrong_type(other, "/time_range", "a preset or an object {from, to}", errors);
            TimeRange::default()
        }
    }
}

/// The message for a text that names no preset.
pub fn unknown_preset(name: &str) -> String {
    let names: Vec<_> = Preset::ALL.into_iter().map(Preset::as_str).collect();
    format!(
        "{} is no time range; use {} or an object with from and to",
        shown(name),
        names.join(", ")
    )
}

/// A preset, or `FROM..TO` as RFC 3339 times.
///
/// # Errors
/// What is wrong with it.
pub fn range_of(text: &str) -> Result<TimeRange, String> {
    if let Ok(preset) = text.parse() {
        return Ok(TimeRange::Preset(preset));
    }
    let bounds = text.split_once("..").map(|(from, to)| (read_bound(from), read_bound(to)));
    match bounds {
        Some((Some(from), Some(to))) if from < to => Ok(TimeRange::Between { from, to }),
        Some((Some(_), Some(_))) => Err("from must lie before to (the range is half-open)".into()),
        _ => Err(unknown_preset(text)),
    }
}

/// `range` of the history up to `as_of`, a time or a block, if given.
fn read_as_of(body: &Object, range: TimeRange, errors: &mut FieldErrors) -> TimeRange {
    let at = || "/as_of".to_owned();
    let up_to = match optional(body, "as_of") {
        None => return range,
        Some(Json::Text(text)) => {
            let Some(as_of) = read_moment(text) else {
                errors.push(at, "bad-time-range", || not_a_time(text));
                return range;
            };
            if as_of > Utc::now().timestamp() {
                errors.push(at, "out-of-range", || format!("{} has not come yet", shown(text)));
            }
            range.up_to(as_of).map_err(|error| error.to_string())
        }
        Some(Json::Object(place)) => {
            let Some(block) = read_end_block(place, errors) else { return range };
            if optional(body, "group") == Some(&Json::Bool(true)) {
                errors.push(at, "contradiction", || {
                    "a group ends with a time: the wallets of it have their own last events before a block"
                });
            }
            range.up_to_block(block).map_err(|error| error.to_string())
        }
        Some(other) => {
            wrong_type(
                other,
                "/as_of",
                "an RFC 3339 time as a string or an object {block}",
                errors,
            );
            return range;
        }
    };
    if optional(body, "max_transactions").is_some() {
        errors.push(
            at,
            "contradiction",
            || "max_transactions counts from the newest transaction back, which as_of leaves out",
        );
    }
    up_to.unwrap_or_else(|error| {
        errors.push(at, "contradiction", || error);
        range
    })
}

/// `block` of `as_of`.
fn read_end_block(place: &Object, errors: &mut FieldErrors) -> Option<u64> {
    place.check_names("/as_of", &["block"], errors);
    let at = || "/as_of/block".to_owned();
    match place.get("block") {
        None => errors.push(at, "missing-field", || "the field is required"),
        Some(Json::Number(number)) => match block_of(number) {
            Ok(block) => return Some(block),
            Err(detail) => errors.push(at, "out-of-range", || detail),
        },
        Some(other) => wrong_type(other, "/as_of/block", "a whole number", errors),
    }
    None
}

/// The number of a block, or slot.
///
/// # Errors
/// What is wrong with it.
pub fn block_of(text: &str) -> Result<u64, String> {
    /// The store holds no more.
    const MOST: u64 = i64::MAX as u64;
    match text.parse() {
        Ok(block @ 0..=MOST) => Ok(block),
        _ => Err(format!("{} is no number of a block, from 0 to {MOST}", shown(text))),
    }
}

/// The message for a text that is no time.
pub fn not_a_time(text: &str) -> String {
    format!("{} is no RFC 3339 time such as 2024-05-01T00:00:00Z", shown(text))
}

/// The switch `name`, off when it is absent.
fn read_flag(body: &Object, name: &str, errors: &mut FieldErrors) -> bool {
    match optional(body, name) {
        None => false,
        Some(Json::Bool(on)) => *on,
        Some(other) => {
            wrong_type(other, &format!("/{name}"), "true or false", errors);
            false
        }
    }
}

/// Whether so many wallets can be a group.
fn check_group(wallets: usize, at: &str, errors: &mut FieldErrors) {
    if wallets > MOST_WALLETS_OF_A_GROUP {
        errors.push(
            || format!("{at}/group"),
            "out-of-range",
            || {
                format!(
                    "a group takes at most {MOST_WALLETS_OF_A_GROUP} wallets; these are {wallets}"
                )
            },
        );
    }
}

/// Whether lots can be chosen in such a request: they are those of one history.
fn check_lots(analysis: &Analysis, wallets: usize, at: &str, errors: &mut FieldErrors) {
    let method = analysis.method;
    let detail = if method != Method::Specific {
        OptionError::Contradiction { name: "lots", method }.to_string()
    } else if wallets > 1 || analysis.group {
        "option \"lots\" is about the history of one wallet: submit it alone, not as a group"
            .to_owned()
    } else {
        return;
    };
    errors.push(|| format!("{at}/options/lots"), "contradiction", || detail);
}

fn read_bounds(range: &Object, errors: &mut FieldErrors) -> Option<TimeRange> {
    range.check_names("/time_range", &["from", "to"], errors);
    let mut bound = |name: &str| {
        let at = format!("/time_range/{name}");
        match range.get(name) {
            None => {
                errors.push(|| at, "missing-field", || "the field is required");
                None
            }
            Some(Json::Text(text)) => {
                let seconds = read_bound(text);
                if seconds.is_none() {
                    errors.push(|| at, "bad-time-range", || not_a_time(text));
                }
                seconds
            }
            Some(other) => {
                wrong_type(other, &at, "an RFC 3339 time as a string", errors);
                None
            }
        }
    };
    let (from, to) = (bound("from"), bound("to"));
    let (from, to) = (from?, to?);
    if from >= to {
        errors.push(
            || "/time_range".into(),
            "bad-time-range",
            || "from must lie before to (the range is half-open)",
        );
    }
    Some(TimeRange::Between { from, to })
}

fn read_max_transactions(body: &Object, errors: &mut FieldErrors) -> Option<u32> {
    /// Far beyond every history that is read; keeps the number within all stores.
    const MOST: u32 = 1_000_000_000;
    let value = optional(body, "max_transactions")?;
    let Json::Number(number) = value else {
        wrong_type(value, "/max_transactions", "a whole number", errors);
        return None;
    };
    match number.parse() {
        Ok(count @ 1..=MOST) => Some(count),
        _ => {
            errors.push(
                || "/max_transactions".into(),
                "out-of-range",
                || format!("{} is no whole number from 1 to {MOST}", shown(number)),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
