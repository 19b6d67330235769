//! Wallets with as many transactions as one likes, made when they are asked for.
//!
//! Each wallet deals with its own counterparty: transfers of SOL to and fro and, when the plan has
//! tokens, transfers and exchanges of those. Balances follow from the number of the transaction, so
//! nothing is kept in memory but the addresses. What happens is decided in `activity`, how a node
//! tells it in `transaction`.

mod activity;
mod transaction;

use std::collections::HashMap;

use serde_json::Value;

use self::activity::{Party, Schedule, Step};
use self::transaction::{Envelope, Role};
use crate::recorded::{Row, TOKEN_PROGRAM, TokenAccount};

const SLOTS_APART: u64 = 3;
const SECONDS_APART: i64 = 20;
/// The mint of token 0: USDC, which is worth one dollar.
const QUOTE_MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

/// How many wallets, and how much each has done.
#[derive(Debug, Clone, Copy)]
pub struct SyntheticPlan {
    /// Number of wallets.
    pub wallets: u32,
    /// Transactions of each.
    pub transactions_each: u64,
    /// Tokens that each trades beside SOL, up to 32; the first is USDC, the coin of its swaps.
    pub tokens: u8,
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
            tokens: 0,
            seed: 1,
            first_slot: 239_430_000,
            first_time: 1_704_067_200,
        }
    }
}

impl SyntheticPlan {
    /// Unix seconds of the first and the last transactions.
    pub fn times(&self) -> (i64, i64) {
        (self.first_time, self.time(self.transactions_each.saturating_sub(1)))
    }

    fn time(&self, number: u64) -> i64 {
        self.first_time + SECONDS_APART * i64::try_from(number).unwrap_or(i64::MAX / 64)
    }
}

/// An address that no transaction of any plan names: a node answers for it as for any wallet that
/// never did anything. There are as many as one likes, and none takes memory.
pub fn unused_address(seed: u64, number: u64) -> String {
    encoded(seed ^ 0xe3b7_7ae5_0000_0000, number)
}

