//! One log -> what it says moved.
//!
//! Only the shape counts: topic, number of topics, data. Who emits a log may lie; then balances
//! contradict it, which a single transaction cannot show.

use alloy_primitives::{U256, b256};

use super::header::Header;
use super::movements::{Asset, Movement};
use super::wire::Log;
use super::{Account, Word, abi, quirks};
use crate::json::Loose;

/// Transfer(address,address,uint256): ERC-20 with three topics, ERC-721 with four.
const TRANSFER: Word = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// TransferSingle(address,address,address,uint256,uint256) of ERC-1155.
const TRANSFER_SINGLE: Word =
    b256!("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
/// TransferBatch(address,address,address,uint256[],uint256[]) of ERC-1155.
const TRANSFER_BATCH: Word =
    b256!("4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb");
/// Deposit(address,uint256) of the wrapped native coin.
const DEPOSIT: Word = b256!("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c");
/// Withdrawal(address,uint256) of the wrapped native coin.
const WITHDRAWAL: Word = b256!("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65");
/// Mint(address,uint256) of old tokens.
const MINT: Word = b256!("0f6798a560793a54c3bcfe86a93cde1e73087d944c0ea20544137d4121396885");
/// Burn(address,uint256) of old tokens.
const BURN: Word = b256!("cc16f5dbb4873280815c1ee09dbd06736cffcc184412cf7a71a0fdb75d397ca5");
/// Approval(address,address,uint256).
const APPROVAL: Word = b256!("8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925");
/// ApprovalForAll(address,address,bool).
const APPROVAL_FOR_ALL: Word =
    b256!("17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31");

/// What a decoder says of a log.
pub(super) enum Decoded<T> {
    /// Another event.
    NotMine,
    /// Understood.
    Yes(T),
    /// One of the events above, but malformed, and why.
    Unknown(&'static str),
}

/// What a log can mean here.
pub(super) enum Event {
    /// Tokens moved.
    Moved(Vec<Movement>),
    /// An owner let somebody else spend; the amount says nothing about what moved.
    Approved {
        /// Whose tokens.
        owner: Account,
    },
}

/// A log whose address and topics make sense.
pub(super) struct Head {
    pub(super) contract: Account,
    pub(super) topics: Vec<Word>,
}

/// The heads of all logs; `None` where one makes no sense.
pub(super) fn heads(logs: &[Loose<Log<'_>>]) -> Vec<Option<Head>> {
    let head = |log: &Log<'_>| {
        Some(Head { contract: log.address.account()?, topics: log.topics.words()? })
    };
    logs.iter().map(|log| log.0.as_ref().and_then(head)).collect()
}

/// Reads the events that move tokens.
pub(super) fn decode(log: &Log<'_>, head: &Head, header: &Header) -> Decoded<Event> {
    let Some((topic, indexed)) = head.topics.split_first() else { return Decoded::NotMine };
    let body = Body { contract: head.contract, indexed, log };
    let is_wrapped = head.contract == header.network.wrapped_native;
    let chain = header.network.chain;
    let event = match *topic {
        TRANSFER => body.transfer(header),
        TRANSFER_SINGLE => body.transfer_single(),
        TRANSFER_BATCH => body.transfer_batch(),
        DEPOSIT if is_wrapped => body.balance_change(Asset::Wrapped, Direction::Created),
        WITHDRAWAL if is_wrapped => body.balance_change(Asset::Wrapped, Direction::Destroyed),
        MINT if quirks::mints_without_transfer(chain, &head.contract) => {
            body.balance_change(Asset::Token(head.contract), Direction::Created)
        }
        BURN if quirks::mints_without_transfer(chain, &head.contract) => {
            body.balance_change(Asset::Token(head.contract), Direction::Destroyed)
        }
        APPROVAL | APPROVAL_FOR_ALL => {
            // Its owner is not always indexed; an approval moves nothing, so that is no loss.
            return match indexed.first().and_then(|owner| account(*owner)) {
                Some(owner) => Decoded::Yes(Event::Approved { owner }),
                None => Decoded::NotMine,
            };
        }
        _ => return Decoded::NotMine,
    };
    match event {
        Ok(moved) => Decoded::Yes(Event::Moved(moved)),
        Err(reason) => Decoded::Unknown(reason),
    }
}

/// Which way a token without a `Transfer` went.
enum Direction {
    Created,
    Destroyed,
}

const BAD_TOPICS: &str = "the topics are no addresses";
const BAD_COUNT: &str = "the number of topics fits no standard";
const BAD_DATA: &str = "the data is too short";

struct Body<'a> {
    contract: Account,
    /// The topics behind the first one.
    indexed: &'a [Word],
    log: &'a Log<'a>,
}

impl Body<'_> {
    fn transfer(&self, header: &Header) -> Result<Vec<Movement>, &'static str> {
        let (from, to, asset, amount) = match self.indexed {
            [from, to] => {
                let amount = abi::word(&self.data()?, 0).ok_or(BAD_DATA)?;
                (account(*from), account(*to), self.token(header), amount)
            }
            [from, to, id] => {
                let id = U256::from_be_bytes(id.0);
                (account(*from), account(*to), self.item(id, true), U256::ONE)
            }
            // From before `indexed` was usual.
            [] => {
                let data = self.data()?;
                let word = |index| abi::word(&data, index).ok_or(BAD_DATA);
                let last = word(2)?;
                let chain = header.network.chain;
                let (asset, amount) = if quirks::transfers_ids_unindexed(chain, &self.contract) {
                    (self.item(last, true), U256::ONE)
                } else {
                    (self.token(header), last)
                };
                (abi::account(word(0)?), abi::account(word(1)?), asset, amount)
            }
            _ => return Err(BAD_COUNT),
        };
        let (Some(from), Some(to)) = (from, to) else { return Err(BAD_TOPICS) };
        Ok(vec![Movement { asset, from: Some(from), to: Some(to), amount }])
    }

    fn transfer_single(&self) -> Result<Vec<Movement>, &'static str> {
        let (from, to) = self.operated()?;
        let data = self.data()?;
        let id = abi::word(&data, 0).ok_or(BAD_DATA)?;
        let amount = abi::word(&data, 1).ok_or(BAD_DATA)?;
        Ok(vec![Movement { asset: self.item(id, false), from, to, amount }])
    }

    fn transfer_batch(&self) -> Result<Vec<Movement>, &'static str> {
        let (from, to) = self.operated()?;
        let data = self.data()?;
        let ids = abi::list(&data, 0).ok_or(BAD_DATA)?;
        let amounts = abi::list(&data, 1).ok_or(BAD_DATA)?;
        if ids.len() != amounts.len() {
            return Err("there are not as many ids as amounts");
        }
        let movement = |(id, amount)| Movement { asset: self.item(id, false), from, to, amount };
        Ok(ids.into_iter().zip(amounts).map(movement).collect())
    }

    /// The second and third argument behind the operator.
    fn operated(&self) -> Result<(Option<Account>, Option<Account>), &'static str> {
        let [_, from, to] = self.indexed else { return Err(BAD_COUNT) };
        let (Some(from), Some(to)) = (account(*from), account(*to)) else { return Err(BAD_TOPICS) };
        Ok((Some(from), Some(to)))
    }

    fn balance_change(
        &self,
        asset: Asset,
        direction: Direction,
    ) -> Result<Vec<Movement>, &'static str> {
        let [holder] = self.indexed else { return Err(BAD_COUNT) };
        let holder = account(*holder).ok_or(BAD_TOPICS)?;
        let amount = abi::word(&self.data()?, 0).ok_or(BAD_DATA)?;
        let (from, to) = match direction {
            Direction::Created => (None, Some(holder)),
            Direction::Destroyed => (Some(holder), None),
        };
        Ok(vec![Movement { asset, from, to, amount }])
    }

    fn token(&self, header: &Header) -> Asset {
        if self.contract == header.network.wrapped_native {
            Asset::Wrapped
        } else {
            Asset::Token(self.contract)
        }
    }

    fn item(&self, id: U256, is_single: bool) -> Asset {
        Asset::Item { contract: self.contract, id, is_single }
    }

    fn data(&self) -> Result<Vec<u8>, &'static str> {
        self.log.data.bytes().ok_or("the data is no hexadecimal text")
    }
}

fn account(topic: Word) -> Option<Account> {
    abi::account(U256::from_be_bytes(topic.0))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn topics_are_the_hashes_of_their_signatures() {
        for (topic, signature) in [
            (TRANSFER, "Transfer(address,address,uint256)"),
            (TRANSFER_SINGLE, "TransferSingle(address,address,address,uint256,uint256)"),
            (TRANSFER_BATCH, "TransferBatch(address,address,address,uint256[],uint256[])"),
            (DEPOSIT, "Deposit(address,uint256)"),
            (WITHDRAWAL, "Withdrawal(address,uint256)"),
            (MINT, "Mint(address,uint256)"),
            (BURN, "Burn(address,uint256)"),
            (APPROVAL, "Approval(address,address,uint256)"),
            (APPROVAL_FOR_ALL, "ApprovalForAll(address,address,bool)"),
        ] {
            assert_eq!(topic, keccak256(signature), "{signature}");
        }
    }
}
