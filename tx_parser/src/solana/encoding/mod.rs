//! Both encodings of getTransaction (`json`, `jsonParsed`) -> one internal form.
//!
//! - `wire`: the JSON as it is written;
//! - `keys`: static and loaded account keys in one list;
//! - `rows`: token balance rows;
//! - `compiled`, `parsed`: instructions from bytes and from the node's own reading.
//!
//! Members without which no balance is known are errors with their place. An instruction that makes
//! no sense becomes a note: the balances stay true without it.

mod compiled;
mod keys;
mod parsed;
mod rows;
mod wire;

use pnl_core::TxId;
use serde_json::value::RawValue;

use super::actions::{Action, KeyIndex, Step};
use super::pubkey::Pubkey;
use crate::error::{ParseError, ParseErrorCode};

use compiled::Malformed;
pub(crate) use keys::Keys;
pub(crate) use rows::Holding;

/// A recording in the internal form, the same for both encodings.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) tx_id: TxId,
    pub(crate) slot: u64,
    pub(crate) block_time: Option<i64>,
    /// Place in the block, when the node names it.
    pub(crate) index: Option<u32>,
    pub(crate) failed: bool,
    pub(crate) fee_lamports: u64,
    pub(crate) keys: Keys,
    /// Lamports of each key before and after.
    pub(crate) pre: Vec<u64>,
    pub(crate) post: Vec<u64>,
    /// Token holdings of each key before and after.
    pub(crate) held_before: Vec<Option<Holding>>,
    pub(crate) held_after: Vec<Option<Holding>>,
    /// Whether the recording has the lists of token balances at all.
    pub(crate) has_token_rows: bool,
    /// Whether the recording has the list of inner instructions.
    pub(crate) has_inner: bool,
    /// Instructions in the order of execution; empty when the transaction failed.
    pub(crate) steps: Vec<Step>,
    /// Instructions that make no sense, in words.
    pub(crate) malformed: Vec<String>,
}

/// Data longer than this many base58 characters belongs to no instruction of a known program: a
/// transaction has at most 1,232 bytes. Decoding time grows with the square of the length.
const MAX_DATA_CHARS: usize = 2_000;

/// At most so many malformed instructions are described one by one.
const MAX_MALFORMED_NOTES: usize = 8;

/// Reads a recording.
pub(crate) fn read(input: &[u8]) -> Result<Recording, ParseError> {
    let record: Option<wire::Record<'_>> =
        serde_json::from_slice(input).map_err(|error| ParseError::from_json(&error, input))?;
    let record = record.ok_or_else(|| {
        ParseError::new(ParseErrorCode::NullTransaction, "/", "the node has no such transaction")
    })?;
    let envelope = record.transaction.ok_or_else(|| ParseError::missing("/transaction"))?;
    let message = envelope.message.ok_or_else(|| ParseError::missing("/transaction/message"))?;
    let signatures = envelope.signatures.as_deref().unwrap_or_default();
    let tx_id = signatures
        .first()
        .map(|text| TxId::new(text.as_str()))
        .ok_or_else(|| ParseError::missing("/transaction/signatures/0"))?;
    let meta = record.meta.ok_or_else(|| ParseError::missing("/meta"))?;
    let keys = Keys::read(&message, meta.loaded_addresses.as_ref())?;
    let pre = balances(meta.pre_balances, &keys, "/meta/preBalances")?;
    let post = balances(meta.post_balances, &keys, "/meta/postBalances")?;
    let has_token_rows = meta.pre_token_balances.is_some() && meta.post_token_balances.is_some();
    let before = meta.pre_token_balances.as_deref().unwrap_or_default();
    let after = meta.post_token_balances.as_deref().unwrap_or_default();
    let held_before = rows::read(before, &keys, "/meta/preTokenBalances")?;
    let held_after = rows::read(after, &keys, "/meta/postTokenBalances")?;
    let failed = meta.err.is_some();
    let mut instructions = Instructions::new(&keys);
    if !failed {
        // What a failed transaction was told to do did not happen.
        instructions.read(message.instructions, meta.inner_instructions);
    }
    let Instructions { steps, malformed, .. } = instructions;
    Ok(Recording {
        tx_id,
        slot: record.slot.ok_or_else(|| ParseError::missing("/slot"))?,
        block_time: record.block_time,
        index: record.transaction_index,
        failed,
        fee_lamports: meta.fee.ok_or_else(|| ParseError::missing("/meta/fee"))?,
        pre,
        post,
        held_before,
        held_after,
        has_token_rows,
        has_inner: meta.inner_instructions.is_some(),
        steps,
        malformed,
        keys,
    })
}

fn balances(list: Option<Vec<u64>>, keys: &Keys, at: &str) -> Result<Vec<u64>, ParseError> {
    let list = list.ok_or_else(|| ParseError::missing(at))?;
    if list.len() != keys.len() {
        let detail = format!("{} balances for {} account keys", list.len(), keys.len());
        return Err(ParseError::new(ParseErrorCode::BadBalances, at, detail));
    }
    Ok(list)
}

/// Collects the steps of a transaction.
struct Instructions<'k> {
    keys: &'k Keys,
    steps: Vec<Step>,
    malformed: Vec<String>,
    malformed_count: usize,
}

impl<'k> Instructions<'k> {
    fn new(keys: &'k Keys) -> Self {
        Self { keys, steps: Vec::new(), malformed: Vec::new(), malformed_count: 0 }
    }

