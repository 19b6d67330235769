//! A made-up transaction as a node answers it.

use serde_json::{Value, json};

use super::activity::{Asset, Holdings, Move, Party, Step, TOKEN_ACCOUNT_RENT, decimals};
use crate::recorded::TOKEN_PROGRAM;

const SYSTEM_PROGRAM: &str = "11111111111111111111111111111111";
/// Bytes of a token account.
const TOKEN_ACCOUNT_BYTES: u64 = 165;

/// An account by its part in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Party(Party),
    /// The account of a party that holds a token.
    Account(u8, Party),
    Mint(u8),
    SystemProgram,
    TokenProgram,
}

/// The accounts that a step names: signers first, then what is written, then what is read.
pub(super) fn roles(step: &Step) -> Vec<Role> {
    let mut roles = vec![Role::Party(step.payer)];
    let mut name = |role: Role| {
        if !roles.contains(&role) {
            roles.push(role);
        }
    };
    Party::BOTH
        .into_iter()
        .filter(|&party| step.is_signed_by(party))
        .for_each(|party| name(Role::Party(party)));
    if let Some(token) = step.opens {
        name(Role::Account(token, Party::Wallet));
    }
    for moved in &step.moves {
        match moved.asset {
            Asset::Sol => Party::BOTH.into_iter().for_each(|party| name(Role::Party(party))),
            Asset::Token(token) => {
                Party::BOTH.into_iter().for_each(|party| name(Role::Account(token, party)));
            }
        }
    }
    (0..=u8::MAX).filter(|&token| step.names_token(token)).for_each(|token| {
        name(Role::Mint(token));
    });
    if step.moves_sol() || step.opens.is_some() {
        name(Role::SystemProgram);
    }
    if roles.iter().any(|role| matches!(role, Role::Mint(_))) {
        roles.push(Role::TokenProgram);
    }
    roles
}

fn is_read_only(role: Role) -> bool {
    matches!(role, Role::Mint(_) | Role::SystemProgram | Role::TokenProgram)
}

/// Where and when a transaction happened, and its names.
pub(super) struct Envelope<'a> {
    pub signatures: Vec<String>,
    pub slot: u64,
    pub block_time: i64,
    pub blockhash: String,
    /// The address of each role.
    pub address: &'a dyn Fn(Role) -> String,
}

/// The `result` of getTransaction.
pub(super) fn render(
    step: &Step,
    before: &Holdings,
    after: &Holdings,
    envelope: Envelope<'_>,
) -> Value {
    let Envelope { signatures, slot, block_time, blockhash, address } = envelope;
    let roles = roles(step);
    let index = |role: Role| roles.iter().position(|&named| named == role);
    let keys: Vec<String> = roles.iter().map(|&role| address(role)).collect();
    let lamports = |held: &Holdings| -> Vec<u64> {
        roles.iter().map(|&role| lamports_of(role, held)).collect()
    };
    let token_rows = |held: &Holdings| -> Vec<Value> {
        let rows = roles.iter().enumerate().filter_map(|(index, &role)| {
            let Role::Account(token, party) = role else { return None };
            is_open(token, party, held).then(|| {
                json!({
                    "accountIndex": index,
                    "mint": address(Role::Mint(token)),
                    "owner": address(Role::Party(party)),
                    "programId": TOKEN_PROGRAM,
                    "uiTokenAmount": token_amount(held.token(token, party), token),
                })
            })
        });
        rows.collect()
    };
    let instructions: Vec<Value> = instructions(step, &address(Role::Party(Party::Wallet)))
        .into_iter()
        .map(|instruction| {
            let accounts: Vec<Option<usize>> =
                instruction.accounts.into_iter().map(index).collect();
            json!({
                "accounts": accounts,
                "data": bs58::encode(instruction.data).into_string(),
                "programIdIndex": index(instruction.program),
                "stackHeight": null,
            })
        })
        .collect();
    let log: Vec<String> = instructions
        .iter()
        .filter_map(|instruction| keys.get(instruction["programIdIndex"].as_u64()? as usize))
        .flat_map(|program| {
            ["invoke [1]", "success"].map(|what| format!("Program {program} {what}"))
        })
        .collect();
    json!({
        "blockTime": block_time,
        "meta": {
            "computeUnitsConsumed": 150 * instructions.len(),
            "err": null,
            "fee": step.fee_lamports(),
            "innerInstructions": [],
            "loadedAddresses": {"readonly": [], "writable": []},
            "logMessages": log,
            "postBalances": lamports(after),
            "postTokenBalances": token_rows(after),
            "preBalances": lamports(before),
            "preTokenBalances": token_rows(before),
            "rewards": [],
            "status": {"Ok": null},
        },
        "slot": slot,
        "transaction": {
            "message": {
                "accountKeys": keys,
                "header": {
                    "numReadonlySignedAccounts": 0,
                    "numReadonlyUnsignedAccounts":
                        roles.iter().filter(|&&role| is_read_only(role)).count(),
                    "numRequiredSignatures": step.signatures(),
                },
                "instructions": instructions,
                "recentBlockhash": blockhash,
            },
            "signatures": signatures,
        },
        "version": "legacy",
    })
}