#[derive(Debug)]
pub(crate) struct Synthetic {
    plan: SyntheticPlan,
    schedule: Schedule,
    /// Wallets, counterparties and their token accounts: all that transactions name.
    by_address: HashMap<String, (u32, Role)>,
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
        let plan = SyntheticPlan { tokens: plan.tokens.min(MOST_TOKENS), ..plan };
        let mut by_address = HashMap::new();
        for wallet in 0..plan.wallets {
            for party in Party::BOTH {
                let accounts = (0..plan.tokens).map(|token| Role::Account(token, party));
                for role in accounts.chain([Role::Party(party)]) {
                    by_address.insert(address(&plan, wallet, role), (wallet, role));
                }
            }
        }
        Self { plan, schedule: Schedule::new(plan.tokens), by_address }
    }

    /// The wallets' addresses in the order of their numbers.
    pub(crate) fn wallets(&self) -> Vec<String> {
        (0..self.plan.wallets).map(|wallet| address(&self.plan, wallet, WALLET)).collect()
    }

    /// Who each of them deals with, in the same order.
    pub(crate) fn counterparties(&self) -> Vec<String> {
        let role = Role::Party(Party::Counterparty);
        (0..self.plan.wallets).map(|wallet| address(&self.plan, wallet, role)).collect()
    }

    pub(crate) fn knows_address(&self, address: &str) -> bool {
        self.by_address.contains_key(address)
    }

    /// Lamports after the last transaction.
    pub(crate) fn lamports(&self, address: &str) -> Option<u64> {
        let &(_, role) = self.by_address.get(address)?;
        Some(transaction::lamports_of(role, &self.schedule.after(self.plan.transactions_each)))
    }

    /// The open token accounts of an owner after the last transaction.
    pub(crate) fn token_accounts(&self, owner: &str) -> Vec<(String, TokenAccount)> {
        let Some(&(wallet, Role::Party(party))) = self.by_address.get(owner) else {
            return Vec::new();
        };
        let held = self.schedule.after(self.plan.transactions_each);
        let open = (0..self.plan.tokens)
            .filter(|&token| transaction::is_open(token, party, &held))
            .map(|token| {
                let account = TokenAccount {
                    mint: address(&self.plan, wallet, Role::Mint(token)),
                    owner: Some(owner.to_owned()),
                    program: TOKEN_PROGRAM.to_owned(),
                    amount: transaction::token_amount(held.token(token, party), token),
                };
                (address(&self.plan, wallet, Role::Account(token, party)), account)
            });
        open.collect()
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
        let Some(&(wallet, role)) = self.by_address.get(address) else { return Vec::new() };
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
            .filter(|&number| names(self.schedule.step(number), role))
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
        let step = self.schedule.step(number);
        let mut blockhash = [0; 32];
        noise(self.plan.seed, self.slot(number), &mut blockhash);
        let mut signatures = vec![signature.to_owned()];
        signatures.extend((1..step.signatures() as u64).map(|signer| {
            let mut bytes = [0; 64];
            noise(self.plan.seed ^ u64::from(wallet) << 40, number ^ signer << 56, &mut bytes);
            bs58::encode(bytes).into_string()
        }));
        let envelope = Envelope {
            signatures,
            slot: self.slot(number),
            block_time: self.time(number),
            blockhash: bs58::encode(blockhash).into_string(),
            address: &|role| address(&self.plan, wallet, role),
        };
        let (before, after) = (self.schedule.after(number), self.schedule.after(number + 1));
        Some(transaction::render(step, &before, &after, envelope))
    }

    fn slot(&self, number: u64) -> u64 {
        self.plan.first_slot + number * SLOTS_APART
    }

    fn time(&self, number: u64) -> i64 {
        self.plan.time(number)
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

const MOST_TOKENS: u8 = 32;
const WALLET: Role = Role::Party(Party::Wallet);

/// Whether the list of an account has the step.
fn names(step: &Step, role: Role) -> bool {
    match role {
        Role::Party(party) => step.is_signed_by(party) || step.moves_sol(),
        Role::Account(token, Party::Wallet) => step.names_token(token),
        // The wallet opens its own account only.
        Role::Account(token, Party::Counterparty) => {
            step.names_token(token) && step.opens.is_none()
        }
        Role::Mint(_) | Role::SystemProgram | Role::TokenProgram => false,
    }
}

/// Mints are shared by all wallets of a plan, other accounts belong to one.
fn address(plan: &SyntheticPlan, wallet: u32, role: Role) -> String {
    let stream = match role {
        Role::Party(party) => u64::from(wallet) * 2 + party as u64,
        Role::Account(token, party) => {
            (1 << 40) + u64::from(wallet) * 64 + u64::from(token) * 2 + party as u64
        }
        Role::Mint(0) => return QUOTE_MINT.to_owned(),
        Role::Mint(token) => (1 << 41) + u64::from(token),
        Role::SystemProgram | Role::TokenProgram => {
            return transaction::program(role).unwrap_or_default().to_owned();
        }
    };
    encoded(!plan.seed, stream)
}

/// 32 bytes of noise in base58, at full length.
fn encoded(seed: u64, stream: u64) -> String {
    let mut bytes = [0u8; 32];
    noise(seed, stream, &mut bytes);
    bytes[0] |= 0x40;
    bs58::encode(bytes).into_string()
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
            let fee = transaction["meta"]["fee"].as_u64().unwrap();
            assert_eq!(sum("preBalances"), sum("postBalances") + fee);
        }
        assert_eq!(chain.lamports(wallet), Some(before));
    }

    #[test]
    fn the_lists_of_all_accounts_hold_exactly_the_transactions_that_name_them() {
        let plan = SyntheticPlan { transactions_each: 60, tokens: 3, ..Default::default() };
        let chain = Synthetic::new(plan);
        let signatures: Vec<String> = (0..60).rev().map(|n| chain.signature(0, n)).collect();
        for account in chain.by_address.keys() {
            let listed = chain.rows(account, None, None, 1000);
            let naming = signatures.iter().filter(|signature| {
                let transaction = chain.transaction(signature).unwrap();
                let keys = &transaction["transaction"]["message"]["accountKeys"];
                keys.as_array().unwrap().iter().any(|key| key == account)
            });
            let listed: Vec<&String> = listed.iter().map(|row| &row.signature).collect();
            assert_eq!(listed, naming.collect::<Vec<_>>(), "{account}");
        }
        let held = chain.token_accounts(&chain.wallets()[0]);
        assert_eq!(held.len(), 3);
        assert!(held.iter().all(|(account, _)| chain.by_address.contains_key(account)));
    }

    #[test]
    fn unused_addresses_are_addresses_and_unused() {
        let chain = small();
        for number in 0..1000 {
            let address = unused_address(1, number);
            assert_eq!(bs58::decode(&address).into_vec().unwrap().len(), 32);
            assert!(!chain.knows_address(&address));
        }
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
