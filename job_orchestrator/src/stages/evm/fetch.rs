//! Transactions of a wallet, and a look into each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chain_client::EvmSource;
use chain_client::evm::{Wanted, with_internal};
use persistence_layer::chain_data::{self, ListedView};
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, AssetId, Pin, RawAmount, RawDelta, RawTransaction, TxId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tx_parser::ParseError;
use tx_parser::evm::{self, Network};

use super::lists::Listed;
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;
use crate::stages::catalogue::Catalogue;
use crate::stages::fetch::Cut;
use crate::stages::looks::{self, Looks};
use crate::stages::order::Entry;

/// Transactions read, or fetched and committed, at a time.
const CHUNK: usize = 100;
/// Nothing is sold for as little as this, in wei.
const DUST_WEI: i128 = 100_000_000_000_000;
/// Nothing is sold for as little as this, in base units of a listed stablecoin: those with the fewest
/// decimals have six.
const DUST_OF_STABLECOINS: i128 = 10_000;
/// Longest pause between two looks for what other wallets are fetching.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long another wallet's fetching is waited for: a doubled call is better than a lost attempt.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a look into a transaction tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    #[serde(rename = "t")]
    tx_id: TxId,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(rename = "b")]
    block: u64,
    /// Whether the wallet sent it.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    signed: bool,
    /// Whether the wallet paid with something that nobody can make up.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    paid: bool,
    /// Whether it was paid so.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    earned: bool,
    /// What it did to tokens of the wallet.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<(AssetId, RawDelta)>,
    /// Tokens to which it did more than 256 bits hold.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    too_large: Vec<AssetId>,
}

/// What events say about one token of the wallet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenSum {
    /// Sum of all movements.
    pub raw: RawDelta,
    /// The movements, by block.
    pub by_block: BTreeMap<u64, RawDelta>,
    /// Whether the wallet sent a transaction that moved it.
    pub signed: bool,
    /// Whether it was ever bought or sold for the coin or a listed stablecoin: anybody can make up events
    /// of the wallet's other tokens.
    pub exchanged: bool,
    /// What came in, and what went out.
    flows: [RawAmount; 2],
    /// Whether one of these does not fit into the 256 bits of a balance: no token is like that, but anybody can
    /// make up events that are. Then the sums are not those of all of them.
    pub is_impossible: bool,
}

impl TokenSum {
    /// Whether a balance fits into 256 bits together with all that left. Whichever of the events are booked, no more
    /// than these two can be missing from them.
    pub fn has_room_for(&self, balance: RawAmount) -> bool {
        let [_, went_out] = self.flows;
        went_out.checked_add(balance).is_ok()
    }
}

/// What is known of a wallet when everything is stored.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The transactions of its view, and those of the oldest block of the view.
    pub entries: Vec<Entry>,
    /// At most so many of them, the newest, are its view.
    pub bound: usize,
    /// Why something is missing, if so.
    pub cut: Option<Cut>,
    /// What events say about its tokens.
    pub sums: BTreeMap<AssetId, TokenSum>,
    /// Transactions that may have moved coins of the wallet inside.
    pub coins: HashSet<TxId>,
}

/// Reads every transaction of the view, from the store where it is there, else from the chain.
pub(crate) async fn run(
    attempt: &Attempt,
    source: &dyn EvmSource,
    network: Network,
    pin: Pin,
    listed: &Listed,
) -> Result<Fetched, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let service_bound = attempt.settings.max_transactions as usize;
    let requested = attempt.analysis.max_transactions.map(|count| count as usize);
    let bound = requested.map_or(service_bound, |count| count.min(service_bound));
    // One more than the bound tells that there are more.
    let newer_until = pin.block;
    let view = ListedView { max_slot: pin.block, bound: bound.saturating_add(1), newer_until };
    let has_room = |known: &HashMap<TxId, u64>| attempt.take_room(known.len()).is_ok();
    let lists = chain_data::listed(store, chain, &listed.keys, view, has_room).await?;
    let all = lists.ok_or(StageError::NoRoom)?.slots;
    let coins = chain_data::listed(store, chain, &listed.coin_keys, view, |_| true).await?;
    let coins = coins.ok_or(StageError::NoRoom)?.slots;
    let mut reader = Reader {
        attempt,
        source,
        network,
        blocks: all.clone(),
        coins: coins.into_keys().collect(),
        catalogue: Catalogue::new(bound),
        looks: Looks::new(),
        sums: BTreeMap::new(),
    };
    for (tx_id, block) in all {
        reader.catalogue.add(tx_id, block);
    }
    reader.looks.expect(reader.catalogue.len());
    let mut earlier: HashMap<TxId, Seen> = looks::earlier_lines(attempt)
        .await?
        .into_iter()
        .map(|seen: Seen| (seen.tx_id.clone(), seen))
        .collect();
    for tx_id in reader.catalogue.unread() {
        if let Some(seen) = earlier.remove(&tx_id) {
            reader.note(seen)?;
        }
    }
    for ids in reader.catalogue.unread().chunks(CHUNK) {
        reader.read(ids).await?;
        reader.looks.store(attempt).await?;
    }
    reader.looks.store_all(attempt).await?;
    let Reader { catalogue, sums, coins, .. } = reader;
    let (entries, view_is_cut) = catalogue.into_entries();
    let cut = view_is_cut.then_some(Cut::Transactions);
    Ok(Fetched { entries, bound, cut, sums, coins })
}

