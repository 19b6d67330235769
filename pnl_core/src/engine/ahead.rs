//! Many events at a time: what they will touch is asked for before.
//!
//! With many assets each event finds its asset, its book and its lots far away in memory, and would wait for
//! one after the other. Asked for some events ahead, they come while those before are worked on.

use super::{Engine, EngineError};
use crate::asset::AssetId;
use crate::event::{Event, EventKind};
use crate::near::Way;

/// So many events before it is needed each thing is asked for that another one names: the lots, before them
/// the book, before it the asset.
const AHEAD: usize = 2;

/// With fewer assets all of them stay near by themselves.
const MANY_ASSETS: usize = 256;

impl Engine {
    /// Reads events as [`Engine::apply`] does one by one, but faster where there are many assets.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    pub fn apply_all(&mut self, events: &[Event]) -> Result<(), EngineError> {
        for (place, event) in events.iter().enumerate() {
            if self.books.assets().len() >= MANY_ASSETS {
                self.fetch_for(&events[place..]);
            }
            self.apply(event)?;
        }
        Ok(())
    }

    /// Has brought near what events soon to come will touch.
    #[inline(always)]
    fn fetch_for(&self, events: &[Event]) {
        if let Some(event) = events.get(3 * AHEAD) {
            each_leg(event, |asset, way| self.books.fetch_asset(asset, way));
        }
        if let Some(event) = events.get(2 * AHEAD) {
            each_leg(event, |asset, _| self.books.fetch_book(asset));
        }
        if let Some(event) = events.get(AHEAD) {
            each_leg(event, |asset, way| self.books.fetch_lots(asset, way));
        }
    }
}

/// Hands over the assets of an event's own legs.
#[inline(always)]
fn each_leg(event: &Event, mut each: impl FnMut(&AssetId, Way)) {
    match &event.kind {
        EventKind::Acquire(leg) | EventKind::Income(leg) | EventKind::TransferIn { leg, .. } => {
            each(&leg.asset, Way::In);
        }
        EventKind::Dispose(leg) | EventKind::Fee(leg) | EventKind::TransferOut { leg, .. } => {
            each(&leg.asset, Way::Out);
        }
        EventKind::Swap { out, into, .. } => {
            each(&out.asset, Way::Out);
            each(&into.asset, Way::In);
        }
    }
}
