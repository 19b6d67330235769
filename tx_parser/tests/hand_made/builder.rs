//! Small transactions made by hand, written in both encodings of getTransaction.

use std::collections::BTreeMap;

use pnl_core::{Address, WalletTransaction};
use serde_json::{Value, json};
use tx_parser::solana::{self, Transaction};

pub const SYSTEM: &str = "11111111111111111111111111111111";
pub const TOKEN: &str = solana::TOKEN_PROGRAM;
pub const TOKEN_2022: &str = solana::TOKEN_2022_PROGRAM;
pub const ASSOCIATED: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
pub const STAKE: &str = "Stake11111111111111111111111111111111111111";
pub const LOOKUP_TABLE: &str = "AddressLookupTab1e1111111111111111111111111";
pub const WSOL: &str = "So11111111111111111111111111111111111111112";
pub const WSOL_2022: &str = solana::WRAPPED_NATIVE_MINTS[1];

/// The deposit of an SPL token account.
pub const DEPOSIT: u64 = 2_039_280;

/// A key that is told apart by its name.
pub fn key(name: &str) -> String {
    if bs58::decode(name).into_vec().is_ok_and(|bytes| bytes.len() == 32) {
        return name.to_owned();
    }
    let mut bytes = [7u8; 32];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bs58::encode(bytes).into_string()
}

pub fn bytes(name: &str) -> Vec<u8> {
    bs58::decode(key(name)).into_vec().unwrap()
}

/// An instruction in the form of either encoding.
#[derive(Clone)]
pub struct Instruction {
    program: String,
    accounts: Vec<String>,
    data: Vec<u8>,
    /// What a node makes of it; `None` leaves it partially decoded.
    parsed: Option<Value>,
}

impl Instruction {
    pub fn new(program: &str, accounts: &[&str], data: &[u8]) -> Self {
        Self {
            program: key(program),
            accounts: accounts.iter().map(|name| key(name)).collect(),
            data: data.to_vec(),
            parsed: None,
        }
    }

    pub fn parsed(mut self, kind: &str, info: Value) -> Self {
        self.parsed = Some(json!({"type": kind, "info": info}));
        self
    }
}

/// A token balance row.
#[derive(Clone)]
struct Row {
    account: String,
    mint: String,
    owner: Option<String>,
    program: String,
    amount: u64,
    decimals: u8,
}

/// A transaction under construction. Accounts are named; the first one pays the fee.
#[derive(Clone, Default)]
pub struct Builder {
    keys: Vec<String>,
    signers: usize,
    balances: BTreeMap<String, (u64, u64)>,
    rows: [Vec<Row>; 2],
    outer: Vec<(Instruction, Vec<Instruction>)>,
    pub slot: u64,
    pub fee: u64,
    pub failed: bool,
    pub index: Option<u32>,
    pub no_inner: bool,
    pub no_rows: bool,
}

impl Builder {
    /// The signers, in order.
    pub fn signed_by(names: &[&str]) -> Self {
        let mut builder =
            Self { slot: 300_000_000, fee: 5_000, signers: names.len(), ..Self::default() };
        for name in names {
            builder.touch(name);
        }
        builder
    }

