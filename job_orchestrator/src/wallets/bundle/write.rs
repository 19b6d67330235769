//! Makes a bundle of a stored ledger, chunk by chunk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use persistence_layer::chain_data;
use pnl_core::ledger::{LedgerEvent, LedgerRules, PriceRequest, PriceTable};
use pnl_core::price::PriceBook;
use pnl_core::report::WalletPnl;
use pnl_core::{
    AssetId, Chain, ENGINE_VERSION, Method, RawTransaction, TxId, WalletRef, WalletTransaction,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tx_parser::evm::Network;

use super::again::{Again, Parser};
use super::form::{BookedBy, FORM, Head, Line, Price, Transaction};
use super::sums::Sums;
use crate::compute::compute;
use crate::sources::ReadingRules;
use crate::stages::prices;
use crate::stages::replay::{event, lines};
use crate::wallets::walk::Ended;
use crate::wallets::{Reader, View, Wallets, WalletsError, corrupt};

/// Why a transaction is not in a bundle.
const NOT_STORED: &str = "no longer stored";

/// A stored line as it is.
#[derive(Serialize)]
struct EventLine<'a> {
    event: &'a RawValue,
}

/// Some lines of a bundle.
#[derive(Debug, Default)]
pub struct Part {
    /// The lines, each with its end.
    pub text: String,
    /// Transactions among them that are not stored any more.
    pub absent: u64,
    /// Transactions without the prices by which they were booked: of these a replay compares what moved alone.
    pub unpriced: u64,
}

/// What the lines of a bundle are made from.
struct Writer {
    reader: Arc<Reader>,
    parser: Parser,
    reading: ReadingRules,
    again: Again,
    /// What came before the next chunk.
    sums: Sums,
}

/// The events of a transaction.
struct Events {
    tx_id: TxId,
    /// As they are stored.
    texts: Vec<Box<RawValue>>,
    events: Vec<LedgerEvent>,
}

/// A transaction that is stored, and the ways in which the wallet may see it.
struct Stored {
    raw: RawTransaction,
    /// (whether no list of its coins names it, what it did); empty when the parser cannot read it.
    views: Vec<(bool, WalletTransaction)>,
}

impl Wallets {
    /// The bundle of the wallet's newest ledger, part by part; `None` when none is stored. Prices come from where
    /// `reading` says, and nobody is asked over the network.
    ///
    /// # Errors
    /// [`WalletsError`]; the parts can fail too, when the database goes away meanwhile.
    pub async fn bundle(
        &self,
        wallet: &WalletRef,
        method: Method,
        reading: ReadingRules,
    ) -> Result<Option<impl Stream<Item = Result<Part, WalletsError>> + use<>>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let reader = Arc::new(reader);
        let network = reading.networks.get(&wallet.chain).map(Network::wrapped_native);
        let parser = Parser::of(wallet.chain, network.as_ref())
            .ok_or_else(|| corrupt("the wrapped coin of the chain is no contract"))?;
        let no_rules = || LedgerRules { chain: wallet.chain, stablecoins: Default::default() };
        let rules = self.all.rules.get(&wallet.chain).cloned().unwrap_or_else(no_rules);
        let booked_by = BookedBy { rules, wrapped_native: network };
        let ended = self.ended(&reader, View::by(method)).await?;
        let head = {
            let (reader, booked_by) = (reader.clone(), booked_by.clone());
            self.compute(move || head(ended, &reader, booked_by)).await?
        };
        let writer = Writer {
            again: Again::of(reader.history.wallet.clone(), booked_by),
            reader,
            parser,
            reading,
            sums: Sums::default(),
        };
        let rest = stream::try_unfold((writer, 0u32), |(writer, no)| async move {
            if no >= writer.reader.ledger.head.chunks {
                return Ok(None);
            }
            let (part, writer) = writer.chunk(no).await?;
            Ok(Some((part, (writer, no + 1))))
        });
        let head = Part { text: head, ..Part::default() };
        Ok(Some(stream::once(async move { Ok(head) }).chain(rest)))
    }
}

fn head(ended: Ended, reader: &Reader, booked_by: BookedBy) -> Result<String, WalletsError> {
    let result = serde_json::to_string(&WalletPnl::build(ended.input())?).map_err(corrupt)?;
    let head = Head {
        bundle: FORM,
        engine_version: ENGINE_VERSION.to_owned(),
        parser_version: ended.history.parser_version.clone(),
        method: ended.outcome.method,
        options: reader.options.clone(),
        booked_by: Some(booked_by),
        events: reader.ledger.head.events,
        result: RawValue::from_string(result).map_err(corrupt)?,
        history: ended.history,
    };
    Ok(serde_json::to_string(&head).map_err(corrupt)? + "\n")
}

impl Writer {
    /// The lines of one chunk.
    async fn chunk(self, no: u32) -> Result<(Part, Self), WalletsError> {
        let (store, chain) = (&self.reader.store, self.reader.chain);
        let chunk = self.reader.chunk(no).await?;
        let transactions = compute(move || transactions(&chunk)).await?;
        let ids: Vec<TxId> = transactions.iter().map(|of| of.tx_id.clone()).collect();
        let raws = chain_data::transactions(store, chain, &ids).await?;
        let (parser, wallet) = (self.parser, self.reader.history.wallet.clone());
        let views = move |raw: RawTransaction| {
            // How the ledger saw it is not noted: both are tried where they can differ.
            let ways: &[bool] = if chain == Chain::Solana { &[false] } else { &[false, true] };
            let views = ways.iter().filter_map(|no_coins| {
                Some((*no_coins, parser.line(&raw, *no_coins, &wallet).ok()?))
            });
            Stored { views: views.collect(), raw }
        };
        let stored: HashMap<TxId, Stored> = compute(move || {
            let stored = raws.into_iter().map(views).map(|of| (of.raw.tx_id.clone(), of));
            Ok::<_, WalletsError>(stored.collect())
        })
        .await?;
        let decimals = self.decimals(&stored).await?;
        let requests = self.requests(&transactions, &stored);
        let prices = prices::recall(store, &self.reading.prices, chain, requests).await?;
        compute(move || self.write(transactions, stored, &decimals, &prices)).await
    }

