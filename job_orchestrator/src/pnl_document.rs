//! A wallet's result with the records behind it, as one JSON object that is written piece by piece:
//! the records of a long history are more text than should be in memory at once.

use pnl_core::report::{ReportInput, WalletPnl};
use serde::Serialize;

use crate::compute::compute;
use crate::wallets::{Ended, Include, WalletsError};

/// Records in one piece.
const PIECE: usize = 500;

/// The document on its way out.
pub(crate) struct PnlDocument {
    ended: Ended,
    include: Include,
    /// The result where it is written already, open at its end.
    opening: Option<String>,
    /// What comes behind the records, with its leading comma.
    closing: String,
    next: Part,
}

enum Part {
    Head,
    Lots(usize),
    Disposals(usize),
    Closing,
    Done,
}

impl PnlDocument {
    /// A document that ends with the members `closing`, a JSON object.
    pub fn new(ended: Ended, include: Include, closing: &serde_json::Value) -> Self {
        let closing = closing.to_string().replacen('{', ",", 1);
        Self { ended, include, opening: None, closing, next: Part::Head }
    }

    /// The records alone, between two texts.
    pub fn around(ended: Ended, include: Include, opening: String, closing: String) -> Self {
        Self { ended, include, opening: Some(opening), closing, next: Part::Head }
    }

    fn input(&self) -> ReportInput<'_> {
        self.ended.input()
    }

    /// The next piece, for `try_unfold`.
    ///
    /// # Errors
    /// Only in the first piece.
    pub async fn piece(mut self) -> Result<Option<(String, Self)>, WalletsError> {
        compute(move || {
            let (piece, next) = match self.next {
                Part::Head => (self.head()?, self.behind_head()),
                Part::Lots(from) => {
                    let (piece, more) = records(",\"lots\":[", from, self.input().lots())?;
                    (piece, more.map_or_else(|| self.behind_lots(), Part::Lots))
                }
                Part::Disposals(from) => {
                    let (piece, more) =
                        records(",\"disposals\":[", from, self.input().disposals())?;
                    (piece, more.map_or(Part::Closing, Part::Disposals))
                }
                Part::Closing => (std::mem::take(&mut self.closing), Part::Done),
                Part::Done => return Ok(None),
            };
            self.next = next;
            Ok(Some((piece, self)))
        })
        .await
    }

    /// The result itself, open at its end.
    fn head(&mut self) -> Result<String, WalletsError> {
        if let Some(opening) = self.opening.take() {
            return Ok(opening);
        }
        let mut text = json(&WalletPnl::build(self.input())?)?;
        text.pop();
        Ok(text)
    }

    fn behind_head(&self) -> Part {
        if self.include.lots { Part::Lots(0) } else { self.behind_lots() }
    }

    fn behind_lots(&self) -> Part {
        if self.include.disposals { Part::Disposals(0) } else { Part::Closing }
    }
}

/// Some records of a list from number `from` on, with what opens and closes the list; and where it
/// goes on.
fn records<T: Serialize>(
    opening: &str,
    from: usize,
    all: impl Iterator<Item = T>,
) -> Result<(String, Option<usize>), WalletsError> {
    let mut text = if from == 0 { opening.to_owned() } else { String::new() };
    let mut all = all.skip(from).peekable();
    let mut place = from;
    while let Some(record) = all.next_if(|_| place < from + PIECE) {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&json(&record)?);
        place += 1;
    }
    if all.peek().is_some() {
        return Ok((text, Some(place)));
    }
    text.push(']');
    Ok((text, None))
}

fn json(value: &impl Serialize) -> Result<String, WalletsError> {
    serde_json::to_string(value).map_err(|error| WalletsError::Corrupt(error.to_string()))
}
