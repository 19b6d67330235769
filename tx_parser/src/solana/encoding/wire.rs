//! The JSON of getTransaction as the nodes write it, both encodings, borrowed from the input.
//!
//! Only members that matter are named; others (logs, rewards, compute units) are skipped by the
//! reader without being kept. Instructions are read whatever they are, so that one that makes no
//! sense cannot spoil the transaction around it.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::actions::KeyIndex;
use super::super::pubkey::Pubkey;
use super::keys::Keys;
use crate::json::{self, Loose, LooseList, Members, Scalar};

/// A text borrowed from the input where it holds no escapes.
#[derive(Debug, Clone)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The `result` of getTransaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    pub(super) slot: Option<u64>,
    pub(super) block_time: Option<i64>,
    /// Place in the block; only newer nodes write it.
    pub(super) transaction_index: Option<u32>,
    #[serde(borrow)]
    pub(super) transaction: Option<Envelope<'a>>,
    #[serde(borrow)]
    pub(super) meta: Option<Meta<'a>>,
}

/// Signatures and message.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) signatures: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
}

/// What was signed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "json::list")]
    pub(super) account_keys: Option<Vec<KeyEntry<'a>>>,
    /// Only in the `json` encoding; in `jsonParsed` every key says whether it signed.
    pub(super) header: Option<Header>,
    #[serde(borrow)]
    pub(super) instructions: Option<LooseList<Loose<Instruction<'a>>>>,
}

/// How many of the static keys signed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) num_required_signatures: usize,
}

/// An account key: a text (`json`) or an object (`jsonParsed`).
#[derive(Debug)]
pub(super) enum KeyEntry<'a> {
    Plain(Text<'a>),
    Parsed(ParsedKey<'a>),
}

/// A key in the `jsonParsed` encoding; loaded addresses are already in the list.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedKey<'a> {
    #[serde(borrow)]
    pub(super) pubkey: Text<'a>,
    pub(super) signer: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for KeyEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = KeyEntry<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an account key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(KeyEntry::Plain(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(KeyEntry::Plain(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ParsedKey::deserialize(MapAccessDeserializer::new(map)).map(KeyEntry::Parsed)
            }
        }
        deserializer.deserialize_any(KeyVisitor)
    }
}

/// What the transaction did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta<'a> {
    /// Null or absent: it took effect.
    pub(super) err: Option<IgnoredAny>,
    pub(super) fee: Option<u64>,
    #[serde(default, deserialize_with = "json::list")]
    pub(super) pre_balances: Option<Vec<u64>>,
    #[serde(default, deserialize_with = "json::list")]
    pub(super) post_balances: Option<Vec<u64>>,
    #[serde(borrow, default, deserialize_with = "json::list")]
    pub(super) pre_token_balances: Option<Vec<TokenRow<'a>>>,
    #[serde(borrow, default, deserialize_with = "json::list")]
    pub(super) post_token_balances: Option<Vec<TokenRow<'a>>>,
    #[serde(borrow)]
    pub(super) inner_instructions: Option<LooseList<Loose<InnerGroup<'a>>>>,
    #[serde(borrow)]
    pub(super) loaded_addresses: Option<Loaded<'a>>,
}

/// Addresses from lookup tables, after the static keys: the writable ones first.
#[derive(Debug, Deserialize)]
pub(super) struct Loaded<'a> {
    #[serde(borrow)]
    pub(super) writable: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) readonly: Vec<Text<'a>>,
}

/// A token balance before or after.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRow<'a> {
    pub(super) account_index: usize,
    #[serde(borrow)]
    pub(super) mint: Text<'a>,
    /// Absent before slot 111,491,819.
    #[serde(borrow)]
    pub(super) owner: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) program_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) ui_token_amount: TokenAmount<'a>,
}

/// A token quantity; the floating point members are not read.
#[derive(Debug, Deserialize)]
pub(super) struct TokenAmount<'a> {
    #[serde(borrow)]
    pub(super) amount: Text<'a>,
    pub(super) decimals: Option<u8>,
}

/// The inner instructions of one outer instruction.
#[derive(Debug, Default)]
pub(super) struct InnerGroup<'a> {
    pub(super) index: Scalar<'a>,
    pub(super) instructions: Option<LooseList<Loose<Instruction<'a>>>>,
}

impl<'de: 'a, 'a> Members<'de> for InnerGroup<'a> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "index" => self.index = map.next_value()?,
            "instructions" => self.instructions = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// An instruction in any form: compiled (`programIdIndex`), partially decoded (`programId`, `data`)
/// or parsed by the node (`parsed`).
#[derive(Debug, Default)]
pub(super) struct Instruction<'a> {
    pub(super) program_id_index: Scalar<'a>,
    pub(super) program_id: Scalar<'a>,
    /// Read for the programs that are understood.
    pub(super) accounts: Option<&'a RawValue>,
    pub(super) data: Scalar<'a>,
    pub(super) parsed: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Members<'de> for Instruction<'a> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "programIdIndex" => self.program_id_index = map.next_value()?,
            "programId" => self.program_id = map.next_value()?,
            "accounts" => self.accounts = map.next_value()?,
            "data" => self.data = map.next_value()?,
            "parsed" => self.parsed = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The accounts of an instruction: indices into the keys, or the keys themselves.
pub(super) struct AccountRefs<'b> {
    pub(super) keys: &'b Keys,
    /// Where they go.
    pub(super) list: &'b mut Vec<KeyIndex>,
}

impl<'de> DeserializeSeed<'de> for AccountRefs<'_> {
    /// Whether all of them are among the keys.
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AccountRefs<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of account indices or keys")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut are_inside = true;
        while let Some(account) = list.next_element_seed(AccountRef(self.keys))? {
            are_inside &= account.is_some();
            self.list.extend(account);
        }
        Ok(are_inside)
    }
}

struct AccountRef<'b>(&'b Keys);

impl<'de> DeserializeSeed<'de> for AccountRef<'_> {
    type Value = Option<KeyIndex>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AccountRef<'_> {
    type Value = Option<KeyIndex>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account index or key")
    }
    fn visit_u64<E>(self, index: u64) -> Result<Self::Value, E> {
        Ok(usize::try_from(index).ok().and_then(|index| self.0.index(index)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Pubkey::parse(text).and_then(|key| self.0.index_of(&key)))
    }
}

/// `parsed` of the programs that nodes decode into objects.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedBody<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    /// Read only for the types that matter here.
    #[serde(borrow)]
    pub(super) info: Option<&'a RawValue>,
}

/// `parsed.info` of several token instructions in one.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedBatch<'a> {
    #[serde(borrow)]
    pub(super) instructions: Vec<ParsedBody<'a>>,
}

/// The members of `parsed.info` that this crate reads, over all programs and instruction types.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ParsedInfo<'a> {
    #[serde(borrow)]
    pub(super) account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) destination: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) owner: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) multisig_owner: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) authority: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) multisig_authority: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) authority_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_authority: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) mint: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) wallet: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) nonce_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) vote_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) stake_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_split_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) lookup_table_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) recipient: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) token_program: Option<Text<'a>>,
    /// A decimal text in token instructions.
    #[serde(borrow)]
    pub(super) amount: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) token_amount: Option<TokenAmount<'a>>,
    pub(super) lamports: Option<u64>,
    pub(super) space: Option<u64>,
}
