//! Events as bytes: all that sums depend on, in about a tenth of the text of a ledger.
//!
//! Ids of events are left out, so what is computed from figures has totals, and lots without names.
//! They serve where a history is computed as a whole and fast; whoever asks for single records reads
//! the ledger.
//!
//! The form: a version byte, the names (assets, wallets, links), then the events. Integers are
//! LEB128; quantities and money are a length and as many bytes, the lowest first. A reader takes no
//! other version.

use std::collections::HashMap;
use std::sync::Arc;

use alloy_primitives::{I256, U256};

use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;
use crate::event::{Event, EventFee, EventKind, EventLeg, SwapSide};

/// Raised whenever the form changes.
const VERSION: u8 = 1;

/// In place of the length of a value that is unknown.
const UNKNOWN: u8 = u8::MAX;

/// Why figures cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FiguresError {
    /// A value is known below 1e-36 USD, as none of a ledger is.
    #[error("a value below 1e-36 USD has no figures")]
    Residue,
    /// They are of another version.
    #[error("figures of version {0}, not {VERSION}")]
    Version(u8),
    /// They end too early or make no sense.
    #[error("figures cannot be read at byte {0}")]
    Corrupt(usize),
}

impl FiguresError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Residue => "figures-residue",
            Self::Version(_) => "figures-version",
            Self::Corrupt(_) => "figures-corrupt",
        }
    }
}

/// Writes events one behind the other.
#[derive(Debug, Default)]
pub struct FigureWriter {
    names: HashMap<Arc<str>, u64>,
    texts: Vec<Arc<str>>,
    events: Vec<u8>,
    count: u64,
    ts: i64,
    seq: u64,
}

