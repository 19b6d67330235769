//! All methods side by side, in one read of the stored ledger.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use persistence_layer::ledgers::{self, ChunkFigures};
use pnl_core::engine::MethodSums;
use pnl_core::figures::FigureReader;
use pnl_core::what_if::{Comparison, WhatIf};
use pnl_core::{AssetId, Method, Pin, Usd, WalletRef};
use serde::Serialize;

use super::{Reader, Wallets, WalletsError, corrupt};
use crate::stages::replay;

/// Chunks read at a time.
const CHUNKS_AT_ONCE: u32 = 32;

/// Tokens listed: those whose gain depends most on the method.
const MOST_TOKENS: usize = 100;

/// The answers of all methods to one history.
#[derive(Debug, Serialize)]
pub struct MethodsCompared {
    /// Up to where the ledger goes.
    #[serde(skip)]
    pub pin: Pin,
    /// A row per method; differences are to the first one.
    pub methods: Vec<MethodFigures>,
    /// How many tokens have another gain by another method.
    pub differing_tokens: u64,
    /// Those with the largest differences, largest first.
    pub tokens: Vec<TokenFigures>,
    /// Sums over the differing tokens that are not listed, by method.
    pub other_tokens: Vec<TokenMethod>,
}

/// A wallet's figures by one method.
#[derive(Debug, Serialize)]
pub struct MethodFigures {
    /// The method.
    pub method: Method,
    /// Gain of all disposals.
    pub realized_gain_usd: Usd,
    /// Realized gain plus income less fee expense.
    pub net_realized_usd: Usd,
    /// Gain of what is held, as far as it is priced.
    pub unrealized_gain_usd: Usd,
    /// Net realized plus unrealized.
    pub total_pnl_usd: Usd,
    /// Cost of what is held.
    pub remaining_basis_usd: Usd,
    /// Realized gain less that of the first method.
    pub gain_difference_usd: Usd,
    /// Of the difference: cost that is still held and has left by the first method.
    pub remaining_difference_usd: Usd,
    /// Of the difference: everything else.
    pub other_difference_usd: Usd,
}

/// A token's figures by all methods.
#[derive(Debug, Serialize)]
pub struct TokenFigures {
    /// The token.
    pub asset: AssetId,
    /// Its decimals.
    pub decimals: Option<u8>,
    /// In the order of [`MethodsCompared::methods`].
    pub by_method: Vec<TokenMethod>,
}

/// A token's figures by one method.
#[derive(Debug, Clone, Serialize)]
pub struct TokenMethod {
    /// The method.
    pub method: Method,
    /// Gain of its disposals.
    pub realized_gain_usd: Usd,
    /// Cost of what is held of it.
    pub remaining_basis_usd: Usd,
    /// Realized gain less that of the first method.
    pub gain_difference_usd: Usd,
}

impl Wallets {
    /// The wallet's figures by all methods; `None` when no ledger of it is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn what_if(
        &self,
        wallet: &WalletRef,
    ) -> Result<Option<MethodsCompared>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let mut run = Run::new(WhatIf::new(&self.options(wallet.chain))?);
        let mut no = 0;
        while no < reader.ledger.head.chunks {
            let mut chunks = reader.figures(no).await?;
            no = no.saturating_add(CHUNKS_AT_ONCE).min(reader.ledger.head.chunks);
            while !chunks.is_empty() {
                (run, chunks) = self.compute(move || run.read(chunks)).await?;
                if !chunks.is_empty() {
                    // Figures in the form of another version: the text says the same.
                    let unread = no - u32::try_from(chunks.len()).map_err(corrupt)?;
                    let text = reader.chunk(unread).await?;
                    let ChunkFigures { events, .. } = chunks.remove(0);
                    run = self.compute(move || run.read_text(&text, events)).await?;
                }
            }
        }
        self.compute(move || {
            let compared = run.what_if.finish(Some(&reader.history.prices))?;
            MethodsCompared::of(&compared, &reader).map(Some)
        })
        .await
    }
}

impl Reader {
    /// The figures of some chunks from number `no` on.
    async fn figures(&self, no: u32) -> Result<Vec<ChunkFigures>, WalletsError> {
        let behind = no.saturating_add(CHUNKS_AT_ONCE).min(self.ledger.head.chunks);
        let ledger_id = self.ledger.head.ledger_id;
        let chunks =
            ledgers::figures(&self.store, &self.tenant, self.chain, ledger_id, no, behind).await?;
        if chunks.len() == (behind - no) as usize {
            Ok(chunks)
        } else {
            Err(WalletsError::Corrupt(format!("chunks {no} to {behind} are not all there")))
        }
    }
}

/// A history that is being read for all methods.
struct Run {
    what_if: WhatIf,
    reader: FigureReader,
    events: u64,
}

impl Run {
    fn new(what_if: WhatIf) -> Self {
        Self { what_if, reader: FigureReader::default(), events: 0 }
    }

