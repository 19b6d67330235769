//! What contracts are asked: balances, decimals, symbols.

use alloy_primitives::U256;
use pnl_core::{Address, AssetId, RawAmount};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::node::{hex, result};
use super::refusal::of_error;
use crate::failure::Failure;
use crate::json_rpc::Reply;

/// `balanceOf(address)`
const BALANCE_OF: &str = "0x70a08231";
/// `balanceOf(address,uint256)` of ERC-1155.
const BALANCE_OF_ID: &str = "0x00fdd58e";
/// `ownerOf(uint256)` of ERC-721.
const OWNER_OF: &str = "0x6352211e";
/// `decimals()`
pub(super) const DECIMALS: &str = "0x313ce567";
/// `symbol()`
pub(super) const SYMBOL: &str = "0x95d89b41";

/// Code with which Nethermind and its forebears say that a contract failed.
const VM_ERROR: i64 = -32_015;
/// Words in which nodes say that a contract failed by itself: geth, Erigon, Reth and anvil (`EVM error
/// InvalidJump`), Besu, Nethermind, Ganache and Hardhat (`VM Exception`).
const OWN_FAULTS: [&str; 20] = [
    "invalid opcode",
    "opcode not found",
    "opcodenotfound",
    "undefined instruction",
    "bad instruction",
    "invalidfeopcode",
    "out of gas",
    "outofgas",
    "gas uint64 overflow",
    "stack underflow",
    "stackunderflow",
    "stack overflow",
    "stackoverflow",
    "stack limit",
    "invalid jump",
    "invalidjump",
    "bad jump",
    "evm error",
    "vm execution error",
    "vm exception",
];

/// More decimals than this are a joke: the whole supply of any token would be a fraction of a unit.
const MOST_DECIMALS: u64 = 36;
/// A longer text is no symbol.
const LONGEST_SYMBOL: usize = 32;

/// An asset as contracts know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding<'a> {
    Native,
    Token(&'a str),
    Item { contract: &'a str, id: U256 },
}

impl<'a> Holding<'a> {
    pub(super) fn of(asset: &'a AssetId) -> Option<Self> {
        if asset.is_native() {
            return Some(Self::Native);
        }
        match asset.as_str().split_once('/') {
            None => Some(Self::Token(asset.as_str())),
            Some((contract, id)) => {
                Some(Self::Item { contract, id: U256::from_str_radix(id, 10).ok()? })
            }
        }
    }
}

fn word(address: &Address) -> String {
    let digits = address.as_str().strip_prefix("0x").unwrap_or_default();
    format!("{digits:0>64}")
}

fn call(contract: &str, data: String, block: Option<u64>) -> Value {
    let tag = block.map_or_else(|| "latest".to_owned(), hex);
    json!([{"to": contract, "data": data}, tag])
}

/// Parameters of eth_getBalance.
pub(super) fn native_balance(wallet: &Address, block: u64) -> Value {
    json!([wallet, hex(block)])
}

/// Parameters of the eth_call for the units of a token.
pub(super) fn token_balance(wallet: &Address, contract: &str, block: u64) -> Value {
    call(contract, format!("{BALANCE_OF}{}", word(wallet)), Some(block))
}

/// Parameters of the eth_call for the units of one id.
pub(super) fn item_balance(wallet: &Address, contract: &str, id: U256, block: u64) -> Value {
    call(contract, format!("{BALANCE_OF_ID}{}{id:064x}", word(wallet)), Some(block))
}

/// Parameters of the eth_call for who has a single token.
pub(super) fn item_owner(contract: &str, id: U256, block: u64) -> Value {
    call(contract, format!("{OWNER_OF}{id:064x}"), Some(block))
}

/// Parameters of an eth_call without arguments, at the newest block.
pub(super) fn constant(contract: &str, selector: &str) -> Value {
    call(contract, selector.to_owned(), None)
}

/// A balance in hexadecimal digits.
pub(super) fn read_balance(reply: &Reply<'_>) -> Result<RawAmount, Failure> {
    let text = text(result(reply)?)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| Failure::malformed("no quantity"))?;
    let value = U256::from_str_radix(digits, 16).map_err(Failure::malformed)?;
    Ok(value.into())
}

fn text(result: &RawValue) -> Result<String, Failure> {
    serde_json::from_str(result.get()).map_err(Failure::malformed)
}

/// The bytes that a contract returned; `None` when it reverted: its own business, not the node's.
pub(super) fn read_returned(reply: &Reply<'_>) -> Result<Option<Vec<u8>>, Failure> {
    if let Reply::Error { code, message } = reply {
        let said = message.to_ascii_lowercase();
        let failure = of_error(*code, message);
        // Whoever refuses or puts off a call has not run the contract.
        let is_nodes = matches!(failure, Failure::Refused { .. } | Failure::Throttled { .. })
            || said.contains("database");
        let is_own = *code == VM_ERROR || OWN_FAULTS.iter().any(|words| said.contains(words));
        let is_reverted = *code == 3 || said.contains("revert");
        return if is_reverted || (is_own && !is_nodes) { Ok(None) } else { Err(failure) };
    }
    let text = text(result(reply)?)?;
    alloy_primitives::hex::decode(&text).map(Some).map_err(Failure::malformed)
}