/// The transaction as the wallet sees it. `no_coins`: no list of the wallet's coins names it, so what
/// contracts sent each other there does not concern the wallet, whether another one needed it or not.
pub(crate) fn line(
    raw: &RawTransaction,
    no_coins: bool,
    network: &Network,
    wallet: &Address,
) -> Result<pnl_core::WalletTransaction, ParseError> {
    let json = with_internal(raw, no_coins);
    if no_coins {
        evm::parse_apart(&json, network, wallet)
    } else {
        evm::parse(&json, network, wallet)
    }
}

struct Reader<'a> {
    attempt: &'a Attempt,
    source: &'a dyn EvmSource,
    network: Network,
    blocks: HashMap<TxId, u64>,
    /// Transactions that may have moved coins of the wallet inside.
    coins: HashSet<TxId>,
    catalogue: Catalogue,
    looks: Looks,
    sums: BTreeMap<AssetId, TokenSum>,
}

impl Reader<'_> {
    /// Reads these transactions; what another wallet of this process is fetching is waited for.
    async fn read(&mut self, ids: &[TxId]) -> Result<(), StageError> {
        let mut waiting: Vec<TxId> = ids.to_vec();
        let begun = Instant::now();
        while !waiting.is_empty() {
            let chain = self.attempt.chain();
            let keys = waiting.iter().map(|id| (chain, id.clone()));
            let (claim, mut busy) = self.attempt.shared.transactions.claim(keys);
            let mut free: Vec<TxId> = claim.keys().iter().map(|(_, id)| id.clone()).collect();
            if free.is_empty() && begun.elapsed() >= PATIENCE {
                free.extend(busy.drain(..).map(|((_, id), _)| id));
            }
            self.read_free(&free).await?;
            drop(claim);
            if let Some((_, first)) = busy.first_mut() {
                // What comes first: it is over, or the time to look for the others.
                let _ = tokio::time::timeout(LOOK_AGAIN_AFTER, first.over()).await;
            }
            waiting = busy.into_iter().map(|((_, id), _)| id).collect();
        }
        Ok(())
    }

    /// Reads transactions from the store, and fetches those that are not there, or not as whole as
    /// this wallet needs them.
    async fn read_free(&mut self, ids: &[TxId]) -> Result<(), StageError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (store, chain) = (&self.attempt.store, self.attempt.chain());
        let stored = chain_data::transactions(store, chain, ids).await?;
        let looked = self.look_into(stored).await?;
        let mut missing: HashSet<&TxId> = ids.iter().collect();
        let (mut seen, mut untraced) = (Vec::new(), Vec::new());
        for (one, lacking) in looked {
            missing.remove(&one.tx_id);
            match lacking.filter(|raw| self.coins.contains(&raw.tx_id)) {
                Some(raw) => untraced.push(raw),
                None => seen.push(one),
            }
        }
        let traced = trace(self.attempt, self.source, untraced).await?;
        seen.extend(self.look_into(traced).await?.into_iter().map(|(seen, _)| seen));
        let wanted: Vec<Wanted> = ids
            .iter()
            .filter(|id| missing.contains(id))
            .map(|id| Wanted {
                tx_id: id.clone(),
                block: self.blocks.get(id).copied().unwrap_or_default(),
                traced: self.coins.contains(id),
            })
            .collect();
        let fetched = fetch(self.attempt, self.source, &wanted).await?;
        seen.extend(self.look_into(fetched).await?.into_iter().map(|(seen, _)| seen));
        for seen in seen {
            self.looks.note(&seen);
            self.note(seen)?;
        }
        Ok(())
    }

    fn note(&mut self, seen: Seen) -> Result<(), StageError> {
        self.catalogue.mark_read(&seen.tx_id, seen.index);
        for asset in seen.too_large {
            self.sums.entry(asset).or_default().is_impossible = true;
        }
        for (asset, raw) in seen.tokens {
            let too_large = |error| {
                StageError::uncomputable("amount-out-of-range", &format!("{asset}: {error}"))
            };
            let sum = self.sums.entry(asset.clone()).or_default();
            sum.signed |= seen.signed;
            sum.exchanged |= if raw.is_negative() { seen.earned } else { seen.paid };
            // In whichever order transactions are read, this comes to the same.
            let flow = &mut sum.flows[usize::from(raw.is_negative())];
            match flow.checked_add(raw.magnitude()) {
                Ok(all) => *flow = all,
                Err(_) => sum.is_impossible = true,
            }
            if sum.is_impossible {
                continue;
            }
            sum.raw = sum.raw.checked_add(raw).map_err(too_large)?;
            let in_block = sum.by_block.entry(seen.block).or_default();
            *in_block = in_block.checked_add(raw).map_err(too_large)?;
        }
        Ok(())
    }

    /// Looks into transactions; gives those back in which transfers between contracts are unknown.
    async fn look_into(
        &self,
        transactions: Vec<RawTransaction>,
    ) -> Result<Vec<(Seen, Option<RawTransaction>)>, StageError> {
        let (wallet, network) = (self.attempt.wallet().clone(), self.network);
        let rules = self.attempt.rules.clone();
        let look = move |raw: RawTransaction| {
            let (seen, lacks_trace) = see(&raw, &network, &wallet, &rules)?;
            Ok((seen, lacks_trace.then_some(raw)))
        };
        compute(move || transactions.into_iter().map(look).collect()).await
    }
}

