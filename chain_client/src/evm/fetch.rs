//! Transactions with all that belongs to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pnl_core::{Chain, RawTransaction};
use serde_json::json;

use super::node::{self, Envelope, Internal, L1_FEE_MISSING, Receipt};
use super::pool::EvmPool;
use super::traces::{InternalTransfer, TraceMethod};
use super::{BlockHead, Wanted, explorer};
use crate::error::SourceError;
use crate::failure::Failure;
use crate::json_rpc::Reply;
use crate::retry::TOO_LONG;

/// From so many wanted transactions in a block on, its receipts are asked for as a whole.
const CROWDED_BLOCK: usize = 4;
/// So often a node may answer with an error that it cannot trace a transaction: it is no passing trouble.
const FAILED_TRACES: u32 = 3;
const RECEIPT: &str = "eth_getTransactionReceipt";
/// Label of the question for receipts that name the part of the fee for the first layer.
const WITH_L1_FEE: &str = "eth_getTransactionReceipt l1Fee";

/// Transactions whose transfers between contracts are being asked for, by their places.
struct Traces<'a> {
    method: TraceMethod,
    wanted: &'a [Wanted],
    envelopes: &'a [Envelope],
    open: Vec<usize>,
    known: BTreeMap<usize, Vec<InternalTransfer>>,
}

/// How often a node failed at a transaction, and what was told of it, by place.
type Told = BTreeMap<usize, (u32, Option<Vec<InternalTransfer>>)>;

impl EvmPool {
    /// Transactions, receipts, block times and traces, in the order of `wanted`.
    pub(super) async fn fetch(
        &self,
        wanted: &[Wanted],
    ) -> Result<Vec<RawTransaction>, SourceError> {
        let envelopes = self.envelopes(wanted).await?;
        let (receipts, heads) =
            futures::try_join!(self.receipts(wanted, &envelopes), self.heads(&envelopes))?;
        let places = 0..wanted.len();
        let traced = places.clone().filter(|&place| {
            wanted[place].traced && node::could_send(&envelopes[place], &receipts[place])
        });
        let traced: Vec<usize> = traced.collect();
        let internal = self.internal(wanted, &envelopes, &heads, traced.clone()).await?;
        places
            .map(|place| {
                let envelope = &envelopes[place];
                let head = heads.get(&envelope.block).ok_or_else(|| SourceError::NotFound {
                    detail: format!("block {}", envelope.block),
                })?;
                let rows = match internal.get(&place) {
                    Some(rows) => Internal::Known(rows),
                    None if traced.contains(&place) => Internal::Unavailable,
                    None => Internal::NotAsked,
                };
                let tx_id = &wanted[place].tx_id;
                node::compose(self.chain, tx_id, head, envelope, &receipts[place], &rows)
                    .map_err(|failure| SourceError::Transient { detail: failure.detail() })
            })
            .collect()
    }

    /// Stored transactions with what contracts sent each other in them, where somebody knows it now.
    pub(super) async fn trace(
        &self,
        stored: &[RawTransaction],
    ) -> Result<Vec<RawTransaction>, SourceError> {
        let unreadable = |failure: Failure| SourceError::Transient { detail: failure.detail() };
        let mut wanted = Vec::with_capacity(stored.len());
        let mut envelopes = Vec::with_capacity(stored.len());
        let mut heads = BTreeMap::new();
        for raw in stored {
            let one = Wanted { tx_id: raw.tx_id.clone(), block: raw.block, traced: true };
            let envelope = node::read_stored(&one, raw).map_err(unreadable)?;
            let (hash, time) = (envelope.block_hash.clone(), raw.block_time.unwrap_or_default());
            heads.insert(raw.block, BlockHead { number: raw.block, hash, time });
            wanted.push(one);
            envelopes.push(envelope);
        }
        let open = (0..stored.len()).collect();
        let known = self.internal(&wanted, &envelopes, &heads, open).await?;
        let told = stored.iter().enumerate().map(|(place, raw)| {
            let rows = known.get(&place);
            let rows = rows.map_or(Internal::Unavailable, |rows| Internal::Known(rows));
            node::retold(raw, &rows).map_err(unreadable)
        });
        told.collect()
    }

