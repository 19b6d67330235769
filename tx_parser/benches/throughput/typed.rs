//! The same files into plain structs: what serde_json alone needs for the members that the parser
//! reads. Texts are borrowed and not decoded, everything else is skipped, nothing is checked.
//!
//! Each answers with a number that depends on what was read, so that no reading is left out.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads a Solana recording of encoding `json`.
pub(crate) fn solana(text: &[u8]) -> Result<usize, serde_json::Error> {
    serde_json::from_slice::<SolanaRecord<'_, &str, u8>>(text).map(|record| record.size())
}

/// Reads a Solana recording of encoding `jsonParsed`.
pub(crate) fn solana_parsed(text: &[u8]) -> Result<usize, serde_json::Error> {
    serde_json::from_slice::<SolanaRecord<'_, ParsedKey<'_>, &str>>(text)
        .map(|record| record.size())
}

/// Reads an EVM recording.
pub(crate) fn evm(text: &[u8]) -> Result<usize, serde_json::Error> {
    serde_json::from_slice::<EvmRecord<'_>>(text)
        .map(|record| record.receipt.logs.len() + record.internal_transfers.map_or(0, |i| i.len()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "K: Deserialize<'de>, A: Deserialize<'de>"))]
struct SolanaRecord<'a, K, A> {
    slot: u64,
    block_time: Option<i64>,
    transaction_index: Option<u32>,
    #[serde(borrow)]
    transaction: SolanaTransaction<'a, K, A>,
    #[serde(borrow)]
    meta: Meta<'a, A>,
}

impl<K, A> SolanaRecord<'_, K, A> {
    fn size(&self) -> usize {
        let inner = self.meta.inner_instructions.iter().flatten();
        let inner: usize = inner.map(|group| group.instructions.len()).sum();
        inner + self.transaction.message.instructions.len()
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct ParsedKey<'a> {
    pubkey: &'a str,
    signer: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "K: Deserialize<'de>, A: Deserialize<'de>"))]
struct SolanaTransaction<'a, K, A> {
    #[serde(borrow)]
    signatures: Vec<&'a str>,
    #[serde(borrow)]
    message: Message<'a, K, A>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "K: Deserialize<'de>, A: Deserialize<'de>"))]
struct Message<'a, K, A> {
    account_keys: Vec<K>,
    header: Option<SignatureHeader>,
    #[serde(borrow)]
    instructions: Vec<Instruction<'a, A>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
struct SignatureHeader {
    num_required_signatures: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
struct Instruction<'a, A> {
    program_id_index: Option<u8>,
    #[serde(borrow)]
    program_id: Option<&'a str>,
    accounts: Option<Vec<A>>,
    #[serde(borrow)]
    data: Option<&'a str>,
    /// Of any form.
    #[serde(borrow)]
    parsed: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
struct Meta<'a, A> {
    #[serde(borrow)]
    err: Option<&'a RawValue>,
    fee: u64,
    pre_balances: Vec<u64>,
    post_balances: Vec<u64>,
    #[serde(borrow)]
    pre_token_balances: Option<Vec<TokenRow<'a>>>,
    #[serde(borrow)]
    post_token_balances: Option<Vec<TokenRow<'a>>>,
    #[serde(borrow)]
    inner_instructions: Option<Vec<InnerGroup<'a, A>>>,
    #[serde(borrow)]
    loaded_addresses: Option<Loaded<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
struct TokenRow<'a> {
    account_index: u8,
    #[serde(borrow)]
    mint: &'a str,
    #[serde(borrow)]
    owner: Option<&'a str>,
    #[serde(borrow)]
    program_id: Option<&'a str>,
    #[serde(borrow)]
    ui_token_amount: TokenAmount<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct TokenAmount<'a> {
    #[serde(borrow)]
    amount: &'a str,
    decimals: u8,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
struct InnerGroup<'a, A> {
    index: u8,
    #[serde(borrow)]
    instructions: Vec<Instruction<'a, A>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct Loaded<'a> {
    #[serde(borrow)]
    writable: Vec<&'a str>,
    #[serde(borrow)]
    readonly: Vec<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct EvmRecord<'a> {
    #[serde(borrow)]
    transaction: EvmTransaction<'a>,
    #[serde(borrow)]
    receipt: Receipt<'a>,
    block_timestamp: Option<u64>,
    #[serde(borrow)]
    internal_transfers: Option<Vec<Internal<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
struct EvmTransaction<'a> {
    hash: &'a str,
    from: &'a str,
    to: Option<&'a str>,
    value: &'a str,
    input: &'a str,
    r#type: Option<&'a str>,
    gas: &'a str,
    gas_price: Option<&'a str>,
    block_number: &'a str,
    transaction_index: &'a str,
    chain_id: Option<&'a str>,
    mint: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
struct Receipt<'a> {
    transaction_hash: &'a str,
    status: Option<&'a str>,
    gas_used: &'a str,
    effective_gas_price: Option<&'a str>,
    contract_address: Option<&'a str>,
    block_number: &'a str,
    transaction_index: &'a str,
    l1_fee: Option<&'a str>,
    blob_gas_used: Option<&'a str>,
    blob_gas_price: Option<&'a str>,
    #[serde(borrow)]
    logs: Vec<Log<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is not used")]
struct Log<'a> {
    address: &'a str,
    #[serde(borrow)]
    topics: Vec<&'a str>,
    data: &'a str,
    log_index: &'a str,
    removed: Option<bool>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is not used")]
struct Internal<'a> {
    from: &'a str,
    to: Option<&'a str>,
    contract_address: Option<&'a str>,
    value: &'a str,
    r#type: Option<&'a str>,
    trace_id: Option<&'a str>,
    #[serde(borrow)]
    is_error: &'a RawValue,
}
