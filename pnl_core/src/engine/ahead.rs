//! Many events at a time: what they will touch is looked at first.
//!
//! With many assets each event finds its asset, its book and its lots far away in memory, and would wait for
//! one after the other. Reads that do not depend on each other wait together.

use super::{Engine, EngineError};
use crate::event::{Event, EventKind};

/// Events looked at ahead: what they touch stays in the first cache meanwhile.
const AHEAD: usize = 32;

/// With fewer assets all of them stay near by themselves.
const MANY_ASSETS: usize = 256;

impl Engine {
    /// Reads events as [`Engine::apply`] does one by one, but faster where there are many assets.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    pub fn apply_all(&mut self, events: &[Event]) -> Result<(), EngineError> {
        for events in events.chunks(AHEAD) {
            if self.books.assets().len() >= MANY_ASSETS {
                self.look_at(events);
            }
            events.iter().try_for_each(|event| self.apply(event))?;
        }
        Ok(())
    }

    fn look_at(&self, events: &[Event]) {
        let assets = events.iter().flat_map(|event| {
            let (first, second) = match &event.kind {
                EventKind::Acquire(leg)
                | EventKind::Dispose(leg)
                | EventKind::Income(leg)
                | EventKind::Fee(leg)
                | EventKind::TransferIn { leg, .. }
                | EventKind::TransferOut { leg, .. } => (leg, None),
                EventKind::Swap { out, into, .. } => (out, Some(into)),
            };
            std::iter::once(&first.asset).chain(second.map(|leg| &leg.asset))
        });
        // Lots are found by what is read first.
        let sums = assets.clone().map(|asset| self.books.look_at_sums(asset));
        let lots = assets.map(|asset| self.books.look_at_lots(asset));
        std::hint::black_box(sums.chain(lots).fold(0, u64::wrapping_add));
    }
}