    /// Outer instructions, each followed by its inner ones: the order of execution.
    fn read(&mut self, outer: Option<&RawValue>, inner: Option<&RawValue>) {
        let Some(outer) = list::<&RawValue>(outer) else {
            self.note("the list of instructions", "it is no list");
            return;
        };
        let groups = match inner {
            None => Vec::new(),
            Some(_) => list::<wire::InnerGroup<'_>>(inner).unwrap_or_else(|| {
                self.note("the list of inner instructions", "it is no list of groups");
                Vec::new()
            }),
        };
        for (position, raw) in outer.iter().enumerate() {
            let Ok(position) = u16::try_from(position) else {
                self.note("the list of instructions", "it is longer than the chain allows");
                return;
            };
            self.push(raw, position, None);
            let own = groups.iter().filter(|group| group.index == usize::from(position));
            for (number, raw) in own.flat_map(|group| &group.instructions).enumerate() {
                let Ok(number) = u16::try_from(number) else { break };
                self.push(raw, position, Some(number));
            }
        }
    }

    fn push(&mut self, raw: &RawValue, outer: u16, inner: Option<u16>) {
        let first = self.steps.len();
        if let Err(Malformed(why)) = self.try_push(raw, outer, inner) {
            self.steps.truncate(first);
            let place = match inner {
                None => format!("instruction {outer}"),
                Some(inner) => format!("instruction {outer}, inner {inner}"),
            };
            self.note(&place, why);
        }
    }

    fn try_push(
        &mut self,
        raw: &RawValue,
        outer: u16,
        inner: Option<u16>,
    ) -> Result<(), Malformed> {
        let instruction: wire::Instruction<'_> = serde_json::from_str(raw.get())
            .map_err(|_| Malformed("it has none of the forms that nodes write"))?;
        let program = self.program(&instruction)?;
        let unknown = |tag| Step { outer, inner, program, tag, action: None };
        if let Some(parsed) = instruction.parsed {
            // The memo program's parsed form is a text: nothing that moves.
            let body = serde_json::from_str::<wire::ParsedBody<'_>>(parsed.get()).ok();
            let mut actions = Vec::new();
            match body {
                Some(body) => parsed::decode(&program, &body, self.keys, &mut actions)?,
                None if compiled::is_known(&program) => {
                    return Err(Malformed("its parsed form is not what nodes write"));
                }
                None => {}
            }
            self.add(outer, inner, program, actions);
            return Ok(());
        }
        let text = instruction.data.as_ref().map_or("", wire::Text::as_str);
        let known = compiled::is_known(&program);
        let is_long = text.len() > MAX_DATA_CHARS;
        // Programs write events into calls of themselves, which may be long and have no tag.
        if !known && (is_long || !super::programs::wants_tag(&program)) {
            self.steps.push(unknown([0; 8]));
            return Ok(());
        }
        if is_long {
            return Err(Malformed("its data is longer than a transaction"));
        }
        let data = bs58::decode(text).into_vec().map_err(|_| Malformed("its data is no base58"))?;
        if !known {
            let mut tag = [0; 8];
            for (to, from) in tag.iter_mut().zip(&data) {
                *to = *from;
            }
            self.steps.push(unknown(tag));
            return Ok(());
        }
        let accounts = self.accounts(instruction.accounts.as_deref().unwrap_or_default())?;
        let mut actions = Vec::new();
        compiled::decode(&program, &accounts, &data, &mut actions)?;
        self.add(outer, inner, program, actions);
        Ok(())
    }

    /// Adds what an instruction of a known program means; one that moves nothing is a step, too.
    fn add(&mut self, outer: u16, inner: Option<u16>, program: Pubkey, actions: Vec<Action>) {
        let step = |action| Step { outer, inner, program, tag: [0; 8], action };
        if actions.is_empty() {
            self.steps.push(step(None));
        }
        self.steps.extend(actions.into_iter().map(|action| step(Some(action))));
    }

    fn program(&self, instruction: &wire::Instruction<'_>) -> Result<Pubkey, Malformed> {
        match (&instruction.program_id_index, &instruction.program_id) {
            (Some(index), _) => self
                .keys
                .index(*index)
                .map(|index| self.keys.at(index))
                .ok_or(Malformed("its program lies outside of the keys")),
            (None, Some(text)) => {
                Pubkey::parse(text.as_str()).ok_or(Malformed("its program is no key"))
            }
            (None, None) => Err(Malformed("it names no program")),
        }
    }

    fn accounts(&self, refs: &[wire::AccountRef<'_>]) -> Result<Vec<KeyIndex>, Malformed> {
        let outside = Malformed("it names an account outside of the keys");
        refs.iter()
            .map(|reference| match reference {
                wire::AccountRef::Index(number) => {
                    usize::try_from(*number).ok().and_then(|n| self.keys.index(n)).ok_or(outside)
                }
                wire::AccountRef::Key(text) => Pubkey::parse(text.as_str())
                    .and_then(|key| self.keys.index_of(&key))
                    .ok_or(outside),
            })
            .collect()
    }

    fn note(&mut self, place: &str, why: &str) {
        self.malformed_count += 1;
        match self.malformed_count {
            1..=MAX_MALFORMED_NOTES => self.malformed.push(format!("{place}: {why}")),
            _ => {
                self.malformed.truncate(MAX_MALFORMED_NOTES);
                let more = self.malformed_count - MAX_MALFORMED_NOTES;
                self.malformed.push(format!("{more} more of this kind"));
            }
        }
    }
}

fn list<'a, T: serde::Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<Vec<T>> {
    serde_json::from_str(raw?.get()).ok()
}