impl FigureWriter {
    /// The next event.
    ///
    /// # Errors
    /// [`FiguresError::Residue`]; what was written before stays as it is.
    pub fn push(&mut self, event: &Event) -> Result<(), FiguresError> {
        let Event { id: _, ts, seq, wallet, kind, fees } = event;
        let (code, legs, link): (u8, [Option<&EventLeg>; 2], Option<&Arc<str>>) = match kind {
            EventKind::Acquire(leg) => (0, [Some(leg), None], None),
            EventKind::Dispose(leg) => (1, [Some(leg), None], None),
            EventKind::Income(leg) => (2, [Some(leg), None], None),
            EventKind::Fee(leg) => (3, [Some(leg), None], None),
            EventKind::Swap { out, into, fee_side } => {
                let code = match fee_side {
                    None => 4,
                    Some(SwapSide::Out) => 5,
                    Some(SwapSide::In) => 6,
                };
                (code, [Some(out), Some(into)], None)
            }
            EventKind::TransferIn { leg, link } => {
                (if link.is_some() { 8 } else { 7 }, [Some(leg), None], link.as_ref())
            }
            EventKind::TransferOut { leg, link } => {
                (if link.is_some() { 10 } else { 9 }, [Some(leg), None], link.as_ref())
            }
        };
        let of_fees = fees.iter().filter_map(|fee| match fee {
            EventFee::Asset(leg) => Some(leg),
            EventFee::Usd(_) => None,
        });
        if legs.into_iter().flatten().chain(of_fees).any(|leg| leg.residue.is_some()) {
            return Err(FiguresError::Residue);
        }
        self.events.push(code);
        let later = ts.wrapping_sub(self.ts);
        put(&mut self.events, ((later << 1) ^ (later >> 63)) as u64);
        put(&mut self.events, seq.wrapping_sub(self.seq));
        (self.ts, self.seq) = (*ts, *seq);
        self.name(wallet);
        if let Some(link) = link {
            self.name(link);
        }
        for leg in legs.into_iter().flatten() {
            self.leg(leg);
        }
        put(&mut self.events, fees.len() as u64);
        for fee in fees {
            match fee {
                EventFee::Asset(leg) => {
                    self.events.push(0);
                    self.leg(leg);
                }
                EventFee::Usd(value) => {
                    self.events.push(1);
                    put_usd(&mut self.events, Some(*value));
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.texts.len() as u64);
        for text in &self.texts {
            put(&mut bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
        put(&mut bytes, self.count);
        bytes.extend_from_slice(&self.events);
        bytes
    }

    fn name(&mut self, name: &Arc<str>) {
        let place = match self.names.get(name) {
            Some(place) => *place,
            None => {
                let place = self.texts.len() as u64;
                self.names.insert(name.clone(), place);
                self.texts.push(name.clone());
                place
            }
        };
        put(&mut self.events, place);
    }

    fn leg(&mut self, leg: &EventLeg) {
        self.name(&Arc::from(leg.asset.as_str()));
        self.events.push(leg.decimals);
        put_bytes(&mut self.events, leg.quantity.to_u256(), 0);
        put_usd(&mut self.events, leg.value);
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The bytes of a number that are not leading zeros, behind their count and a sign.
fn put_bytes(bytes: &mut Vec<u8>, number: U256, sign: u8) {
    let count = number.byte_len();
    bytes.push((count as u8) << 1 | sign);
    bytes.extend_from_slice(&number.to_le_bytes::<32>()[..count]);
}

fn put_usd(bytes: &mut Vec<u8>, value: Option<Usd>) {
    match value {
        None => bytes.push(UNKNOWN),
        Some(value) => {
            let units = value.units();
            put_bytes(bytes, units.unsigned_abs(), u8::from(units.is_negative()));
        }
    }
}

/// Reads figures of one history, piece by piece. Names are shared over all of them.
#[derive(Debug, Default)]
pub struct FigureReader {
    assets: HashMap<Arc<str>, AssetId>,
    wallets: HashMap<Arc<str>, Arc<str>>,
}

/// A name as an asset and as anything else.
struct Name {
    asset: AssetId,
    text: Arc<str>,
}

impl FigureReader {
    /// Whether `bytes` are of the version that is read here.
    pub fn knows(bytes: &[u8]) -> bool {
        bytes.first() == Some(&VERSION)
    }

    /// Gives every event of a piece to `apply`, in order. Their ids are empty.
    ///
    /// # Errors
    /// [`FiguresError`], or what `apply` has against an event.
    pub fn read<E: From<FiguresError>>(
        &mut self,
        bytes: &[u8],
        mut apply: impl FnMut(&Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Bytes { all: bytes, at: 0 };
        match bytes.byte()? {
            VERSION => {}
            version => return Err(FiguresError::Version(version).into()),
        }
        let names: Vec<Name> = (0..bytes.count()?)
            .map(|_| bytes.text().map(|text| self.name(text)))
            .collect::<Result<_, _>>()?;
        let Some(first) = names.first() else { return Ok(()) };
        let mut event = Event {
            id: "".into(),
            ts: 0,
            seq: 0,
            wallet: first.text.clone(),
            kind: EventKind::Fee(leg_of_nothing(&first.asset)),
            fees: Vec::new(),
        };
        for _ in 0..bytes.count()? {
            let code = bytes.byte()?;
            let later = bytes.number()?;
            event.ts = event.ts.wrapping_add((later >> 1) as i64 ^ -((later & 1) as i64));
            event.seq = event.seq.wrapping_add(bytes.number()?);
            event.wallet = bytes.name(&names)?.text.clone();
            let link = match code {
                8 | 10 => Some(bytes.name(&names)?.text.clone()),
                _ => None,
            };
            let leg = bytes.leg(&names)?;
            event.kind = match code {
                0 => EventKind::Acquire(leg),
                1 => EventKind::Dispose(leg),
                2 => EventKind::Income(leg),
                3 => EventKind::Fee(leg),
                4..=6 => EventKind::Swap {
                    out: leg,
                    into: bytes.leg(&names)?,
                    fee_side: [None, Some(SwapSide::Out), Some(SwapSide::In)]
                        [usize::from(code - 4)],
                },
                7 | 8 => EventKind::TransferIn { leg, link },
                9 | 10 => EventKind::TransferOut { leg, link },
                _ => return Err(bytes.corrupt().into()),
            };
            event.fees.clear();
            for _ in 0..bytes.count()? {
                event.fees.push(match bytes.byte()? {
                    0 => EventFee::Asset(bytes.leg(&names)?),
                    1 => EventFee::Usd(bytes.usd()?.ok_or_else(|| bytes.corrupt())?),
                    _ => return Err(bytes.corrupt().into()),
                });
            }
            apply(&event)?;
        }
        if bytes.at == bytes.all.len() { Ok(()) } else { Err(bytes.corrupt().into()) }
    }

    fn name(&mut self, text: &str) -> Name {
        if let (Some(asset), Some(text)) = (self.assets.get(text), self.wallets.get(text)) {
            return Name { asset: asset.clone(), text: text.clone() };
        }
        let (asset, shared) = (AssetId::new(text), Arc::<str>::from(text));
        self.assets.insert(shared.clone(), asset.clone());
        self.wallets.insert(shared.clone(), shared.clone());
        Name { asset, text: shared }
    }
}

fn leg_of_nothing(asset: &AssetId) -> EventLeg {
    EventLeg {
        asset: asset.clone(),
        quantity: RawAmount::ZERO,
        decimals: 0,
        value: None,
        residue: None,
    }
}

/// Bytes that are read from their beginning.
struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn corrupt(&self) -> FiguresError {
        FiguresError::Corrupt(self.at)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FiguresError> {
        let taken = self.all.get(self.at..).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or_else(|| self.corrupt())?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, FiguresError> {
        let byte = *self.all.get(self.at).ok_or_else(|| self.corrupt())?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, FiguresError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    /// A count of things that have a byte each at least.
    fn count(&mut self) -> Result<usize, FiguresError> {
        let count = self.number()?;
        let left = self.all.len() - self.at;
        usize::try_from(count).ok().filter(|count| *count <= left).ok_or_else(|| self.corrupt())
    }

    fn text(&mut self) -> Result<&'a str, FiguresError> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt())
    }

    fn name<'n>(&mut self, names: &'n [Name]) -> Result<&'n Name, FiguresError> {
        let place = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        names.get(place).ok_or_else(|| self.corrupt())
    }

    fn amount(&mut self, head: u8) -> Result<U256, FiguresError> {
        let count = usize::from(head >> 1);
        if count > 32 {
            return Err(self.corrupt());
        }
        Ok(U256::from_le_slice(self.take(count)?))
    }

    fn usd(&mut self) -> Result<Option<Usd>, FiguresError> {
        let head = self.byte()?;
        if head == UNKNOWN {
            return Ok(None);
        }
        let magnitude = I256::try_from(self.amount(head)?).map_err(|_| self.corrupt())?;
        let units = if head & 1 == 1 { -magnitude } else { magnitude };
        Ok(Some(Usd::from_units(units)))
    }

    fn leg(&mut self, names: &[Name]) -> Result<EventLeg, FiguresError> {
        let asset = self.name(names)?.asset.clone();
        let decimals = self.byte()?;
        let head = self.byte()?;
        let quantity = RawAmount::from(self.amount(head)?);
        Ok(EventLeg { asset, quantity, decimals, value: self.usd()?, residue: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    const HISTORY: &str = r#"{"method": "fifo", "events": [
        {"id": "a", "ts": -7, "wallet": "w", "kind": "acquire", "asset": "T", "qty": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
         "decimals": 0, "value": "0.1", "fee": {"usd": "-2"}},
        {"id": "b", "ts": 5, "wallet": "w", "kind": "swap", "value": "100", "fee_side": "in",
         "out": {"asset": "T", "qty": 3, "decimals": 0}, "in": {"asset": "U", "qty": 9, "decimals": 6},
         "fee": [{"asset": "native", "qty": 5000, "decimals": 9, "value": "0.7"}, {"usd": "1"}]},
        {"id": "c", "ts": 5, "wallet": "w", "kind": "transfer_out", "asset": "U", "qty": 9, "decimals": 6, "link": "l"},
        {"id": "d", "ts": 5, "wallet": "v", "kind": "transfer_in", "asset": "U", "qty": 9, "decimals": 6, "link": "l"},
        {"id": "e", "ts": 6, "wallet": "v", "kind": "transfer_in", "asset": "native", "qty": 0, "decimals": 9},
        {"id": "f", "ts": 9, "wallet": "v", "kind": "transfer_out", "asset": "U", "qty": 1, "decimals": 6, "value": "7"},
        {"id": "g", "ts": 9, "wallet": "v", "kind": "income", "asset": "U", "qty": 1, "decimals": 6, "value": "7"},
        {"id": "h", "ts": 9, "wallet": "v", "kind": "fee", "asset": "U", "qty": 1, "decimals": 6},
        {"id": "i", "ts": 9, "wallet": "v", "kind": "dispose", "asset": "U", "qty": 1, "decimals": 6, "value": "0"}]}"#;

    fn written(events: &[Event]) -> Vec<u8> {
        let mut writer = FigureWriter::default();
        events.iter().try_for_each(|event| writer.push(event)).unwrap();
        writer.finish()
    }

    fn read(reader: &mut FigureReader, bytes: &[u8]) -> Result<Vec<Event>, FiguresError> {
        let mut events = Vec::new();
        reader.read(bytes, |event| {
            events.push(event.clone());
            Ok::<_, FiguresError>(())
        })?;
        Ok(events)
    }

    #[test]
    fn every_kind_comes_back_as_it_was_but_for_its_id() {
        let events = Document::read(HISTORY).unwrap().events;
        let nameless: Vec<_> =
            events.iter().map(|event| Event { id: "".into(), ..event.clone() }).collect();
        let mut reader = FigureReader::default();
        assert_eq!(read(&mut reader, &written(&events)).unwrap(), nameless);
        // In pieces, too, and with one text for each name.
        let pieces: Vec<Event> = events
            .chunks(2)
            .flat_map(|piece| read(&mut reader, &written(piece)).unwrap())
            .collect();
        assert_eq!(pieces, nameless);
        assert_eq!(read(&mut reader, &written(&[])).unwrap(), []);
    }

    #[test]
    fn what_is_cut_or_changed_is_refused_or_other_figures_and_never_a_panic() {
        let bytes = written(&Document::read(HISTORY).unwrap().events);
        let mut reader = FigureReader::default();
        for length in 0..bytes.len() {
            assert!(read(&mut reader, &bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let _ = read(&mut reader, &changed);
            }
        }
        let other = [&[9], &bytes[1..]].concat();
        assert_eq!(read(&mut reader, &other), Err(FiguresError::Version(9)));
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(read(&mut reader, &longer), Err(FiguresError::Corrupt(_))));
    }
}
