//! Reading a document: from JSON to events in order.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Document;
use super::error::{DocumentError, FieldError};
use super::number::Decimal;
use super::object::{Object, distinct, members};
use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::engine::{Options, SameTs};
use crate::event::{Event, EventFee, EventKind, EventLeg, SwapSide};

/// The document as JSON; figures are kept as the text they are.
#[derive(Deserialize)]
struct RawDocument<'a> {
    name: Option<String>,
    method: String,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
    #[serde(borrow)]
    prices: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Vec<Object<RawEvent<'a>>>,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    wallet: Option<String>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    asset: Option<String>,
    #[serde(borrow)]
    qty: Option<&'a RawValue>,
    #[serde(borrow)]
    decimals: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    out: Option<Object<RawLeg<'a>>>,
    #[serde(borrow, rename = "in")]
    into: Option<Object<RawLeg<'a>>>,
    fee_side: Option<String>,
    link: Option<String>,
    #[serde(borrow)]
    fee: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawLeg<'a> {
    asset: Option<String>,
    #[serde(borrow)]
    qty: Option<&'a RawValue>,
    #[serde(borrow)]
    decimals: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    /// Of a fee only.
    #[serde(borrow)]
    usd: Option<&'a RawValue>,
}

pub(super) fn document(text: &str) -> Result<Document, DocumentError> {
    let Object(raw): Object<RawDocument<'_>> =
        serde_json::from_str(text).map_err(DocumentError::Json)?;
    let method = raw.method.parse()?;
    let options = match raw.options {
        Some(options) => Options::from_json(&distinct(options).map_err(DocumentError::Json)?)?,
        None => Options::default(),
    };
    options.check(method)?;
    let prices = raw.prices.map(read_prices).transpose()?;

    let mut names = Names::default();
    let mut keyed = Vec::with_capacity(raw.events.len());
    let mut ids = HashSet::with_capacity(raw.events.len());
    for (place, Object(raw)) in raw.events.iter().enumerate() {
        let fault = |source| DocumentError::Event { event: raw.id.to_string(), source };
        let (event, seq) = event(raw, place, &options, &mut names).map_err(fault)?;
        if !ids.insert(Arc::clone(&event.id)) {
            return Err(DocumentError::DuplicateId(event.id.to_string()));
        }
        keyed.push(((event.ts, rank(&event.kind, options.same_ts), seq, place), event));
    }
    keyed.sort_unstable_by_key(|(key, _)| *key);
    // From here on the place in the order is the sequence: it breaks all ties.
    let events = keyed.into_iter().zip(0..).map(|((_, event), seq)| Event { seq, ..event });
    let events = events.collect();
    Ok(Document { name: raw.name, method, options, prices, events })
}

/// Place of a kind inside one second.
fn rank(kind: &EventKind, order: SameTs) -> u8 {
    match (order, kind) {
        (SameTs::Sequence, _)
        | (_, EventKind::Acquire(_) | EventKind::Income(_) | EventKind::TransferIn { .. }) => 0,
        (SameTs::AcquireFirst, _) => 1,
    }
}

fn read_prices(
    raw: &RawValue,
) -> Result<BTreeMap<AssetId, crate::amount::UsdPrice>, DocumentError> {
    let mut prices = BTreeMap::new();
    for (asset, price) in members(raw).map_err(DocumentError::Json)? {
        if price.get() == "null" {
            continue;
        }
        let fault = |source| DocumentError::Price { asset: asset.clone(), source };
        let text = figure_text(price, "price").map_err(fault)?;
        let number = unsigned(&text, "price").map_err(fault)?;
        let price = number.price(&text).map_err(|e| fault(amount("price", e)))?;
        prices.insert(AssetId::new(&asset), price);
    }
    Ok(prices)
}

/// One copy of every asset and wallet name.
#[derive(Default)]
struct Names {
    assets: HashMap<String, AssetId>,
    wallets: HashMap<String, Arc<str>>,
}