fn see(
    raw: &RawTransaction,
    network: &Network,
    wallet: &Address,
    rules: &LedgerRules,
) -> Result<(Seen, bool), StageError> {
    let line = evm::parse(&raw.json, network, wallet)
        .map_err(|error| StageError::unreadable(&raw.tx_id, &error))?;
    let lacks_trace = line.notes.iter().any(|note| note.code == "internal_transfers_missing");
    let quotes = || line.net.iter().filter(|change| rules.is_quote_asset(&change.asset));
    let paid = quotes().any(|change| change.raw.is_negative());
    // Nobody else can make the wallet pay, but anybody can send it dust.
    let earned = quotes().any(|change| {
        let dust = if change.asset.is_native() { DUST_WEI } else { DUST_OF_STABLECOINS };
        change.raw > RawDelta::from(dust)
    });
    let tokens = line.net.into_iter().filter(|change| !change.asset.is_native());
    let too_large = line.too_large.into_iter().filter(|asset| !asset.is_native());
    let seen = Seen {
        tx_id: raw.tx_id.clone(),
        index: line.order.index,
        block: raw.block,
        signed: line.signed,
        paid,
        earned,
        tokens: tokens.map(|change| (change.asset, change.raw)).collect(),
        too_large: too_large.collect(),
    };
    Ok((seen, lacks_trace))
}

/// Asks for the traces alone that stored transactions lack; those that somebody knows now are stored.
async fn trace(
    attempt: &Attempt,
    source: &dyn EvmSource,
    stored: Vec<RawTransaction>,
) -> Result<Vec<RawTransaction>, StageError> {
    if stored.is_empty() {
        return Ok(stored);
    }
    let traced = source.traced(&stored).await.map_err(StageError::asking)?;
    let news = traced.iter().zip(&stored).filter(|(now, before)| now.json != before.json);
    let news: Vec<RawTransaction> = news.map(|(now, _)| now.clone()).collect();
    if !news.is_empty() {
        let count = chain_data::replace_transactions(&attempt.store, &attempt.lease, &news).await?;
        attempt.note_progress(count);
    }
    Ok(traced)
}

/// Fetches transactions and stores them. Those with traces take the place of those without.
pub(crate) async fn fetch(
    attempt: &Attempt,
    source: &dyn EvmSource,
    wanted: &[Wanted],
) -> Result<Vec<RawTransaction>, StageError> {
    let mut fetched = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(CHUNK) {
        let raw = source.transactions(part).await.map_err(StageError::asking)?;
        let (store, lease) = (&attempt.store, &attempt.lease);
        let of = |traced: bool| -> Vec<RawTransaction> {
            let raw = raw.iter().zip(part).filter(|(_, wanted)| wanted.traced == traced);
            raw.map(|(raw, _)| raw.clone()).collect()
        };
        let mut stored = 0;
        for (traced, rows) in [(true, of(true)), (false, of(false))] {
            stored += match (rows.is_empty(), traced) {
                (true, _) => 0,
                (false, true) => chain_data::replace_transactions(store, lease, &rows).await?,
                (false, false) => chain_data::put_transactions(store, lease, &rows).await?,
            };
        }
        attempt.note_progress(stored);
        fetched.extend(raw);
    }
    Ok(fetched)
}
