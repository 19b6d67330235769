//! Wallets with as many transactions as one likes, made when they are asked for.
//!
//! Every transaction is a transfer of SOL between the wallet and its own counterparty: the first
//! one funds the wallet, then it sends and receives in turn. Balances follow from the number of the
//! transaction, so nothing is kept in memory but the addresses.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::recorded::Row;

const SYSTEM_PROGRAM: &str = "11111111111111111111111111111111";
const FEE: u64 = 5_000;
/// What the wallet gets first: 1,000 SOL.
const FUNDING: u64 = 1_000_000_000_000;
const SENT: u64 = 1_000_000;
const RECEIVED: u64 = 1_500_000;
const COUNTERPARTY_START: u64 = 10_000_000_000_000_000;
const SLOTS_APART: u64 = 3;
const SECONDS_APART: i64 = 20;

/// How many wallets, and how much each has done.
#[derive(Debug, Clone, Copy)]
pub struct SyntheticPlan {
    /// Number of wallets.
    pub wallets: u32,
    /// Transactions of each.
    pub transactions_each: u64,
    /// Other seeds give other addresses and signatures.
    pub seed: u64,
    /// Slot of the first transactions.
    pub first_slot: u64,
    /// Unix seconds of the first transactions.
    pub first_time: i64,
}

