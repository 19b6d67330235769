//! Instructions of the base programs, in bytes and as nodes parse them.

use serde_json::json;

use crate::builder::{
    ASSOCIATED, Instruction, LOOKUP_TABLE, STAKE, SYSTEM, TOKEN, TOKEN_2022, bytes, key,
};

fn data(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub fn transfer(from: &str, to: &str, lamports: u64) -> Instruction {
    Instruction::new(SYSTEM, &[from, to], &data(&[&2u32.to_le_bytes(), &lamports.to_le_bytes()]))
        .parsed(
            "transfer",
            json!({"source": key(from), "destination": key(to), "lamports": lamports}),
        )
}

pub fn create(payer: &str, account: &str, lamports: u64, space: u64, owner: &str) -> Instruction {
    let data =
        data(&[&0u32.to_le_bytes(), &lamports.to_le_bytes(), &space.to_le_bytes(), &bytes(owner)]);
    Instruction::new(SYSTEM, &[payer, account], &data).parsed(
        "createAccount",
        json!({"source": key(payer), "newAccount": key(account), "lamports": lamports,
            "space": space, "owner": key(owner)}),
    )
}

pub fn create_with_seed(
    payer: &str,
    account: &str,
    lamports: u64,
    space: u64,
    owner: &str,
) -> Instruction {
    let seed = b"a seed";
    let data = data(&[
        &3u32.to_le_bytes(),
        &bytes(payer),
        &(seed.len() as u64).to_le_bytes(),
        seed,
        &lamports.to_le_bytes(),
        &space.to_le_bytes(),
        &bytes(owner),
    ]);
    Instruction::new(SYSTEM, &[payer, account], &data).parsed(
        "createAccountWithSeed",
        json!({"source": key(payer), "newAccount": key(account), "base": key(payer),
            "seed": "a seed", "lamports": lamports, "space": space, "owner": key(owner)}),
    )
}

pub fn allocate(account: &str, space: u64) -> Instruction {
    Instruction::new(SYSTEM, &[account], &data(&[&8u32.to_le_bytes(), &space.to_le_bytes()]))
        .parsed("allocate", json!({"account": key(account), "space": space}))
}

pub fn assign(account: &str, owner: &str) -> Instruction {
    Instruction::new(SYSTEM, &[account], &data(&[&1u32.to_le_bytes(), &bytes(owner)]))
        .parsed("assign", json!({"account": key(account), "owner": key(owner)}))
}

pub fn withdraw_nonce(nonce: &str, to: &str, lamports: u64) -> Instruction {
    Instruction::new(SYSTEM, &[nonce, to], &data(&[&5u32.to_le_bytes(), &lamports.to_le_bytes()]))
        .parsed(
            "withdrawFromNonce",
            json!({"nonceAccount": key(nonce), "destination": key(to), "lamports": lamports}),
        )
}

pub fn initialize_account(program: &str, account: &str, mint: &str, owner: &str) -> Instruction {
    Instruction::new(program, &[account, mint], &data(&[&[18], &bytes(owner)])).parsed(
        "initializeAccount3",
        json!({"account": key(account), "mint": key(mint), "owner": key(owner)}),
    )
}

/// The first form of initialization: the owner is an account of the instruction.
pub fn initialize_account_1(account: &str, mint: &str, owner: &str) -> Instruction {
    Instruction::new(TOKEN, &[account, mint, owner], &[1]).parsed(
        "initializeAccount",
        json!({"account": key(account), "mint": key(mint), "owner": key(owner)}),
    )
}

pub fn create_associated(payer: &str, account: &str, wallet: &str, mint: &str) -> Instruction {
    Instruction::new(ASSOCIATED, &[payer, account, wallet, mint, SYSTEM, TOKEN], &[1]).parsed(
        "createIdempotent",
        json!({"source": key(payer), "account": key(account), "wallet": key(wallet),
            "mint": key(mint), "systemProgram": SYSTEM, "tokenProgram": TOKEN}),
    )
}

pub fn token_transfer(from: &str, to: &str, authority: &str, amount: u64) -> Instruction {
    Instruction::new(TOKEN, &[from, to, authority], &data(&[&[3], &amount.to_le_bytes()])).parsed(
        "transfer",
        json!({"source": key(from), "destination": key(to), "authority": key(authority),
            "amount": amount.to_string()}),
    )
}

pub fn transfer_checked(
    program: &str,
    from: &str,
    mint: &str,
    to: &str,
    authority: &str,
    amount: u64,
) -> Instruction {
    let data = data(&[&[12], &amount.to_le_bytes(), &[6]]);
    Instruction::new(program, &[from, mint, to, authority], &data).parsed(
        "transferChecked",
        json!({"source": key(from), "mint": key(mint), "destination": key(to),
            "authority": key(authority),
            "tokenAmount": {"amount": amount.to_string(), "decimals": 6}}),
    )
}

pub fn transfer_with_fee(from: &str, mint: &str, to: &str, amount: u64, fee: u64) -> Instruction {
    let data = data(&[&[26, 1], &amount.to_le_bytes(), &[6], &fee.to_le_bytes()]);
    Instruction::new(TOKEN_2022, &[from, mint, to], &data).parsed(
        "transferCheckedWithFee",
        json!({"source": key(from), "mint": key(mint), "destination": key(to),
            "tokenAmount": {"amount": amount.to_string(), "decimals": 6},
            "feeAmount": {"amount": fee.to_string(), "decimals": 6}}),
    )
}

pub fn approve(account: &str, delegate: &str, owner: &str) -> Instruction {
    Instruction::new(TOKEN, &[account, delegate, owner], &data(&[&[4], &9u64.to_le_bytes()]))
        .parsed(
            "approve",
            json!({"source": key(account), "delegate": key(delegate), "owner": key(owner),
                "amount": "9"}),
        )
}

pub fn revoke(account: &str, owner: &str) -> Instruction {
    Instruction::new(TOKEN, &[account, owner], &[5])
        .parsed("revoke", json!({"source": key(account), "owner": key(owner)}))
}

pub fn set_owner(account: &str, current: &str, new: &str) -> Instruction {
    Instruction::new(TOKEN, &[account, current], &data(&[&[6, 2, 1], &bytes(new)])).parsed(
        "setAuthority",
        json!({"account": key(account), "authority": key(current),
            "authorityType": "accountOwner", "newAuthority": key(new)}),
    )
}

pub fn mint_to(mint: &str, account: &str, authority: &str, amount: u64) -> Instruction {
    Instruction::new(TOKEN, &[mint, account, authority], &data(&[&[7], &amount.to_le_bytes()]))
        .parsed(
            "mintTo",
            json!({"mint": key(mint), "account": key(account), "mintAuthority": key(authority),
                "amount": amount.to_string()}),
        )
}

pub fn burn(account: &str, mint: &str, authority: &str, amount: u64) -> Instruction {
    Instruction::new(TOKEN, &[account, mint, authority], &data(&[&[8], &amount.to_le_bytes()]))
        .parsed(
            "burn",
            json!({"account": key(account), "mint": key(mint), "authority": key(authority),
                "amount": amount.to_string()}),
        )
}

pub fn close(program: &str, account: &str, to: &str, authority: &str) -> Instruction {
    Instruction::new(program, &[account, to, authority], &[9]).parsed(
        "closeAccount",
        json!({"account": key(account), "destination": key(to), "owner": key(authority)}),
    )
}

pub fn sync_native(account: &str) -> Instruction {
    Instruction::new(TOKEN, &[account], &[17])
        .parsed("syncNative", json!({"account": key(account)}))
}

/// Takes lamports out of a wrapped account that stays; all wrapped ones without an amount.
pub fn unwrap_lamports(account: &str, to: &str, amount: Option<u64>) -> Instruction {
    let data = match amount {
        None => vec![45, 0],
        Some(amount) => data(&[&[45, 1], &amount.to_le_bytes()]),
    };
    let mut info = json!({"source": key(account), "destination": key(to)});
    if let Some(amount) = amount {
        info["amount"] = json!(amount.to_string());
    }
    Instruction::new(TOKEN, &[account, to], &data).parsed("unwrapLamports", info)
}

/// Takes what a token account or mint holds beyond the minimum of now.
pub fn withdraw_excess(program: &str, account: &str, to: &str, authority: &str) -> Instruction {
    Instruction::new(program, &[account, to, authority], &[38]).parsed(
        "withdrawExcessLamports",
        json!({"source": key(account), "destination": key(to), "authority": key(authority)}),
    )
}

pub fn stake_withdraw(stake: &str, to: &str, lamports: u64) -> Instruction {
    Instruction::new(STAKE, &[stake, to], &data(&[&4u32.to_le_bytes(), &lamports.to_le_bytes()]))
        .parsed(
            "withdraw",
            json!({"stakeAccount": key(stake), "destination": key(to), "lamports": lamports}),
        )
}

pub fn stake_split(stake: &str, new: &str, lamports: u64) -> Instruction {
    Instruction::new(STAKE, &[stake, new], &data(&[&3u32.to_le_bytes(), &lamports.to_le_bytes()]))
        .parsed(
            "split",
            json!({"stakeAccount": key(stake), "newSplitAccount": key(new), "lamports": lamports}),
        )
}

pub fn close_lookup_table(table: &str, authority: &str, recipient: &str) -> Instruction {
    Instruction::new(LOOKUP_TABLE, &[table, authority, recipient], &4u32.to_le_bytes()).parsed(
        "closeLookupTable",
        json!({"lookupTableAccount": key(table), "lookupTableAuthority": key(authority),
            "recipient": key(recipient)}),
    )
}
