//! All methods side by side, in one read of the stored ledger.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use persistence_layer::ledgers::{self, ChunkFigures};
use pnl_core::event::Event;
use pnl_core::figures::FigureReader;
use pnl_core::report::History;
use pnl_core::what_if::{AssetRow, Comparison, MethodRow, OtherOfAsset, WhatIf};
use pnl_core::{AmountError, AssetId, EngineError, Method, Pin, Usd, UsdPrice, WalletRef, Window};
use serde::Serialize;
use serde_json::{Map, Value};

use super::past::{Noted, PastEnd};
use super::{Reader, View, Wallets, WalletsError, corrupt};
use crate::request::{Analysis, TimeRange};
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
    /// How many tokens have another gain, or another cost of what is held, by another method: in the window, or at
    /// the end of the history.
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
    /// Of the difference: cost that is still held and has left by the first method; of a window, by how much that
    /// grew in it.
    pub remaining_difference_usd: Usd,
    /// Of the difference: everything else.
    pub other_difference_usd: Usd,
    /// What that is: its members sum to it.
    pub other: OtherFigures,
}

/// Why a gain differs by something else than the cost that is still held.
#[derive(Debug, Serialize)]
pub struct OtherFigures {
    /// Proceeds that one method matched with lots of known basis and the other did not.
    pub unknown_basis_usd: Usd,
    /// Gain of what no lot covers, where an option counts it as one.
    pub uncovered_usd: Usd,
    /// Cost that left by disposals without known proceeds.
    pub unpriced_usd: Usd,
    /// Cost that left with transfers.
    pub transferred_usd: Usd,
    /// Cost that left as fees, where an option ignores them.
    pub fees_ignored_usd: Usd,
    /// Cost under way between own wallets.
    pub in_transit_usd: Usd,
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
    /// Of the difference: cost that is still held and has left by the first method; of a window, by how much that
    /// grew in it.
    pub remaining_difference_usd: Usd,
    /// Of the difference: everything else.
    pub other_difference_usd: Usd,
    /// What that is: its members sum to it.
    pub other: OtherOfToken,
}

/// Why the gain of a token differs by something else than the cost that is still held.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct OtherOfToken {
    /// Proceeds that one method matched with lots of known basis and the other did not.
    pub unknown_basis_usd: Usd,
    /// Gain of what no lot covers, where an option counts it as one.
    pub uncovered_usd: Usd,
    /// Cost that left by disposals without known proceeds.
    pub unpriced_usd: Usd,
    /// Cost that left with transfers, as ignored fees, or is under way.
    pub left_usd: Usd,
}