impl Names {
    fn asset(&mut self, name: &str) -> AssetId {
        if let Some(known) = self.assets.get(name) {
            return known.clone();
        }
        let id = AssetId::new(name);
        self.assets.insert(name.to_owned(), id.clone());
        id
    }

    fn wallet(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.wallets.get(name) {
            return Arc::clone(known);
        }
        let id: Arc<str> = name.into();
        self.wallets.insert(name.to_owned(), Arc::clone(&id));
        id
    }
}

/// Reads one event and its `seq`.
fn event(
    raw: &RawEvent<'_>,
    place: usize,
    options: &Options,
    names: &mut Names,
) -> Result<(Event, i128), FieldError> {
    let ts: i64 = integer(raw.ts.ok_or(FieldError::Missing("ts"))?, "ts")?;
    let seq = match raw.seq {
        Some(seq) => i128::from(integer::<i64>(seq, "seq")?),
        None => place as i128,
    };
    let own = RawLeg {
        asset: raw.asset.clone(),
        qty: raw.qty,
        decimals: raw.decimals,
        price: raw.price,
        value: raw.value,
        usd: None,
    };
    let link = raw.link.as_deref().map(Arc::from);
    let kind = match &*raw.kind {
        "acquire" => EventKind::Acquire(leg(&own, names)?),
        "dispose" => EventKind::Dispose(leg(&own, names)?),
        "income" => EventKind::Income(leg(&own, names)?),
        "transfer_in" => EventKind::TransferIn { leg: leg(&own, names)?, link },
        "transfer_out" => EventKind::TransferOut { leg: leg(&own, names)?, link },
        "fee" => EventKind::Fee(leg(&own, names)?),
        "swap" => swap(raw, options, names)?,
        unknown => return Err(FieldError::UnknownKind(unknown.to_owned())),
    };
    let fees = fees(raw.fee, names)?;
    let wallet = names.wallet(raw.wallet.as_deref().unwrap_or(""));
    // `seq` is replaced by the place in the order once that is known.
    Ok((Event { id: raw.id.as_ref().into(), ts, seq: 0, wallet, kind, fees }, seq))
}

fn swap(raw: &RawEvent<'_>, options: &Options, names: &mut Names) -> Result<EventKind, FieldError> {
    let side = |side: &Option<Object<RawLeg<'_>>>, name, names: &mut Names| {
        leg(&side.as_ref().ok_or(FieldError::Missing(name))?.0, names)
    };
    let mut out = side(&raw.out, "out", names)?;
    let mut into = side(&raw.into, "in", names)?;
    if let Some(value) = raw.value {
        let text = figure_text(value, "value")?;
        let value = unsigned(&text, "value")?.dollars(&text).map_err(|e| amount("value", e))?;
        (out.value, into.value) = (Some(value), Some(value));
        (out.residue, into.residue) = (None, None);
    }
    let fee_side = match raw.fee_side.as_deref() {
        None | Some("") => None,
        Some("in") => Some(SwapSide::In),
        Some("out") => Some(SwapSide::Out),
        // The rule of `swap_fee_side = auto`, whatever side the options name for the others.
        Some("auto") => {
            let is_quote = |leg: &EventLeg| options.quote_assets.contains(&leg.asset);
            Some(if is_quote(&out) && !is_quote(&into) { SwapSide::In } else { SwapSide::Out })
        }
        Some(other) => {
            return Err(FieldError::Unexpected {
                field: "fee_side",
                expected: "auto, in or out",
                found: format!("{other:?}"),
            });
        }
    };
    Ok(EventKind::Swap { out, into, fee_side })
}

fn leg(raw: &RawLeg<'_>, names: &mut Names) -> Result<EventLeg, FieldError> {
    let asset = raw.asset.as_deref().ok_or(FieldError::Missing("asset"))?;
    let quantity = quantity(raw.qty.ok_or(FieldError::Missing("qty"))?)?;
    let decimals = integer(raw.decimals.ok_or(FieldError::Missing("decimals"))?, "decimals")?;
    let mut residue = None;
    let value = match (raw.value, raw.price) {
        (Some(value), _) => {
            let text = figure_text(value, "value")?;
            Some(unsigned(&text, "value")?.dollars(&text).map_err(|e| amount("value", e))?)
        }
        (None, Some(price)) => {
            let text = figure_text(price, "price")?;
            let price = unsigned(&text, "price")?;
            let (value, below) = price.times(quantity, decimals).map_err(|e| amount("price", e))?;
            residue = below.map(Box::new);
            Some(value)
        }
        (None, None) => None,
    };
    Ok(EventLeg { asset: names.asset(asset), quantity, decimals, value, residue })
}

