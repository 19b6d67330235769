//! Transactions recorded in a folder, and the state of the chain they leave behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The SPL Token program, which governs token rows that name no program (old recordings).
pub(crate) const TOKEN_PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

/// One row of an address's transaction list.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub signature: String,
    pub slot: u64,
    pub err: Value,
    pub block_time: Option<i64>,
}

/// An open token account.
#[derive(Debug, Clone)]
pub(crate) struct TokenAccount {
    pub mint: String,
    pub owner: Option<String>,
    pub program: String,
    pub amount: Value,
}

/// A folder `transactions/<signature>.json` (each the `result` of getTransaction) with an optional
/// `index.json` that orders them inside their slots, and optional second encodings in
/// `transactions_alt_encoding/`.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    transactions: HashMap<String, Transaction>,
    /// Signatures that name an address, oldest first.
    by_address: HashMap<String, Vec<String>>,
    /// Signers, and owners of token accounts.
    pub wallets: BTreeSet<String>,
    pub accounts: BTreeMap<String, TokenAccount>,
    pub lamports: HashMap<String, u64>,
    /// Decimals and program of every mint seen.
    pub mints: HashMap<String, (u64, String)>,
    times: BTreeMap<u64, Option<i64>>,
}

#[derive(Debug)]
struct Transaction {
    json: Box<RawValue>,
    other_encoding: Option<Box<RawValue>>,
    parsed: bool,
    versioned: bool,
    row: Row,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    slot: u64,
    block_time: Option<i64>,
    #[serde(default)]
    version: Value,
    meta: Meta,
    transaction: Signed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    err: Value,
    post_balances: Vec<u64>,
    pre_token_balances: Option<Vec<TokenRow>>,
    post_token_balances: Option<Vec<TokenRow>>,
    loaded_addresses: Option<Loaded>,
}

#[derive(Deserialize)]
struct Loaded {
    #[serde(default)]
    writable: Vec<String>,
    #[serde(default)]
    readonly: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenRow {
    account_index: usize,
    mint: String,
    owner: Option<String>,
    program_id: Option<String>,
    ui_token_amount: Value,
}

#[derive(Deserialize)]
struct Signed {
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    account_keys: Vec<Key>,
    header: Option<Header>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    num_required_signatures: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Key {
    Plain(String),
    Parsed { pubkey: String, signer: bool },
}

impl Recorded {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let block_index = read_index(&folder.join("index.json"))?;
        let mut files = Vec::new();
        for entry in
            fs::read_dir(folder.join("transactions")).context("cannot list transactions")?
        {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let signature = stem(&path)?;
                let text = fs::read_to_string(&path)?;
                let outline: Outline = serde_json::from_str(&text)
                    .with_context(|| format!("{} is no recorded transaction", path.display()))?;
                let index = block_index.get(&signature).copied().flatten();
                files.push(((outline.slot, index, signature), outline, text));
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let mut chain = Self::default();
        for ((_, _, signature), outline, text) in files {
            chain.add(signature, outline, text)?;
        }
        chain.read_other_encodings(&folder.join("transactions_alt_encoding"))?;
        Ok(chain)
    }

    /// Adds a transaction that is later than all before it.
    fn add(&mut self, signature: String, outline: Outline, text: String) -> anyhow::Result<()> {
        let Outline { slot, block_time, version, meta, transaction } = outline;
        let mut keys = Vec::new();
        let mut parsed = false;
        let Message { account_keys, header } = transaction.message;
        let signers = header.map_or(1, |header| header.num_required_signatures);
        for (place, key) in account_keys.into_iter().enumerate() {
            let (key, signed) = match key {
                Key::Plain(key) => (key, place < signers),
                Key::Parsed { pubkey, signer } => {
                    parsed = true;
                    (pubkey, signer)
                }
            };
            if signed {
                self.wallets.insert(key.clone());
            }
            keys.push(key);
        }
        let rows = [&meta.pre_token_balances, &meta.post_token_balances];
        let owners = rows.into_iter().flatten().flatten().filter_map(|row| row.owner.clone());
        self.wallets.extend(owners);
        // The parsed encoding lists loaded addresses among its keys.
        if let (false, Some(loaded)) = (parsed, meta.loaded_addresses) {
            keys.extend(loaded.writable);
            keys.extend(loaded.readonly);
        }
        for key in &keys {
            let named_in = self.by_address.entry(key.clone()).or_default();
            if named_in.last() != Some(&signature) {
                named_in.push(signature.clone());
            }
        }
        self.lamports.extend(keys.iter().cloned().zip(meta.post_balances));
        let failed = !meta.err.is_null();
        self.apply_token_rows(
            &keys,
            meta.pre_token_balances.unwrap_or_default(),
            meta.post_token_balances.unwrap_or_default(),
            failed,
        )?;
        self.times.insert(slot, block_time);
        let row = Row { signature: signature.clone(), slot, err: meta.err, block_time };
        let json = RawValue::from_string(text.trim().to_owned())?;
        let versioned = version.as_u64().is_some();
        let transaction = Transaction { json, other_encoding: None, parsed, versioned, row };
        self.transactions.insert(signature, transaction);
        Ok(())
    }