impl Wallets {
    /// The wallet's figures by all methods, under options by name, of what `time_range` counts; `None` when no
    /// ledger of it is stored. Where lots are chosen, specific identification stands behind the others; then what
    /// is counted is the history up to its end.
    ///
    /// # Errors
    /// [`WalletsError`]; [`WalletsError::Engine`] when the lots do not fit the history.
    pub async fn what_if(
        &self,
        wallet: &WalletRef,
        time_range: TimeRange,
        options: Map<String, Value>,
    ) -> Result<Option<MethodsCompared>, WalletsError> {
        let asked = Analysis { options, ..Analysis::default() };
        let options = asked.engine_options(self.options(wallet.chain));
        let options = options.map_err(EngineError::from)?;
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let end = reader.past_end(View { time_range, ..View::default() }).await?;
        let pin = reader.ledger.head.pin;
        let block_time = end.map_or(pin.block_time, |end| end.time);
        let window = time_range.resolve(Pin { block_time, ..pin });
        let mut run = Run::new(Windowed::new(WhatIf::new(&options)?, window), end);
        // Figures have no ids, by which lots are chosen, and no prices of their time.
        let by_text = !options.lots.is_empty() || end.is_some();
        let mut no = 0;
        while no < reader.ledger.head.chunks && !run.is_over {
            if by_text {
                let text = reader.chunk(no).await?;
                run = self.compute(move || run.read_text(&text)).await?;
                no += 1;
                continue;
            }
            let mut chunks = reader.figures(no).await?;
            no = no.saturating_add(CHUNKS_AT_ONCE).min(reader.ledger.head.chunks);
            while !chunks.is_empty() {
                (run, chunks) = self.compute(move || run.read(chunks)).await?;
                if !chunks.is_empty() {
                    // Figures in the form of another version: the text says the same.
                    let unread = no - u32::try_from(chunks.len()).map_err(corrupt)?;
                    let text = reader.chunk(unread).await?;
                    chunks.remove(0);
                    run = self.compute(move || run.read_text(&text)).await?;
                }
            }
        }
        self.compute(move || {
            let history = reader.history_of(run.noted, run.end)?;
            let compared = run.what_if.finish(&history.prices)?;
            MethodsCompared::of(&compared, &history).map(Some)
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

/// The methods, stopped where a window begins and ends.
struct Windowed {
    what_if: WhatIf,
    window: Window,
    before: Option<Comparison>,
    within: Option<Comparison>,
}

/// What the methods came to.
struct Compared {
    /// At the end of the history.
    end: Comparison,
    /// Where the window begins and where it ends, if there is one.
    window: Option<(Comparison, Comparison)>,
}

impl Windowed {
    fn new(what_if: WhatIf, window: Window) -> Self {
        Self { what_if, window, before: None, within: None }
    }

    fn apply(&mut self, event: &Event) -> Result<(), WalletsError> {
        self.stop_before(event.ts)?;
        Ok(self.what_if.apply(event)?)
    }

    /// Notes the sums where a bound of the window lies at `ts` or before it.
    fn stop_before(&mut self, ts: i64) -> Result<(), EngineError> {
        for (bound, sums) in
            [(self.window.from, &mut self.before), (self.window.to, &mut self.within)]
        {
            if sums.is_none() && bound.is_some_and(|bound| ts >= bound) {
                *sums = Some(self.what_if.so_far(None)?);
            }
        }
        Ok(())
    }

    fn finish(mut self, prices: &BTreeMap<AssetId, UsdPrice>) -> Result<Compared, EngineError> {
        self.stop_before(i64::MAX)?;
        let window = self.before.zip(self.within);
        Ok(Compared { end: self.what_if.finish(Some(prices))?, window })
    }
}

impl Compared {
    /// A row per method: gains of the window, what is held at the end.
    fn rows(&self) -> Result<Vec<MethodRow>, AmountError> {
        let end = self.end.rows()?;
        let Some((before, within)) = &self.window else { return Ok(end) };
        let rows = within.rows_since(before)?.into_iter().zip(end).map(|(row, end)| MethodRow {
            unrealized_gain: end.unrealized_gain,
            remaining_basis: end.remaining_basis,
            ..row
        });
        Ok(rows.collect())
    }

    /// The assets that depend on the method in the window or at the end, likewise.
    fn assets(&self) -> Result<Vec<(AssetId, Vec<AssetRow>)>, AmountError> {
        let at_end = self.end.assets()?;
        let Some((before, within)) = &self.window else { return Ok(at_end) };
        let in_window = within.assets_since(before)?;
        let assets: BTreeSet<_> =
            at_end.into_iter().chain(in_window).map(|(asset, _)| asset).collect();
        let row_of = |asset: AssetId| {
            let rows = within.asset_since(before, &asset)?;
            let rows = rows
                .into_iter()
                .zip(self.end.asset(&asset)?)
                .map(|(row, end)| AssetRow { remaining_basis: end.remaining_basis, ..row });
            let rows = rows.collect();
            Ok((asset, rows))
        };
        assets.into_iter().map(row_of).collect()
    }
}

/// A history that is being read for all methods.
struct Run {
    what_if: Windowed,
    reader: FigureReader,
    events: u64,
    /// Where it ends before the ledger does, and what is noted up to there.
    end: Option<PastEnd>,
    noted: Option<Noted>,
    is_over: bool,
}

impl Run {
    fn new(what_if: Windowed, end: Option<PastEnd>) -> Self {
        let (reader, noted) = (FigureReader::default(), end.map(|_| Noted::default()));
        Self { what_if, reader, events: 0, end, noted, is_over: false }
    }

    /// Reads chunks; gives back what is left from the first one on whose figures another version wrote.
    fn read(
        mut self,
        mut chunks: Vec<ChunkFigures>,
    ) -> Result<(Self, Vec<ChunkFigures>), WalletsError> {
        for n in 0..chunks.len() {
            match chunks[n].unpack()? {
                ledgers::Unpacked::Figures(figures) => {
                    if !FigureReader::knows(&figures) {
                        return Ok((self, chunks.split_off(n)));
                    }
                    let what_if = &mut self.what_if;
                    self.reader.read(&figures, |event| what_if.apply(event))?;
                    self.events += u64::from(chunks[n].events);
                }
                // A chunk of a program that wrote no figures.
                ledgers::Unpacked::Lines(text) => self = self.read_text(&text)?,
            }
        }
        Ok((self, Vec::new()))
    }

    /// Reads a chunk by its text.
    fn read_text(mut self, text: &[u8]) -> Result<Self, WalletsError> {
        for line in replay::lines(text)? {
            let row = replay::event(line)?;
            if self.end.is_some_and(|end| end.is_before(&row)) {
                self.is_over = true;
                break;
            }
            if let Some(noted) = &mut self.noted {
                noted.take_up(&row, &self.what_if.window)?;
            }
            if let Some(event) = row.to_event(self.events)? {
                self.what_if.apply(&event)?;
            }
            self.events += 1;
        }
        Ok(self)
    }
}

impl MethodsCompared {
    fn of(compared: &Compared, history: &History) -> Result<Self, WalletsError> {
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
                    other: OtherFigures {
                        unknown_basis_usd: row.other.unknown_basis,
                        uncovered_usd: row.other.uncovered,
                        unpriced_usd: row.other.unpriced,
                        transferred_usd: row.other.transferred,
                        fees_ignored_usd: row.other.fees_ignored,
                        in_transit_usd: row.other.in_transit,
                    },
                })
            })
            .collect::<Result<Vec<_>, WalletsError>>()?;
        let facts = &history.facts.assets;
        let mut tokens = differing(compared)?;
        let differing_tokens = tokens.len() as u64;
        let others = tokens.split_off(tokens.len().min(MOST_TOKENS));
        Ok(Self {
            pin: history.pin,
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

/// The tokens that depend on the method, those with the largest differences of the gain first.
fn differing(compared: &Compared) -> Result<Vec<(AssetId, Vec<TokenMethod>)>, WalletsError> {
    let mut tokens = compared.assets()?;
    // Of equal differences in the order of assets, as they are now.
    tokens.sort_by_key(|(_, rows)| {
        let sizes = rows.iter().map(|row| row.gain_difference.units().unsigned_abs());
        Reverse(sizes.max())
    });
    let of_token = |(asset, rows): (AssetId, Vec<AssetRow>)| {
        (asset, rows.into_iter().map(TokenMethod::of).collect())
    };
    Ok(tokens.into_iter().map(of_token).collect())
}

impl TokenMethod {
    fn of(row: AssetRow) -> Self {
        let OtherOfAsset { unknown_basis, uncovered, unpriced, left } = row.other;
        Self {
            method: row.method,
            realized_gain_usd: row.realized_gain,
            remaining_basis_usd: row.remaining_basis,
            gain_difference_usd: row.gain_difference,
            remaining_difference_usd: row.remaining_difference,
            other_difference_usd: row.other_difference,
            other: OtherOfToken {
                unknown_basis_usd: unknown_basis,
                uncovered_usd: uncovered,
                unpriced_usd: unpriced,
                left_usd: left,
            },
        }
    }

    fn add(&mut self, row: &Self) -> Result<(), AmountError> {
        for (sum, figure) in [
            (&mut self.realized_gain_usd, row.realized_gain_usd),
            (&mut self.remaining_basis_usd, row.remaining_basis_usd),
            (&mut self.gain_difference_usd, row.gain_difference_usd),
            (&mut self.remaining_difference_usd, row.remaining_difference_usd),
            (&mut self.other_difference_usd, row.other_difference_usd),
            (&mut self.other.unknown_basis_usd, row.other.unknown_basis_usd),
            (&mut self.other.uncovered_usd, row.other.uncovered_usd),
            (&mut self.other.unpriced_usd, row.other.unpriced_usd),
            (&mut self.other.left_usd, row.other.left_usd),
        ] {
            *sum = sum.checked_add(figure)?;
        }
        Ok(())
    }
}

/// Sums by method.
fn summed(
    methods: &[MethodFigures],
    tokens: &[(AssetId, Vec<TokenMethod>)],
) -> Result<Vec<TokenMethod>, WalletsError> {
    let nothing = |row: &MethodFigures| TokenMethod {
        method: row.method,
        realized_gain_usd: Usd::ZERO,
        remaining_basis_usd: Usd::ZERO,
        gain_difference_usd: Usd::ZERO,
        remaining_difference_usd: Usd::ZERO,
        other_difference_usd: Usd::ZERO,
        other: OtherOfToken::default(),
    };
    let mut sums: Vec<TokenMethod> = methods.iter().map(nothing).collect();
    for (_, rows) in tokens {
        for (sum, row) in sums.iter_mut().zip(rows) {
            sum.add(row)?;
        }
    }
    Ok(sums)
}