/// `fee`: a leg, `{"usd"}`, or a list of these; null, an empty list and an empty object are none.
fn fees(raw: Option<&RawValue>, names: &mut Names) -> Result<Vec<EventFee>, FieldError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let unexpected = || FieldError::Unexpected {
        field: "fee",
        expected: "a leg, {\"usd\"} or a list of these",
        found: raw.get().to_owned(),
    };
    let one_or_more: Vec<Object<RawLeg<'_>>> = if raw.get().starts_with('[') {
        serde_json::from_str(raw.get()).map_err(|_| unexpected())?
    } else {
        let one: HashMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| unexpected())?;
        if one.is_empty() {
            return Ok(Vec::new());
        }
        vec![serde_json::from_str(raw.get()).map_err(|_| unexpected())?]
    };
    one_or_more.iter().map(|Object(raw)| fee(raw, names)).collect()
}

fn fee(raw: &RawLeg<'_>, names: &mut Names) -> Result<EventFee, FieldError> {
    match raw.usd {
        Some(usd) => {
            let text = figure_text(usd, "usd")?;
            dollars(&text).map(EventFee::Usd).map_err(|e| amount("usd", e))
        }
        None => leg(raw, names).map(EventFee::Asset),
    }
}

/// Dollars of either sign: a fee known in dollars may be a rebate.
fn dollars(text: &str) -> Result<Usd, AmountError> {
    Decimal::read(text)?.dollars(text)
}

/// A figure that is never below zero.
fn unsigned(text: &str, field: &'static str) -> Result<Decimal, FieldError> {
    let number = Decimal::read(text).map_err(|e| amount(field, e))?;
    if number.is_negative() { Err(FieldError::Negative(field)) } else { Ok(number) }
}

fn amount(field: &'static str, source: AmountError) -> FieldError {
    FieldError::Amount { field, source }
}

fn quantity(raw: &RawValue) -> Result<RawAmount, FieldError> {
    let bad = || FieldError::Quantity(raw.get().to_owned());
    let text = figure_text(raw, "qty").map_err(|_| bad())?;
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| b == b'0') && !digits.is_empty() => {
            Ok(RawAmount::ZERO)
        }
        Some(digits) if digits.parse::<RawAmount>().is_ok() => Err(FieldError::Negative("qty")),
        Some(_) => Err(bad()),
        None => text.parse().map_err(|error| match error {
            AmountError::Overflow => amount("qty", AmountError::Overflow),
            AmountError::Syntax(_) | AmountError::Precision(_) => bad(),
        }),
    }
}

/// An integer as text or number.
fn integer<T: std::str::FromStr>(raw: &RawValue, field: &'static str) -> Result<T, FieldError> {
    let text = figure_text(raw, field)?;
    text.parse().map_err(|_| FieldError::Unexpected {
        field,
        expected: "an integer in range",
        found: raw.get().to_owned(),
    })
}

/// The digits of a JSON number or text, as they stand.
fn figure_text<'a>(raw: &'a RawValue, field: &'static str) -> Result<Cow<'a, str>, FieldError> {
    let token = raw.get();
    let unexpected = || FieldError::Unexpected {
        field,
        expected: "a number or its text",
        found: token.to_owned(),
    };
    match token.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<BorrowedText<'a>>(token)
            .map(|text| text.0)
            .map_err(|_| unexpected()),
        Some(b'-' | b'0'..=b'9') => Ok(Cow::Borrowed(token)),
        _ => Err(unexpected()),
    }
}

/// Text that borrows from its JSON where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);
