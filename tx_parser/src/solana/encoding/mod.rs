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
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::actions::{Action, KeyIndex, Step};
use super::pubkey::Pubkey;
use crate::base58;
use crate::error::{ParseError, ParseErrorCode};
use crate::json::{self, Loose, LooseList, Scalar};

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

const NO_KNOWN_FORM: Malformed = Malformed("it has none of the forms that nodes write");

/// At most so many malformed instructions are described one by one.
const MAX_MALFORMED_NOTES: usize = 8;

/// Reads a recording.
pub(crate) fn read(input: &[u8]) -> Result<Recording, ParseError> {
    let record = json::read::<Option<wire::Record<'_>>>(input)?.ok_or_else(|| {
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
        instructions.read(message.instructions.as_ref(), meta.inner_instructions.as_ref());
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
    scratch: Scratch,
}

/// Memory that every instruction uses again.
#[derive(Default)]
struct Scratch {
    base58: base58::Decoder,
    accounts: Vec<KeyIndex>,
    actions: Vec<Action>,
}

impl Scratch {
    /// An empty list of actions.
    fn actions(&mut self) -> &mut Vec<Action> {
        self.actions.clear();
        &mut self.actions
    }
}

impl<'k> Instructions<'k> {
    fn new(keys: &'k Keys) -> Self {
        Self {
            keys,
            steps: Vec::new(),
            malformed: Vec::new(),
            malformed_count: 0,
            scratch: Scratch::default(),
        }
    }

    /// Outer instructions, each followed by its inner ones: the order of execution.
    fn read(&mut self, outer: Option<&InstructionList<'_>>, inner: Option<&GroupList<'_>>) {
        let Some(outer) = outer.and_then(|list| list.0.as_deref()) else {
            self.note("the list of instructions", "it is no list");
            return;
        };
        let groups = inner.map_or_else(|| Some(Vec::new()), groups).unwrap_or_else(|| {
            self.note("the list of inner instructions", "it is no list of groups");
            Vec::new()
        });
        for (position, instruction) in outer.iter().enumerate() {
            let Ok(position) = u16::try_from(position) else {
                self.note("the list of instructions", "it is longer than the chain allows");
                return;
            };
            self.push(instruction, position, None);
            let own = groups.iter().filter(|(outer, _)| *outer == u64::from(position));
            for (number, instruction) in own.flat_map(|(_, list)| *list).enumerate() {
                let Ok(number) = u16::try_from(number) else { break };
                self.push(instruction, position, Some(number));
            }
        }
    }

    fn push(&mut self, instruction: &Loose<wire::Instruction<'_>>, outer: u16, inner: Option<u16>) {
        let first = self.steps.len();
        let pushed = instruction.0.as_ref().ok_or(NO_KNOWN_FORM);
        let pushed = pushed.and_then(|instruction| self.try_push(instruction, outer, inner));
        if let Err(Malformed(why)) = pushed {
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
        instruction: &wire::Instruction<'_>,
        outer: u16,
        inner: Option<u16>,
    ) -> Result<(), Malformed> {
        let program = self.program(instruction)?;
        let unknown = |tag| Step { outer, inner, program, tag, action: None };
        if let Some(parsed) = instruction.parsed {
            // The memo program's parsed form is a text: nothing that moves.
            let body = serde_json::from_str::<wire::ParsedBody<'_>>(parsed.get()).ok();
            let actions = self.scratch.actions();
            match body {
                Some(body) => parsed::decode(&program, &body, self.keys, actions)?,
                None if compiled::is_known(&program) => {
                    return Err(Malformed("its parsed form is not what nodes write"));
                }
                None => {}
            }
            self.add(outer, inner, program);
            return Ok(());
        }
        let text = match &instruction.data {
            Scalar::Absent => "",
            data => data.text().ok_or(NO_KNOWN_FORM)?,
        };
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
        let Scratch { base58, accounts, actions } = &mut self.scratch;
        let data = base58.decode(text).ok_or(Malformed("its data is no base58"))?;
        if !known {
            let mut tag = [0; 8];
            for (to, from) in tag.iter_mut().zip(data) {
                *to = *from;
            }
            self.steps.push(unknown(tag));
            return Ok(());
        }
        read_accounts(instruction.accounts, self.keys, accounts)?;
        actions.clear();
        compiled::decode(&program, accounts, data, actions)?;
        self.add(outer, inner, program);
        Ok(())
    }

    /// Adds what an instruction of a known program means; one that moves nothing is a step, too.
    fn add(&mut self, outer: u16, inner: Option<u16>, program: Pubkey) {
        let step = |action| Step { outer, inner, program, tag: [0; 8], action };
        if self.scratch.actions.is_empty() {
            self.steps.push(step(None));
        }
        self.steps.extend(self.scratch.actions.drain(..).map(|action| step(Some(action))));
    }

    fn program(&self, instruction: &wire::Instruction<'_>) -> Result<Pubkey, Malformed> {
        match (&instruction.program_id_index, &instruction.program_id) {
            (Scalar::Number(number), Scalar::Absent | Scalar::Text(_)) => self
                .index(*number)
                .map(|index| self.keys.at(index))
                .ok_or(Malformed("its program lies outside of the keys")),
            (Scalar::Absent, Scalar::Text(text)) => {
                Pubkey::parse(text).ok_or(Malformed("its program is no key"))
            }
            (Scalar::Absent, Scalar::Absent) => Err(Malformed("it names no program")),
            _ => Err(NO_KNOWN_FORM),
        }
    }

    fn index(&self, number: u64) -> Option<KeyIndex> {
        self.keys.index(usize::try_from(number).ok()?)
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

/// Reads the accounts of an instruction into `accounts`.
fn read_accounts(
    list: Option<&RawValue>,
    keys: &Keys,
    accounts: &mut Vec<KeyIndex>,
) -> Result<(), Malformed> {
    accounts.clear();
    let Some(list) = list else { return Ok(()) };
    let mut reader = serde_json::Deserializer::from_str(list.get());
    match (wire::AccountRefs { keys, list: accounts }).deserialize(&mut reader) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Malformed("it names an account outside of the keys")),
        Err(_) => Err(NO_KNOWN_FORM),
    }
}

type InstructionList<'a> = LooseList<Loose<wire::Instruction<'a>>>;
/// The position of an outer instruction, and its inner ones.
type Group<'a, 'b> = (u64, &'b [Loose<wire::Instruction<'a>>]);
type GroupList<'a> = LooseList<Loose<wire::InnerGroup<'a>>>;

/// The inner instructions with the position of their outer one; `None` when one group is none.
fn groups<'a, 'b>(list: &'b GroupList<'a>) -> Option<Vec<Group<'a, 'b>>> {
    let group = |group: &'b Loose<wire::InnerGroup<'a>>| {
        let wire::InnerGroup { index: Scalar::Number(index), instructions } = group.0.as_ref()?
        else {
            return None;
        };
        Some((*index, instructions.as_ref()?.0.as_deref()?))
    };
    list.0.as_ref()?.iter().map(group).collect()
}