    /// What contracts say about the tokens that move.
    async fn decimals(
        &self,
        stored: &HashMap<TxId, Stored>,
    ) -> Result<BTreeMap<AssetId, u8>, WalletsError> {
        if let Parser::Solana = self.parser {
            return Ok(BTreeMap::new());
        }
        let lines = stored.values().flat_map(|of| &of.views).map(|(_, line)| line);
        let mut assets: Vec<AssetId> =
            lines.flat_map(|line| &line.net).map(|change| change.asset.clone()).collect();
        assets.sort();
        assets.dedup();
        let (store, chain) = (&self.reader.store, self.reader.chain);
        let facts = chain_data::token_facts(store, chain, &assets).await?;
        Ok(facts.into_iter().filter_map(|(asset, of)| Some((asset, of.decimals?))).collect())
    }

    /// At least the prices by which the transactions were booked, and those of what has no decimals.
    fn requests(
        &self,
        transactions: &[Events],
        stored: &HashMap<TxId, Stored>,
    ) -> Vec<PriceRequest> {
        let mut requests = Vec::new();
        for of in transactions {
            let Some(at) = of.events.first().map(|event| event.ts) else { continue };
            let views = stored.get(&of.tx_id).into_iter().flat_map(|stored| &stored.views);
            let moved = views.flat_map(|(_, line)| &line.net).map(|change| change.asset.clone());
            let assets = moved.chain([AssetId::native()]);
            let priced = assets.filter(|asset| !self.again.rules.stablecoins.contains(asset));
            requests.extend(priced.map(|asset| PriceRequest { asset, at }));
        }
        requests.sort();
        requests.dedup();
        requests
    }

    fn write(
        mut self,
        transactions: Vec<Events>,
        mut stored: HashMap<TxId, Stored>,
        decimals: &BTreeMap<AssetId, u8>,
        prices: &PriceTable,
    ) -> Result<(Part, Self), WalletsError> {
        let mut part = Part::default();
        for of in transactions {
            let transaction = match stored.remove(&of.tx_id) {
                Some(stored) => self.told(stored, &of.events, decimals, prices)?,
                None => Transaction {
                    tx_id: of.tx_id,
                    raw: None,
                    absent: Some(NOT_STORED.to_owned()),
                    no_coins: false,
                    decimals: BTreeMap::new(),
                    prices: None,
                },
            };
            match &transaction {
                Transaction { raw: None, .. } => part.absent += 1,
                Transaction { prices: None, .. } => part.unpriced += 1,
                _ => {}
            }
            push(&mut part.text, &Line::Transaction(transaction))?;
            for (text, event) in of.texts.iter().zip(&of.events) {
                push(&mut part.text, &EventLine { event: text })?;
                self.sums.take_up(event)?;
            }
        }
        Ok((part, self))
    }

    /// The transaction with what makes its events again; without prices when nothing that is stored does.
    fn told(
        &self,
        stored: Stored,
        events: &[LedgerEvent],
        decimals: &BTreeMap<AssetId, u8>,
        prices: &PriceTable,
    ) -> Result<Transaction, WalletsError> {
        let Stored { mut raw, views } = stored;
        // Ends of lines can only stand between the tokens of JSON.
        for end in raw.json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *end = b' ';
        }
        let text = String::from_utf8(raw.json).map_err(corrupt)?;
        let mut told = Transaction {
            tx_id: raw.tx_id,
            raw: Some(RawValue::from_string(text).map_err(corrupt)?),
            absent: None,
            no_coins: false,
            decimals: BTreeMap::new(),
            prices: None,
        };
        for (no_coins, mut line) in views {
            let made = self.again.make(&mut line, events, decimals, self.sums.facts(), prices);
            if let Ok(made) = made
                && made.events == events
            {
                let used = made.requests.into_iter().filter_map(|PriceRequest { asset, at }| {
                    let quote = prices.quote(&asset, at)?;
                    Some(Price::of(asset, quote))
                });
                let said = line.net.iter().filter_map(|change| {
                    Some((change.asset.clone(), *decimals.get(&change.asset)?))
                });
                told.decimals = said.collect();
                told.prices = Some(used.collect());
                told.no_coins = no_coins;
                break;
            }
        }
        Ok(told)
    }
}

/// The events of a chunk by transaction.
fn transactions(chunk: &[u8]) -> Result<Vec<Events>, WalletsError> {
    let mut transactions: Vec<Events> = Vec::new();
    for line in lines(chunk)? {
        let event = event(line)?;
        let text = RawValue::from_string(line.to_owned()).map_err(corrupt)?;
        match transactions.last_mut().filter(|last| last.tx_id == event.tx_id) {
            Some(last) => {
                last.texts.push(text);
                last.events.push(event);
            }
            None => transactions.push(Events {
                tx_id: event.tx_id.clone(),
                texts: vec![text],
                events: vec![event],
            }),
        }
    }
    Ok(transactions)
}

fn push(out: &mut String, line: &impl Serialize) -> Result<(), WalletsError> {
    out.push_str(&serde_json::to_string(line).map_err(corrupt)?);
    out.push('\n');
    Ok(())
}