/// The form in which a node gives an amount of a token.
pub(super) fn token_amount(raw: u64, token: u8) -> Value {
    let decimals = decimals(token);
    let unit = 10u64.pow(u32::from(decimals));
    let (whole, rest) = (raw / unit, raw % unit);
    let text = match rest {
        0 => whole.to_string(),
        _ => {
            let rest = format!("{rest:0width$}", width = usize::from(decimals));
            format!("{whole}.{}", rest.trim_end_matches('0'))
        }
    };
    json!({"amount": raw.to_string(), "decimals": decimals, "uiAmount": null,
        "uiAmountString": text})
}

pub(super) fn is_open(token: u8, party: Party, held: &Holdings) -> bool {
    party == Party::Counterparty || held.rent(token).is_some()
}

pub(super) fn lamports_of(role: Role, held: &Holdings) -> u64 {
    match role {
        Role::Party(party) => held.lamports(party),
        Role::Account(token, Party::Wallet) => held.rent(token).unwrap_or_default(),
        Role::Account(_, Party::Counterparty) => TOKEN_ACCOUNT_RENT,
        Role::Mint(_) => 1_461_600,
        Role::SystemProgram => 1,
        Role::TokenProgram => 934_087_680,
    }
}

struct Instruction {
    program: Role,
    accounts: Vec<Role>,
    data: Vec<u8>,
}

fn instructions(step: &Step, wallet: &str) -> Vec<Instruction> {
    let mut instructions = Vec::new();
    if let Some(token) = step.opens {
        instructions.extend(opening(token, wallet));
    }
    instructions.extend(step.moves.iter().map(transfer));
    instructions
}

fn opening(token: u8, wallet: &str) -> [Instruction; 2] {
    let account = Role::Account(token, Party::Wallet);
    // System program, instruction 0 (create account): lamports, bytes, owner.
    let mut create = vec![0, 0, 0, 0];
    create.extend(TOKEN_ACCOUNT_RENT.to_le_bytes());
    create.extend(TOKEN_ACCOUNT_BYTES.to_le_bytes());
    create.extend(bytes_of(TOKEN_PROGRAM));
    // Token program, instruction 18 (initialize account, owner in the data).
    let mut initialize = vec![18];
    initialize.extend(bytes_of(wallet));
    [
        Instruction {
            program: Role::SystemProgram,
            accounts: vec![Role::Party(Party::Wallet), account],
            data: create,
        },
        Instruction {
            program: Role::TokenProgram,
            accounts: vec![account, Role::Mint(token)],
            data: initialize,
        },
    ]
}

fn transfer(moved: &Move) -> Instruction {
    let to = if moved.from == Party::Wallet { Party::Counterparty } else { Party::Wallet };
    let (program, accounts, data) = match moved.asset {
        Asset::Sol => {
            // Instruction 2 (transfer): u32 and u64, little endian.
            let mut data = vec![2, 0, 0, 0];
            data.extend(moved.amount.to_le_bytes());
            (Role::SystemProgram, [moved.from, to].map(Role::Party).to_vec(), data)
        }
        Asset::Token(token) => {
            // Instruction 12 (transfer, checked): amount and decimals.
            let mut data = vec![12];
            data.extend(moved.amount.to_le_bytes());
            data.push(decimals(token));
            let accounts = vec![
                Role::Account(token, moved.from),
                Role::Mint(token),
                Role::Account(token, to),
                Role::Party(moved.from),
            ];
            (Role::TokenProgram, accounts, data)
        }
    };
    Instruction { program, accounts, data }
}

fn bytes_of(address: &str) -> Vec<u8> {
    bs58::decode(address).into_vec().expect("addresses of the plan are base58")
}

/// The address of a program; `None` for what is no program.
pub(super) const fn program(role: Role) -> Option<&'static str> {
    match role {
        Role::SystemProgram => Some(SYSTEM_PROGRAM),
        Role::TokenProgram => Some(TOKEN_PROGRAM),
        _ => None,
    }
}