    fn apply_token_rows(
        &mut self,
        keys: &[String],
        before: Vec<TokenRow>,
        after: Vec<TokenRow>,
        failed: bool,
    ) -> anyhow::Result<()> {
        let key_of = |row: &TokenRow| {
            keys.get(row.account_index).cloned().context("a token row names no account")
        };
        let mut open = HashMap::new();
        for row in after {
            open.insert(key_of(&row)?, row);
        }
        for row in &before {
            let key = key_of(row)?;
            if !open.contains_key(&key) {
                self.accounts.remove(&key);
            }
        }
        for (key, row) in open {
            let program = row.program_id.unwrap_or_else(|| TOKEN_PROGRAM.to_owned());
            let decimals = row.ui_token_amount.get("decimals").and_then(Value::as_u64);
            self.mints.insert(row.mint.clone(), (decimals.unwrap_or_default(), program.clone()));
            // A failed transaction opens nothing.
            if !failed || self.accounts.contains_key(&key) {
                let (mint, owner, amount) = (row.mint, row.owner, row.ui_token_amount);
                self.accounts.insert(key, TokenAccount { mint, owner, program, amount });
            }
        }
        Ok(())
    }

    fn read_other_encodings(&mut self, folder: &Path) -> anyhow::Result<()> {
        if !folder.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = stem(&path)?;
            let signature = name.split('.').next().unwrap_or_default();
            if let Some(transaction) = self.transactions.get_mut(signature) {
                let text = fs::read_to_string(&path)?;
                transaction.other_encoding = Some(RawValue::from_string(text.trim().to_owned())?);
            }
        }
        Ok(())
    }

    /// The rows that name `address`, newest first, as getSignaturesForAddress pages them.
    pub(crate) fn rows(
        &self,
        address: &str,
        before: Option<&str>,
        until: Option<&str>,
        limit: usize,
    ) -> Vec<Row> {
        let signatures = self.by_address.get(address).map(Vec::as_slice).unwrap_or_default();
        let mut newest_first = signatures.iter().rev();
        if let Some(before) = before
            && !newest_first.any(|signature| signature == before)
        {
            return Vec::new();
        }
        newest_first
            .take_while(|signature| until != Some(signature.as_str()))
            .take(limit)
            .map(|signature| self.transactions[signature].row.clone())
            .collect()
    }

    /// A transaction in the encoding asked for where it was recorded; the flag says whether it
    /// needs `maxSupportedTransactionVersion`.
    pub(crate) fn transaction(
        &self,
        signature: &str,
        json_parsed: bool,
    ) -> Option<(&RawValue, bool)> {
        let transaction = self.transactions.get(signature)?;
        let json = match &transaction.other_encoding {
            Some(other) if transaction.parsed != json_parsed => other,
            _ => &transaction.json,
        };
        Some((json, transaction.versioned))
    }

    /// Slot and time of the newest transaction.
    pub(crate) fn newest(&self) -> Option<(u64, Option<i64>)> {
        self.times.last_key_value().map(|(&slot, &time)| (slot, time))
    }

    pub(crate) fn time_of(&self, slot: u64) -> Option<i64> {
        self.times.get(&slot).copied().flatten()
    }

    pub(crate) fn knows_address(&self, address: &str) -> bool {
        self.by_address.contains_key(address)
    }
}

fn stem(path: &Path) -> anyhow::Result<String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    Ok(stem.with_context(|| format!("{} has no readable name", path.display()))?.to_owned())
}

/// The place of each signature inside its block, where known. The file may be absent; it is an
/// object by signature, possibly inside `transactions`, or a list of rows with `signature`.
fn read_index(path: &Path) -> anyhow::Result<HashMap<String, Option<u64>>> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let index: Value = serde_json::from_str(&fs::read_to_string(path)?)
        .with_context(|| format!("{} is no JSON", path.display()))?;
    let place = |row: &Value| row.get("block_index").and_then(Value::as_u64);
    match index.get("transactions").unwrap_or(&index) {
        Value::Object(rows) => {
            Ok(rows.iter().map(|(signature, row)| (signature.clone(), place(row))).collect())
        }
        Value::Array(rows) => Ok(rows
            .iter()
            .filter_map(|row| {
                let signature = row.get("signature").and_then(Value::as_str)?;
                Some((signature.to_owned(), place(row)))
            })
            .collect()),
        _ => bail!("{} is neither an object nor a list", path.display()),
    }
}