impl Default for SyntheticPlan {
    /// One wallet with 2,500 transactions (three pages) from 2024-01-01 on.
    fn default() -> Self {
        Self {
            wallets: 1,
            transactions_each: 2_500,
            seed: 1,
            first_slot: 239_430_000,
            first_time: 1_704_067_200,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Synthetic {
    plan: SyntheticPlan,
    /// Wallets and counterparties: both are named by the same transactions.
    by_address: HashMap<String, (u32, Role)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Wallet,
    Counterparty,
}

/// Fixed pseudo-random bytes (splitmix64 in counter mode).
fn noise(seed: u64, stream: u64, out: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.rotate_left(32);
    for chunk in out.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bytes = (z ^ (z >> 31)).to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}

impl Synthetic {
    pub(crate) fn new(plan: SyntheticPlan) -> Self {
        let mut by_address = HashMap::new();
        for wallet in 0..plan.wallets {
            for role in [Role::Wallet, Role::Counterparty] {
                by_address.insert(address(&plan, wallet, role), (wallet, role));
            }
        }
        Self { plan, by_address }
    }

    /// The wallets' addresses in the order of their numbers.
    pub(crate) fn wallets(&self) -> Vec<String> {
        (0..self.plan.wallets).map(|wallet| address(&self.plan, wallet, Role::Wallet)).collect()
    }

    pub(crate) fn knows_address(&self, address: &str) -> bool {
        self.by_address.contains_key(address)
    }

    /// Lamports after the last transaction.
    pub(crate) fn lamports(&self, address: &str) -> Option<u64> {
        let &(_, role) = self.by_address.get(address)?;
        let (wallet, counterparty) = balances_after(self.plan.transactions_each);
        Some(if role == Role::Wallet { wallet } else { counterparty })
    }

    pub(crate) fn newest(&self) -> Option<(u64, Option<i64>)> {
        let last = self.plan.transactions_each.checked_sub(1)?;
        (self.plan.wallets > 0).then(|| (self.slot(last), Some(self.time(last))))
    }

    pub(crate) fn time_of(&self, slot: u64) -> Option<i64> {
        let past = slot.checked_sub(self.plan.first_slot)?;
        let number = past / SLOTS_APART;
        let is_recorded = past % SLOTS_APART == 0 && number < self.plan.transactions_each;
        is_recorded.then(|| self.time(number))
    }

    pub(crate) fn rows(
        &self,
        address: &str,
        before: Option<&str>,
        until: Option<&str>,
        limit: usize,
    ) -> Vec<Row> {
        let Some(&(wallet, _)) = self.by_address.get(address) else { return Vec::new() };
        let of_wallet = |signature: &str| {
            self.number_of(signature).filter(|&(of, _)| of == wallet).map(|(_, number)| number)
        };
        let end = match before {
            None => self.plan.transactions_each,
            Some(before) => match of_wallet(before) {
                Some(number) => number,
                None => return Vec::new(),
            },
        };
        let start = until.and_then(of_wallet).map_or(0, |number| number + 1);
        (start..end)
            .rev()
            .take(limit)
            .map(|number| Row {
                signature: self.signature(wallet, number),
                slot: self.slot(number),
                err: Value::Null,
                block_time: Some(self.time(number)),
            })
            .collect()
    }

    /// The `result` of getTransaction.
    pub(crate) fn transaction(&self, signature: &str) -> Option<Value> {
        let (wallet, number) = self.number_of(signature)?;
        let own = address(&self.plan, wallet, Role::Wallet);
        let other = address(&self.plan, wallet, Role::Counterparty);
        let (own_before, other_before) = balances_after(number);
        let (own_after, other_after) = balances_after(number + 1);
        let (amount, keys, pre, post) = if is_sending(number) {
            let keys = [own, other];
            (SENT, keys, [own_before, other_before], [own_after, other_after])
        } else {
            let amount = if number == 0 { FUNDING } else { RECEIVED };
            let keys = [other, own];
            (amount, keys, [other_before, own_before], [other_after, own_after])
        };
        // System program, instruction 2 (transfer): u32 and u64, little endian.
        let mut data = vec![2, 0, 0, 0];
        data.extend(amount.to_le_bytes());
        let mut blockhash = [0; 32];
        noise(self.plan.seed, self.slot(number), &mut blockhash);
        let invoke = format!("Program {SYSTEM_PROGRAM} invoke [1]");
        let success = format!("Program {SYSTEM_PROGRAM} success");
        Some(json!({
            "blockTime": self.time(number),
            "meta": {
                "computeUnitsConsumed": 150,
                "err": null,
                "fee": FEE,
                "innerInstructions": [],
                "loadedAddresses": {"readonly": [], "writable": []},
                "logMessages": [invoke, success],
                "postBalances": [post[0], post[1], 1],
                "postTokenBalances": [],
                "preBalances": [pre[0], pre[1], 1],
                "preTokenBalances": [],
                "rewards": [],
                "status": {"Ok": null},
            },
            "slot": self.slot(number),
            "transaction": {
                "message": {
                    "accountKeys": [keys[0], keys[1], SYSTEM_PROGRAM],
                    "header": {
                        "numReadonlySignedAccounts": 0,
                        "numReadonlyUnsignedAccounts": 1,
                        "numRequiredSignatures": 1,
                    },
                    "instructions": [{
                        "accounts": [0, 1],
                        "data": bs58::encode(data).into_string(),
                        "programIdIndex": 2,
                        "stackHeight": null,
                    }],
                    "recentBlockhash": bs58::encode(blockhash).into_string(),
                },
                "signatures": [signature],
            },
            "version": "legacy",
        }))
    }

    fn slot(&self, number: u64) -> u64 {
        self.plan.first_slot + number * SLOTS_APART
    }

    fn time(&self, number: u64) -> i64 {
        self.plan.first_time + SECONDS_APART * i64::try_from(number).unwrap_or(i64::MAX / 64)
    }

    /// 64 bytes that look random and name wallet and number: 8 of noise, the wallet, the number, 44
    /// more of noise.
    fn signature(&self, wallet: u32, number: u64) -> String {
        let mut bytes = [0u8; 64];
        noise(self.plan.seed ^ u64::from(wallet) << 40, number, &mut bytes);
        // Without a leading zero byte the text has its full length.
        bytes[0] |= 0x40;
        bytes[8..12].copy_from_slice(&wallet.to_le_bytes());
        bytes[12..20].copy_from_slice(&number.to_le_bytes());
        bs58::encode(bytes).into_string()
    }

    fn number_of(&self, signature: &str) -> Option<(u32, u64)> {
        let mut bytes = [0u8; 64];
        if bs58::decode(signature).onto(&mut bytes) != Ok(bytes.len()) {
            return None;
        }
        let wallet = u32::from_le_bytes(*bytes[8..].first_chunk()?);
        let number = u64::from_le_bytes(*bytes[12..].first_chunk()?);
        let is_ours = wallet < self.plan.wallets
            && number < self.plan.transactions_each
            && self.signature(wallet, number) == signature;
        is_ours.then_some((wallet, number))
    }
}

fn address(plan: &SyntheticPlan, wallet: u32, role: Role) -> String {
    let mut bytes = [0u8; 32];
    let stream = u64::from(wallet) * 2 + u64::from(role == Role::Counterparty);
    noise(!plan.seed, stream, &mut bytes);
    bytes[0] |= 0x40;
    bs58::encode(bytes).into_string()
}

const fn is_sending(number: u64) -> bool {
    number % 2 == 1
}

/// Lamports of the wallet and of its counterparty after so many transactions.
const fn balances_after(transactions: u64) -> (u64, u64) {
    if transactions == 0 {
        return (0, COUNTERPARTY_START);
    }
    let sent = transactions / 2;
    let received = transactions - 1 - sent;
    let wallet = FUNDING + received * RECEIVED - sent * (SENT + FEE);
    let counterparty =
        COUNTERPARTY_START + sent * SENT - FUNDING - received * RECEIVED - (received + 1) * FEE;
    (wallet, counterparty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Synthetic {
        Synthetic::new(SyntheticPlan { wallets: 2, transactions_each: 7, ..Default::default() })
    }

    #[test]
    fn pages_walk_the_whole_history_newest_first() {
        let chain = small();
        let wallet = &chain.wallets()[1];
        let all = chain.rows(wallet, None, None, 1000);
        assert_eq!(all.len(), 7);
        assert!(all.is_sorted_by(|a, b| a.slot > b.slot));
        let first = chain.rows(wallet, None, None, 3);
        let rest = chain.rows(wallet, Some(&first[2].signature), None, 1000);
        let paged: Vec<_> = first.iter().chain(&rest).map(|row| &row.signature).collect();
        assert_eq!(paged, all.iter().map(|row| &row.signature).collect::<Vec<_>>());
        let newer = chain.rows(wallet, None, Some(&all[3].signature), 1000);
        assert_eq!(newer.len(), 3);
        assert!(chain.rows(wallet, Some("unknown"), None, 1000).is_empty());
    }

    #[test]
    fn balances_continue_from_transaction_to_transaction() {
        let chain = small();
        let wallet = &chain.wallets()[0];
        let mut before = 0;
        for row in chain.rows(wallet, None, None, 1000).iter().rev() {
            let transaction = chain.transaction(&row.signature).unwrap();
            assert_eq!(transaction["transaction"]["signatures"][0], row.signature);
            let keys = transaction["transaction"]["message"]["accountKeys"].as_array().unwrap();
            let place = keys.iter().position(|key| key == wallet).unwrap();
            assert_eq!(transaction["meta"]["preBalances"][place], before);
            before = transaction["meta"]["postBalances"][place].as_u64().unwrap();
            let sum = |side: &str| {
                let balances = transaction["meta"][side].as_array().unwrap();
                balances.iter().map(|b| b.as_u64().unwrap()).sum::<u64>()
            };
            assert_eq!(sum("preBalances"), sum("postBalances") + FEE);
        }
        assert_eq!(chain.lamports(wallet), Some(before));
    }

    #[test]
    fn only_its_own_signatures_are_known() {
        let chain = small();
        let other = Synthetic::new(SyntheticPlan { seed: 2, ..Default::default() });
        let foreign = other.signature(0, 0);
        assert!(chain.transaction(&foreign).is_none());
        assert!(chain.transaction(&chain.signature(0, 7)).is_none());
        assert_ne!(chain.signature(0, 1), chain.signature(1, 1));
    }
}
