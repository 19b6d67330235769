//! The events of a history by number: what lots and records refer to.

use std::sync::Arc;

use super::error::Fault;
use super::rows;
use super::survivors::Survivors;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub(super) id: &'a str,
    /// Unix seconds.
    pub(super) ts: i64,
}

/// Events by number.
///
/// Those since records were last taken stand by themselves; earlier ones in chapters, which an engine has in
/// common with the records that it handed out. So taking records costs nothing for the events before.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    /// By number, the lowest first, without gaps.
    chapters: Vec<Chapter>,
    /// Number of the first of `open`.
    first_open: u32,
    open: Run,
}

/// Events of a run that is over.
#[derive(Debug, Clone)]
struct Chapter {
    /// Number of its first one.
    first: u32,
    events: Arc<Run>,
}

/// Events that follow each other, with their ids in one text.
#[derive(Debug, Clone, Default)]
struct Run {
    rows: Vec<Row>,
    ids: String,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    ts: i64,
    /// Where its id ends, and the next one begins.
    end: usize,
}

impl Run {
    #[inline(always)]
    fn push(&mut self, id: &str, ts: i64) {
        self.ids.push_str(id);
        self.rows.push(Row { ts, end: self.ids.len() });
    }

    #[inline]
    fn get(&self, place: usize) -> Origin<'_> {
        let Row { ts, end } = self.rows[place];
        Origin { id: &self.ids[self.begin_of(place)..end], ts }
    }

    /// Where the id of an event begins.
    #[inline(always)]
    fn begin_of(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.rows[before].end)
    }

    fn iter(&self) -> impl Iterator<Item = Origin<'_>> {
        (0..self.rows.len()).map(|place| self.get(place))
    }

    /// Without events, with room for as many as there are here.
    fn as_large(&self) -> Self {
        Self {
            rows: Vec::with_capacity(self.rows.len()),
            ids: String::with_capacity(self.ids.len()),
        }
    }
}

impl Origins {
    /// Makes room for so many more events.
    pub(super) fn reserve(&mut self, events: usize) {
        self.open.rows.reserve(events);
    }

    /// Adds the next event and gives its number.
    #[inline(always)]
    pub(super) fn push(&mut self, id: &str, ts: i64) -> Result<u32, Fault> {
        let number = rows::index(self.len())?;
        self.open.push(id, ts);
        Ok(number)
    }

    /// Gives the number of the next event, of which nobody will ask for more.
    #[inline(always)]
    pub(super) fn count(&mut self) -> Result<u32, Fault> {
        let number = rows::index(self.len())?;
        self.first_open = number + 1;
        Ok(number)
    }

    /// The event of a number that was given.
    #[inline]
    pub(super) fn get(&self, number: u32) -> Origin<'_> {
        let (run, place) = self.run_of(number);
        run.get(place)
    }

    /// Where the event of a number stands.
    #[inline(always)]
    fn run_of(&self, number: u32) -> (&Run, usize) {
        if number >= self.first_open {
            return (&self.open, (number - self.first_open) as usize);
        }
        let behind = self.chapters.partition_point(|chapter| chapter.first <= number);
        let chapter = &self.chapters[behind - 1];
        (&chapter.events, (number - chapter.first) as usize)
    }

    /// How many there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.first_open as usize + self.open.rows.len()
    }

    /// Number of the first event since records were last taken.
    pub(super) fn first_open(&self) -> u32 {
        self.first_open
    }

    /// All of them, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = Origin<'_>> {
        let earlier = self.chapters.iter().flat_map(|chapter| chapter.events.iter());
        earlier.chain(self.open.iter())
    }

    /// Hands out the events with all before them; those to come get the numbers behind.
    pub(super) fn share(&mut self) -> Self {
        if !self.open.rows.is_empty() {
            let room = self.open.as_large();
            let events = Arc::new(std::mem::replace(&mut self.open, room));
            let first = self.first_open;
            self.first_open += events.rows.len() as u32;
            self.chapters.push(Chapter { first, events });
        }
        let (chapters, first_open) = (self.chapters.clone(), self.first_open);
        Self { chapters, first_open, open: Run::default() }
    }

    /// Lets go of the events before those since records were last taken, but for the survivors.
    pub(super) fn keep(&mut self, survivors: &Survivors) {
        let mut kept = Run { rows: Vec::with_capacity(survivors.kept()), ids: String::default() };
        for Chapter { first, events } in std::mem::take(&mut self.chapters) {
            for number in survivors.between(first, first + events.rows.len() as u32) {
                let event = events.get((number - first) as usize);
                kept.push(event.id, event.ts);
            }
        }
        self.first_open = kept.rows.len() as u32;
        self.chapters.push(Chapter { first: 0, events: Arc::new(kept) });
    }

    /// Takes over the memory of others.
    pub(super) fn reuse(&mut self, spent: Self) {
        let Run { rows, mut ids } = spent.open;
        rows::take_over(&mut self.open.rows, rows);
        if ids.capacity() > self.open.ids.capacity() {
            ids.clear();
            ids.push_str(&self.open.ids);
            self.open.ids = ids;
        }
    }
}

impl<'a> FromIterator<Origin<'a>> for Origins {
    fn from_iter<T: IntoIterator<Item = Origin<'a>>>(events: T) -> Self {
        let mut open = Run::default();
        events.into_iter().for_each(|event| open.push(event.id, event.ts));
        Self { chapters: Vec::new(), first_open: 0, open }
    }
}

impl PartialEq for Origins {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Origins {}