/// The number in the first word; `None` when there is none.
pub(super) fn number(returned: Option<&[u8]>) -> Option<U256> {
    returned?.get(..32).and_then(U256::try_from_be_slice)
}

/// Whether the account in the first word is `wallet`.
pub(super) fn is_account(returned: Option<&[u8]>, wallet: &Address) -> Option<bool> {
    let bytes = returned?.get(..32)?;
    Some(alloy_primitives::hex::encode(bytes) == word(wallet))
}

/// Decimals, when they make sense.
pub(super) fn decimals(returned: Option<&[u8]>) -> Option<u8> {
    let number = u64::try_from(number(returned)?).ok()?;
    u8::try_from(number).ok().filter(|_| number <= MOST_DECIMALS)
}

/// A symbol: text with its length in front, or 32 bytes filled up with zeros as old tokens have it.
pub(super) fn symbol(returned: Option<&[u8]>) -> Option<String> {
    let bytes = returned?;
    let text = if bytes.len() == 32 {
        bytes
    } else {
        let length = usize::try_from(number(bytes.get(32..))?).ok()?;
        bytes.get(64..64_usize.checked_add(length)?)?
    };
    let text = std::str::from_utf8(text).ok()?.trim_end_matches('\0').trim();
    let is_plain = !text.chars().any(char::is_control);
    (is_plain && !text.is_empty() && text.chars().count() <= LONGEST_SYMBOL)
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_text_of_either_form_and_nothing_absurd() {
        let mut modern = vec![0; 96];
        (modern[31], modern[63]) = (32, 4);
        modern[64..68].copy_from_slice(b"USDC");
        assert_eq!(symbol(Some(&modern)).as_deref(), Some("USDC"));
        let mut old = vec![0; 32];
        old[..3].copy_from_slice(b"MKR");
        assert_eq!(symbol(Some(&old)).as_deref(), Some("MKR"));
        modern[63] = 200;
        assert_eq!(symbol(Some(&modern)), None, "longer than the answer");
        modern[32..64].fill(0xff);
        assert_eq!(symbol(Some(&modern)), None);
        for none in [&[][..], &[0; 32], &[0xff; 32]] {
            assert_eq!(symbol(Some(none)), None);
        }
        assert_eq!(symbol(None), None);
    }

    #[test]
    fn absurd_decimals_are_unknown() {
        let word = |number: u64| U256::from(number).to_be_bytes::<32>();
        assert_eq!(decimals(Some(&word(6))), Some(6));
        assert_eq!(decimals(Some(&word(36))), Some(36));
        for absurd in [37, 255, 256, u64::MAX] {
            assert_eq!(decimals(Some(&word(absurd))), None, "{absurd}");
        }
        assert_eq!(decimals(Some(&[])), None);
        assert_eq!(decimals(Some(&[0xff; 32])), None);
    }

    #[test]
    fn a_contract_that_reverts_says_nothing_and_a_node_that_fails_is_an_error() {
        let error = |code, message: &str| Reply::Error { code, message: message.to_owned() };
        assert_eq!(read_returned(&error(3, "execution reverted")), Ok(None));
        assert_eq!(read_returned(&error(-32000, "execution reverted: no")), Ok(None));
        assert_eq!(
            read_returned(&error(-32000, "missing trie node")).unwrap_err().outcome(),
            "refused"
        );
        for (code, message) in [
            (-32_015, "VM execution error."),
            (-32_003, "EVM error InvalidFEOpcode"),
            (-32_003, "EVM error: OpcodeNotFound"),
            (-32_603, "EVM error InvalidJump"),
            (-32_000, "VM Exception while processing transaction: invalid"),
            (-32_000, "stack underflow (0 <=> 2)"),
            (-32_000, "stack limit reached 1024 (1023)"),
            (3, "execution reverted: too many requests"),
        ] {
            assert_eq!(read_returned(&error(code, message)), Ok(None), "{message}");
        }
        for (code, message) in [
            (-32_603, "Internal error"),
            (-32_000, "World state unavailable"),
            (-32_603, "EVM error: database"),
            (-32_005, "Rate limit reached, see https://chainstack.com/pricing"),
            (-32_000, "Chainstack cannot answer now"),
            (-32_601, "method eth_call is not available: out of gas budget"),
            (429, "vm execution error"),
        ] {
            assert!(read_returned(&error(code, message)).is_err(), "{message}");
        }
    }

    #[test]
    fn assets_are_what_contracts_know() {
        assert_eq!(Holding::of(&AssetId::native()), Some(Holding::Native));
        assert_eq!(Holding::of(&AssetId::new("0xa")), Some(Holding::Token("0xa")));
        let item = Holding::Item { contract: "0xa", id: U256::from(7) };
        assert_eq!(Holding::of(&AssetId::new("0xa/7")), Some(item));
        assert_eq!(Holding::of(&AssetId::new("0xa/x")), None);
    }
}