    async fn envelopes(&self, wanted: &[Wanted]) -> Result<Vec<Envelope>, SourceError> {
        let params = wanted.iter().map(|one| json!([one.tx_id])).collect();
        let read = |place: usize, reply: &Reply<'_>| {
            node::read_envelope(&wanted[place], node::result(reply)?)
        };
        self.ask_each("eth_getTransactionByHash", params, read).await
    }

    /// The receipts, those of a crowded block as a whole.
    async fn receipts(
        &self,
        wanted: &[Wanted],
        envelopes: &[Envelope],
    ) -> Result<Vec<Receipt>, SourceError> {
        let l1_fee = self.chain == Chain::Base;
        let mut by_block: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, envelope) in envelopes.iter().enumerate() {
            by_block.entry(envelope.block).or_default().push(place);
        }
        let mut receipts: BTreeMap<usize, Receipt> = BTreeMap::new();
        by_block.retain(|_, places| places.len() >= CROWDED_BLOCK);
        if !by_block.is_empty() {
            let params = by_block.keys().map(|block| json!([node::hex(*block)])).collect();
            let crowds: Vec<&Vec<usize>> = by_block.values().collect();
            let read = |block: usize, reply: &Reply<'_>| {
                node::read_block_receipts(
                    wanted,
                    envelopes,
                    crowds[block],
                    l1_fee,
                    node::result(reply)?,
                )
            };
            match self.ask_each("eth_getBlockReceipts", params, read).await {
                Ok(known) => receipts.extend(known.into_iter().flatten()),
                // Not every node has it, and not every receipt is whole: they are asked one by one.
                Err(SourceError::Permanent { .. } | SourceError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let open: Vec<usize> =
            (0..wanted.len()).filter(|place| !receipts.contains_key(place)).collect();
        let params = || open.iter().map(|place| json!([wanted[*place].tx_id])).collect();
        let read = |l1_fee| {
            let open = &open;
            move |at: usize, reply: &Reply<'_>| {
                let place = open[at];
                node::read_receipt(&wanted[place], &envelopes[place], l1_fee, node::result(reply)?)
            }
        };
        // The two labels tell apart what a node does not offer: it may have receipts, but no l1Fee.
        let answers = if l1_fee {
            match self.ask_each_as(WITH_L1_FEE, RECEIPT, params(), read(true)).await {
                Err(SourceError::Permanent { code: L1_FEE_MISSING, .. }) => {
                    self.ask_each(RECEIPT, params(), read(false)).await?
                }
                answers => answers?,
            }
        } else {
            self.ask_each(RECEIPT, params(), read(false)).await?
        };
        receipts.extend(open.iter().copied().zip(answers));
        Ok(receipts.into_values().collect())
    }

    async fn heads(&self, envelopes: &[Envelope]) -> Result<BTreeMap<u64, BlockHead>, SourceError> {
        let blocks: BTreeSet<u64> = envelopes.iter().map(|envelope| envelope.block).collect();
        let params = blocks.iter().map(|block| json!([node::hex(*block), false])).collect();
        let read = |_, reply: &Reply<'_>| node::read_head(node::result(reply)?);
        let heads = self.ask_each("eth_getBlockByNumber", params, read).await?;
        Ok(blocks.into_iter().zip(heads).collect())
    }

    /// What contracts sent each other, by place, for those of which some provider knows it.
    async fn internal(
        &self,
        wanted: &[Wanted],
        envelopes: &[Envelope],
        heads: &BTreeMap<u64, BlockHead>,
        mut open: Vec<usize>,
    ) -> Result<BTreeMap<usize, Vec<InternalTransfer>>, SourceError> {
        let mut known = BTreeMap::new();
        let mut trouble: Vec<Option<SourceError>> = self.nodes.iter().map(|_| None).collect();
        for method in TraceMethod::ALL {
            let mut traces = Traces { method, wanted, envelopes, open, known };
            // Whoever is well; then, for what that one cannot tell, everybody in turn.
            let again = match self.ask_traces(None, &mut traces).await {
                Ok(may_be_late) => may_be_late || trouble.len() > 1,
                Err(SourceError::Permanent { .. } | SourceError::NotFound { .. }) => false,
                Err(error) => return Err(error),
            };
            for (place, trouble) in trouble.iter_mut().enumerate() {
                if trouble.is_some() || !again {
                    continue;
                }
                match self.ask_traces(Some(place), &mut traces).await {
                    Ok(_) | Err(SourceError::Permanent { .. } | SourceError::NotFound { .. }) => {}
                    Err(error) => *trouble = Some(error),
                }
            }
            Traces { open, known, .. } = traces;
        }
        let trouble = trouble.into_iter().flatten().next();
        let known = self.ask_explorers(wanted, envelopes, heads, open.clone(), known).await?;
        match trouble {
            // A node that is away now may have what nobody else can tell.
            Some(error) if !open.iter().all(|place| known.contains_key(place)) => Err(error),
            _ => Ok(known),
        }
    }

    /// Asks for what is open, in one way, whoever is well or the node at `place`. What a node cannot tell
    /// of one transaction stays open and does not matter for the others. Gives whether one of them is
    /// not known there: such a node may only be late.
    async fn ask_traces(
        &self,
        place: Option<usize>,
        traces: &mut Traces<'_>,
    ) -> Result<bool, SourceError> {
        let Traces { method, wanted, envelopes, open, known } = traces;
        if open.is_empty() {
            return Ok(false);
        }
        let may_be_late = AtomicBool::new(false);
        // What was told, and how often a node failed at it: whatever ends the asking, it stays.
        let told: Mutex<Told> = Mutex::default();
        let name = method.name();
        let mut asked = open.clone();
        let outcome = loop {
            let params = asked.iter().map(|place| method.params(&wanted[*place].tx_id)).collect();
            let read = |at: usize, reply: &Reply<'_>| {
                if matches!(node::result(reply), Err(Failure::Missing)) {
                    may_be_late.store(true, Ordering::Relaxed);
                }
                let place = asked[at];
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                let (failed, rows) = told.entry(place).or_default();
                *failed += u32::from(matches!(reply, Reply::Error { .. }));
                let is_steady = *failed >= FAILED_TRACES.min(self.nodes.tries());
                *rows = method.read_reply(&envelopes[place], reply, is_steady)?;
                Ok(())
            };
            match self.ask_each_of(place, name, name, params, read).await {
                // They were asked one by one in the end, so it is the first of those without an answer.
                Err(SourceError::Permanent { code, .. }) if TOO_LONG.contains(&code) => {
                    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    let first = asked.iter().position(|place| !told.contains_key(place));
                    let Some(first) = first else { break Ok(()) };
                    asked.drain(..=first);
                }
                outcome => break outcome.map(drop),
            }
        };
        let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        known.extend(told.into_iter().filter_map(|(place, (_, rows))| Some((place, rows?))));
        open.retain(|place| !known.contains_key(place));
        outcome.map(|()| may_be_late.into_inner())
    }

    /// What explorers know of transactions that no node can trace.
    async fn ask_explorers(
        &self,
        wanted: &[Wanted],
        envelopes: &[Envelope],
        heads: &BTreeMap<u64, BlockHead>,
        mut open: Vec<usize>,
        mut known: BTreeMap<usize, Vec<InternalTransfer>>,
    ) -> Result<BTreeMap<usize, Vec<InternalTransfer>>, SourceError> {
        if open.is_empty() {
            return Ok(known);
        }
        let Some(explorers) = &self.explorers else { return Ok(known) };
        // One that has not indexed the newest of these transactions would have no transfers of it.
        let newest = open.iter().filter_map(|place| heads.get(&envelopes[*place].block));
        let mut is_indexed = false;
        if let Some(newest) = newest.max_by_key(|head| head.number)
            && let Some(reach) = self.reach(newest.number, newest.time).await
        {
            is_indexed = true;
            open.retain(|place| envelopes[*place].block <= reach);
        }
        for place in open {
            let request = explorer::internal_request(&wanted[place].tx_id);
            match explorers
                .call("txlistinternal by txhash", &request, explorer::read_internal)
                .await
            {
                // Without proof of its index, no transfers may be transfers not known yet.
                Ok(rows) if is_indexed || !rows.is_empty() => {
                    known.insert(place, rows);
                }
                Ok(_) => {}
                Err(SourceError::Permanent { .. } | SourceError::NotFound { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }
}