    fn touch(&mut self, name: &str) {
        let key = key(name);
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Lamports before and after. The fee is part of what the first signer loses.
    pub fn lamports(mut self, name: &str, before: u64, after: u64) -> Self {
        self.touch(name);
        self.balances.insert(key(name), (before, after));
        self
    }

    /// A token balance before (`0`) or after (`1`).
    fn row(&mut self, side: usize, account: &str, holding: &Holding<'_>, amount: u64) {
        self.touch(account);
        self.rows[side].push(Row {
            account: key(account),
            mint: key(holding.mint),
            owner: holding.owner.map(key),
            program: holding.program.to_owned(),
            amount,
            decimals: holding.decimals,
        });
    }

    pub fn held_before(mut self, account: &str, holding: &Holding<'_>, amount: u64) -> Self {
        self.row(0, account, holding, amount);
        self
    }

    pub fn held_after(mut self, account: &str, holding: &Holding<'_>, amount: u64) -> Self {
        self.row(1, account, holding, amount);
        self
    }

    pub fn held(self, account: &str, holding: &Holding<'_>, before: u64, after: u64) -> Self {
        self.held_before(account, holding, before).held_after(account, holding, after)
    }

    pub const fn at_slot(mut self, slot: u64) -> Self {
        self.slot = slot;
        self
    }

    /// An instruction of the user.
    pub fn call(self, instruction: Instruction) -> Self {
        self.call_with(instruction, &[])
    }

    /// An instruction of the user and what its program calls.
    pub fn call_with(mut self, instruction: Instruction, inner: &[Instruction]) -> Self {
        for instruction in std::iter::once(&instruction).chain(inner) {
            for account in &instruction.accounts {
                self.touch(account);
            }
            self.touch(&instruction.program);
        }
        self.outer.push((instruction, inner.to_vec()));
        self
    }

    fn index_of(&self, key: &str) -> usize {
        self.keys.iter().position(|k| k == key).unwrap()
    }

    fn balances(&self, side: usize) -> Vec<u64> {
        let of = |key: &String| {
            let (before, after) = self.balances.get(key).copied().unwrap_or((1, 1));
            if side == 0 { before } else { after }
        };
        self.keys.iter().map(of).collect()
    }

    fn token_balances(&self, side: usize) -> Value {
        if self.no_rows {
            return Value::Null;
        }
        let rows = self.rows[side].iter().map(|row| {
            let mut value = json!({
                "accountIndex": self.index_of(&row.account), "mint": row.mint,
                "programId": row.program,
                "uiTokenAmount": {"amount": row.amount.to_string(), "decimals": row.decimals,
                    "uiAmount": null, "uiAmountString": "0"}});
            match &row.owner {
                Some(owner) => value["owner"] = json!(owner),
                // Recordings without owners do not name the program either.
                None => {
                    value.as_object_mut().unwrap().remove("programId");
                }
            }
            value
        });
        rows.collect()
    }

    fn compiled(&self, instruction: &Instruction) -> Value {
        let accounts: Vec<_> = instruction.accounts.iter().map(|key| self.index_of(key)).collect();
        json!({"programIdIndex": self.index_of(&instruction.program), "accounts": accounts,
            "data": bs58::encode(&instruction.data).into_string(), "stackHeight": null})
    }

    fn decoded(&self, instruction: &Instruction) -> Value {
        match &instruction.parsed {
            Some(parsed) => json!({"programId": instruction.program, "program": "known",
                "parsed": parsed, "stackHeight": null}),
            None => json!({"programId": instruction.program, "accounts": instruction.accounts,
                "data": bs58::encode(&instruction.data).into_string(), "stackHeight": null}),
        }
    }

    fn recording(&self, form: impl Fn(&Instruction) -> Value, message: Value) -> Value {
        let inner: Vec<_> = self
            .outer
            .iter()
            .enumerate()
            .filter(|(_, (_, inner))| !inner.is_empty())
            .map(|(index, (_, inner))| {
                let inner: Vec<_> = inner.iter().map(&form).collect();
                json!({"index": index, "instructions": inner})
            })
            .collect();
        let mut message = message;
        message["instructions"] = self.outer.iter().map(|(outer, _)| form(outer)).collect();
        let mut value = json!({
            "slot": self.slot, "blockTime": 1_700_000_000,
            "transaction": {"signatures": ["signature"], "message": message},
            "meta": {
                "err": if self.failed { json!({"InstructionError": [0, {"Custom": 1}]}) } else { Value::Null },
                "fee": self.fee, "preBalances": self.balances(0), "postBalances": self.balances(1),
                "preTokenBalances": self.token_balances(0),
                "postTokenBalances": self.token_balances(1),
                "innerInstructions": if self.no_inner { Value::Null } else { json!(inner) },
                "logMessages": []}});
        if let Some(index) = self.index {
            value["transactionIndex"] = json!(index);
        }
        value
    }

    /// The encoding `json`.
    pub fn json(&self) -> Value {
        let message = json!({"accountKeys": self.keys, "recentBlockhash": key("blockhash"),
            "header": {"numRequiredSignatures": self.signers, "numReadonlySignedAccounts": 0,
                "numReadonlyUnsignedAccounts": 0}});
        self.recording(|instruction| self.compiled(instruction), message)
    }

    /// The encoding `jsonParsed`.
    pub fn json_parsed(&self) -> Value {
        let keys: Vec<_> = self
            .keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                json!({"pubkey": key, "signer": index < self.signers, "writable": true,
                    "source": "transaction"})
            })
            .collect();
        let message = json!({"accountKeys": keys, "recentBlockhash": key("blockhash")});
        self.recording(|instruction| self.decoded(instruction), message)
    }

    /// The line of a wallet, which both encodings must give.
    pub fn line(&self, wallet: &str) -> WalletTransaction {
        let wallet = Address::from_chain_data(&key(wallet));
        let [line, other] = [self.json(), self.json_parsed()].map(|recording| {
            let text = serde_json::to_vec(&recording).unwrap();
            solana::parse(&text, &wallet).unwrap()
        });
        assert_eq!(line, other, "json and jsonParsed give the same line");
        line
    }

    pub fn transaction(&self) -> Transaction {
        Transaction::decode(&serde_json::to_vec(&self.json()).unwrap()).unwrap()
    }
}

/// Whose tokens of which mint.
#[derive(Clone, Copy)]
pub struct Holding<'a> {
    pub mint: &'a str,
    pub owner: Option<&'a str>,
    pub program: &'a str,
    pub decimals: u8,
}

pub const fn of<'a>(mint: &'a str, owner: &'a str) -> Holding<'a> {
    Holding { mint, owner: Some(owner), program: TOKEN, decimals: 6 }
}

pub const fn of_2022<'a>(mint: &'a str, owner: &'a str) -> Holding<'a> {
    Holding { mint, owner: Some(owner), program: TOKEN_2022, decimals: 6 }
}

pub const fn of_nobody(mint: &str) -> Holding<'_> {
    Holding { mint, owner: None, program: TOKEN, decimals: 6 }
}