    /// Reads chunks; gives back what is left from the first one on whose figures another version wrote.
    fn read(
        mut self,
        mut chunks: Vec<ChunkFigures>,
    ) -> Result<(Self, Vec<ChunkFigures>), WalletsError> {
        for n in 0..chunks.len() {
            let events = chunks[n].events;
            match chunks[n].unpack()? {
                ledgers::Unpacked::Figures(figures) => {
                    if !FigureReader::knows(&figures) {
                        return Ok((self, chunks.split_off(n)));
                    }
                    let what_if = &mut self.what_if;
                    self.reader
                        .read(&figures, |event| what_if.apply(event).map_err(WalletsError::from))?;
                    self.events += u64::from(events);
                }
                // A chunk of a program that wrote no figures.
                ledgers::Unpacked::Lines(text) => self = self.read_text(&text, events)?,
            }
        }
        Ok((self, Vec::new()))
    }

    /// Reads a chunk of so many events by its text.
    fn read_text(mut self, text: &[u8], events: u32) -> Result<Self, WalletsError> {
        for (seq, line) in (self.events..).zip(replay::lines(text)?) {
            if let Some(event) = replay::event(line)?.to_event(seq)? {
                self.what_if.apply(&event)?;
            }
        }
        self.events += u64::from(events);
        Ok(self)
    }
}

impl MethodsCompared {
    fn of(compared: &Comparison, reader: &Reader) -> Result<Self, WalletsError> {
        let methods = compared
            .rows()?
            .into_iter()
            .map(|row| {
                let unrealized = row.unrealized_gain.unwrap_or_default();
                Ok(MethodFigures {
                    method: row.method,
                    realized_gain_usd: row.realized_gain,
                    net_realized_usd: row.net_realized,
                    unrealized_gain_usd: unrealized,
                    total_pnl_usd: row.net_realized.checked_add(unrealized)?,
                    remaining_basis_usd: row.remaining_basis,
                    gain_difference_usd: row.gain_difference,
                    remaining_difference_usd: row.remaining_difference,
                    other_difference_usd: row.other_difference,
                })
            })
            .collect::<Result<Vec<_>, WalletsError>>()?;
        let facts = &reader.history.facts.assets;
        let mut tokens = differing(compared)?;
        let differing_tokens = tokens.len() as u64;
        let others = tokens.split_off(tokens.len().min(MOST_TOKENS));
        Ok(Self {
            pin: reader.ledger.head.pin,
            other_tokens: summed(&methods, &others)?,
            methods,
            differing_tokens,
            tokens: tokens
                .into_iter()
                .map(|(asset, by_method)| TokenFigures {
                    decimals: facts.get(&asset).and_then(|facts| facts.decimals),
                    asset,
                    by_method,
                })
                .collect(),
        })
    }
}

/// The tokens whose gain depends on the method, those with the largest differences first.
fn differing(compared: &Comparison) -> Result<Vec<(AssetId, Vec<TokenMethod>)>, WalletsError> {
    let assets: BTreeSet<_> = compared.0.iter().flat_map(|sums| sums.by_asset.keys()).collect();
    let mut tokens = Vec::new();
    for asset in assets {
        let gain =
            |sums: &MethodSums| sums.by_asset.get(asset).map_or(Usd::ZERO, |row| row.realized_gain);
        let first = compared.0.first().map_or(Usd::ZERO, gain);
        let by_method = compared
            .0
            .iter()
            .map(|sums| {
                Ok(TokenMethod {
                    method: sums.method,
                    realized_gain_usd: gain(sums),
                    remaining_basis_usd: sums
                        .remaining_basis
                        .get(asset)
                        .copied()
                        .unwrap_or_default(),
                    gain_difference_usd: gain(sums).checked_sub(first)?,
                })
            })
            .collect::<Result<Vec<_>, WalletsError>>()?;
        let largest = by_method.iter().map(|row| row.gain_difference_usd.units().unsigned_abs());
        if let Some(largest) = largest.max().filter(|largest| !largest.is_zero()) {
            tokens.push((largest, asset.clone(), by_method));
        }
    }
    // Of equal differences in the order of assets, as they are now.
    tokens.sort_by_key(|(largest, ..)| Reverse(*largest));
    Ok(tokens.into_iter().map(|(_, asset, by_method)| (asset, by_method)).collect())
}

/// Sums by method.
fn summed(
    methods: &[MethodFigures],
    tokens: &[(AssetId, Vec<TokenMethod>)],
) -> Result<Vec<TokenMethod>, WalletsError> {
    let mut sums: Vec<TokenMethod> = methods
        .iter()
        .map(|row| TokenMethod {
            method: row.method,
            realized_gain_usd: Usd::ZERO,
            remaining_basis_usd: Usd::ZERO,
            gain_difference_usd: Usd::ZERO,
        })
        .collect();
    for (_, rows) in tokens {
        for (sum, row) in sums.iter_mut().zip(rows) {
            sum.realized_gain_usd = sum.realized_gain_usd.checked_add(row.realized_gain_usd)?;
            sum.remaining_basis_usd =
                sum.remaining_basis_usd.checked_add(row.remaining_basis_usd)?;
            sum.gain_difference_usd =
                sum.gain_difference_usd.checked_add(row.gain_difference_usd)?;
        }
    }
    Ok(sums)
}
