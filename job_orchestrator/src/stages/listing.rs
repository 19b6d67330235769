//! Listing one address: which page to ask for next, and when the list is complete.
//!
//! A list comes newest first in pages. A *pass* walks from the newest transaction (its *head*) down
//! to what an earlier pass covered. Every page is stored together with the place of the pass, so
//! that a later attempt, or another wallet that shares the address, goes on behind it:
//!
//! - an open pass is walked down first; then what is newer than its head is listed from the top;
//! - an address that is covered up to the snapshot is not asked at all;
//! - with a bound, a walk ends as soon as more transactions than that are known.
//!
//! A node may not know the place behind which a list goes on: it keeps less than the one that gave
//! it, or is of another chain. Then that walk begins again at the newest end, once, and must come
//! over the row it had been at: a list without that row is not the list that was begun, and its end
//! is none.
//!
//! Pure: asking and storing is done by [`super::lists`].

use chain_client::source::SIGNATURE_PAGE_LIMIT;
use chain_client::{PageStart, SignatureInfo};
use persistence_layer::chain_data::{AddressScan, ScanPass, ScanProgress};
use pnl_core::TxId;

/// One page to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Where it goes on; `None` at the top.
    pub from: Option<PageStart>,
    /// Only newer than this.
    pub until: Option<TxId>,
}

/// What the list is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingGoal {
    /// Slot of the pin: newer transactions do not count against the bound.
    pub pin_slot: u64,
    /// Slot up to which the list must be complete: that of the wallet's snapshot.
    pub node_slot: u64,
    /// A walk ends once more than so many transactions up to the pin are known.
    pub bound: usize,
}

/// Where the listing of one address stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    goal: ListingGoal,
    covered_until: Option<TxId>,
    covered_slot: u64,
    pass: Option<Pass>,
    /// Transactions up to the pin that the open pass has walked over.
    walked: usize,
    top: Top,
    /// What the request in flight is for.
    asking: Asking,
    /// Whether a place was refused already.
    began_again: bool,
}

/// A pass under way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pass {
    head: TxId,
    /// Its oldest row: that of the walk, unless the walk is still looking for it.
    before: TxId,
    walk: Walk,
}

impl Pass {
    fn at(head: TxId, before: Option<TxId>, walk: Walk) -> Option<Self> {
        let place = walk.place.as_ref().map(|place| &place.first);
        let before = walk.sought.as_ref().or(place).cloned().or(before)?;
        Some(Self { head, before, walk })
    }
}

/// A walk from the newest end of the list downwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Walk {
    /// Where it goes on; `None` at the newest end.
    place: Option<PageStart>,
    /// A row of the list that an earlier walk has seen, and this one has not come over yet.
    sought: Option<TxId>,
}

impl Walk {
    /// Behind `page`; `None` when that was the last one.
    fn behind(self, page: &[SignatureInfo]) -> Result<Option<Self>, RowGone> {
        let sought = self.sought.filter(|sought| !page.iter().any(|row| row.tx_id == *sought));
        match (page, sought) {
            ([.., above, first], sought) if page.len() >= SIGNATURE_PAGE_LIMIT => {
                let place = PageStart { above: above.tx_id.clone(), first: first.tx_id.clone() };
                Ok(Some(Self { place: Some(place), sought }))
            }
            (_, Some(sought)) => Err(RowGone(sought)),
            (_, None) => Ok(None),
        }
    }

    /// At the newest end again, looking for the place it was at. False when it is there.
    fn begin_again(&mut self) -> bool {
        let Some(place) = self.place.take() else { return false };
        self.sought.get_or_insert(place.first);
        true
    }
}

/// A list has come to its end without a row that was in it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGone(pub TxId);

/// The newest end of the list, above everything known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Top {
    /// Not looked at since the snapshot. `seen` is what the walk has come over.
    Open { walk: Walk, seen: usize },
    /// Known to the snapshot.
    Known,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Down,
    Top,
}

impl ListingGoal {
    /// Whether the list is known as far as it is needed, so that nothing needs to be asked.
    pub fn is_met(&self, scan: &AddressScan) -> bool {
        // Slot 0 is the genesis block: covering "up to 0" and covering nothing are the same.
        scan.pass.is_none() && scan.covered_slot > 0 && scan.covered_slot >= self.node_slot
    }
}

impl Listing {
    /// Begins from what is stored. Of an open pass, `walked` counts the stored transactions up to the
    /// pin that it has walked over, and `above` is the row above its place.
    pub fn new(
        goal: ListingGoal,
        scan: Option<AddressScan>,
        walked: usize,
        above: Option<TxId>,
    ) -> Self {
        let known = scan.as_ref().is_some_and(|scan| goal.is_met(scan));
        let (covered_until, covered_slot, pass) = match scan {
            Some(scan) => (scan.covered_until, scan.covered_slot, scan.pass),
            None => (None, 0, None),
        };
        // Without the row above, the place cannot be asked for: the walk begins again.
        let is_known = above.is_some();
        let pass = pass.map(|ScanPass { head, before }| {
            let place = above.map(|above| PageStart { above, first: before.clone() });
            let sought = (!is_known).then(|| before.clone());
            Pass { head, before, walk: Walk { place, sought } }
        });
        let walked = if is_known { walked } else { 0 };
        let top = if known { Top::Known } else { Top::Open { walk: Walk::default(), seen: 0 } };
        let (asking, began_again) = (Asking::Top, false);
        Self { goal, covered_until, covered_slot, pass, walked, top, asking, began_again }
    }

    /// The next page to ask for; `None` when the list is as complete as it is needed.
    pub fn next_request(&mut self) -> Option<PageRequest> {
        if let Some(pass) = &self.pass
            && self.walked <= self.goal.bound
        {
            self.asking = Asking::Down;
            let from = pass.walk.place.clone();
            return Some(PageRequest { from, until: self.covered_until.clone() });
        }
        let Top::Open { walk, .. } = &self.top else { return None };
        self.asking = Asking::Top;
        let newest = self.pass.as_ref().map(|pass| &pass.head);
        let until = newest.or(self.covered_until.as_ref()).cloned();
        Some(PageRequest { from: walk.place.clone(), until })
    }

    /// Notes that the place of the last request was refused: its walk begins again at the newest end.
    /// False when a walk has done so before, or was there.
    pub fn begin_again(&mut self) -> bool {
        let (walk, walked) = match (self.asking, &mut self.pass, &mut self.top) {
            (Asking::Down, Some(pass), _) => (&mut pass.walk, &mut self.walked),
            (Asking::Top, _, Top::Open { walk, seen }) => (walk, seen),
            _ => return false,
        };
        if std::mem::replace(&mut self.began_again, true) || !walk.begin_again() {
            return false;
        }
        *walked = 0;
        true
    }

    /// Takes the answer to the last request. Returns what is to be stored with the page.
    ///
    /// # Errors
    /// When the list ends without a row that it must have; nothing is to be stored then.
    pub fn take(&mut self, page: &[SignatureInfo]) -> Result<ScanProgress, RowGone> {
        let goes_on = match (self.asking, &self.pass, &self.top) {
            (Asking::Down, Some(Pass { walk, .. }), _)
            | (Asking::Top, _, Top::Open { walk, .. }) => walk.place.is_some(),
            _ => false,
        };
        // The row that it begins with was counted with the page before.
        let new = &page[usize::from(goes_on).min(page.len())..];
        let counted = new.iter().filter(|row| row.slot <= self.goal.pin_slot).count();
        match (self.asking, self.pass.take()) {
            (Asking::Down, Some(Pass { head, before, walk })) => {
                self.walked += counted;
                match walk.behind(page)? {
                    Some(walk) => self.pass = Pass::at(head, Some(before), walk),
                    None => self.finish(Some(head)),
                }
            }
            (Asking::Top, Some(open)) => {
                self.take_top(page, counted)?;
                self.pass = Some(open);
            }
            (_, None) => {
                // A new pass. It began after the snapshot, so its end covers the snapshot.
                self.top = Top::Known;
                self.walked = counted;
                let head = page.first().map(|row| row.tx_id.clone());
                match (Walk::default().behind(page)?, head) {
                    (Some(walk), Some(head)) => self.pass = Pass::at(head, None, walk),
                    (_, head) => self.finish(head),
                }
            }
        }
        Ok(self.progress())
    }

    /// A page above an open pass. The pass keeps its head and its place: the store lists one pass
    /// at a time. A walk from the top that is interrupted begins again; its rows stay.
    fn take_top(&mut self, page: &[SignatureInfo], counted: usize) -> Result<(), RowGone> {
        let Top::Open { walk, seen } = std::mem::replace(&mut self.top, Top::Known) else {
            return Ok(());
        };
        let seen = seen + counted;
        match walk.behind(page)? {
            Some(walk) if seen <= self.goal.bound => self.top = Top::Open { walk, seen },
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, head: Option<TxId>) {
        self.covered_until = head.or(self.covered_until.take());
        if self.top == Top::Known {
            self.covered_slot = self.covered_slot.max(self.goal.node_slot);
        }
    }

    fn progress(&self) -> ScanProgress {
        match &self.pass {
            Some(pass) => {
                ScanProgress::More { head: pass.head.clone(), before: pass.before.clone() }
            }
            None => ScanProgress::Finished {
                covered_until: self.covered_until.clone(),
                covered_slot: self.covered_slot,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address whose transactions have the slots 1..=n; the id of a transaction is its slot.
    struct Node(u64);

    fn id(slot: u64) -> TxId {
        TxId::new(&slot.to_string())
    }

    impl Node {
        fn page(&self, request: &PageRequest) -> Vec<SignatureInfo> {
            let slot = |id: &TxId| id.as_str().parse::<u64>().unwrap();
            let top = request.from.as_ref().map_or(self.0, |from| slot(&from.above) - 1);
            let bottom = request.until.as_ref().map_or(1, |until| slot(until) + 1);
            (bottom..=top)
                .rev()
                .take(SIGNATURE_PAGE_LIMIT)
                .map(|slot| SignatureInfo {
                    tx_id: id(slot),
                    slot,
                    block_time: None,
                    failed: false,
                })
                .collect()
        }
    }

    const ALL: usize = usize::MAX;

    fn goal(node_slot: u64, bound: usize) -> ListingGoal {
        ListingGoal { pin_slot: node_slot, node_slot, bound }
    }

    /// Runs a listing for at most `calls` calls; gives the pages' sizes and what is stored last.
    fn run(listing: &mut Listing, node: &Node, calls: usize) -> (Vec<usize>, Option<ScanProgress>) {
        let (mut sizes, mut stored) = (Vec::new(), None);
        while sizes.len() < calls {
            let Some(request) = listing.next_request() else { break };
            let page = node.page(&request);
            sizes.push(page.len());
            stored = Some(listing.take(&page).unwrap());
        }
        (sizes, stored)
    }

    fn stored(progress: Option<ScanProgress>, before: Option<&AddressScan>) -> AddressScan {
        match progress.expect("something was stored") {
            ScanProgress::Finished { covered_until, covered_slot } => {
                AddressScan { covered_until, covered_slot, pass: None }
            }
            ScanProgress::More { head, before: place } => AddressScan {
                covered_until: before.and_then(|scan| scan.covered_until.clone()),
                covered_slot: before.map_or(0, |scan| scan.covered_slot),
                pass: Some(ScanPass { head, before: place }),
            },
        }
    }

    fn finished(newest: u64, slot: u64) -> Option<ScanProgress> {
        let covered_until = (newest > 0).then(|| id(newest));
        Some(ScanProgress::Finished { covered_until, covered_slot: slot })
    }

    #[test]
    fn a_fresh_address_takes_one_call_per_full_page_and_one_more() {
        for (count, expected) in
            [(0, vec![0]), (999, vec![999]), (1000, vec![1000, 1]), (2500, vec![1000, 1000, 502])]
        {
            let mut listing = Listing::new(goal(9000, ALL), None, 0, None);
            let (sizes, progress) = run(&mut listing, &Node(count), 99);
            assert_eq!(sizes, expected, "{count} transactions");
            assert_eq!(progress, finished(count, 9000));
        }
    }

    #[test]
    fn a_covered_address_is_not_asked_and_an_older_cover_is_topped_up() {
        let scan = AddressScan { covered_until: Some(id(700)), covered_slot: 800, pass: None };
        let mut covered = Listing::new(goal(800, ALL), Some(scan.clone()), 0, None);
        assert_eq!(covered.next_request(), None);

        let mut older = Listing::new(goal(950, ALL), Some(scan), 0, None);
        let request = older.next_request().unwrap();
        assert_eq!(request, PageRequest { from: None, until: Some(id(700)) });
        let page = Node(940).page(&request);
        assert_eq!(page.len(), 240);
        assert_eq!(older.take(&page).ok(), finished(940, 950));
        assert_eq!(older.next_request(), None);
    }

    #[test]
    fn an_empty_address_is_covered_too() {
        let mut listing = Listing::new(goal(800, ALL), None, 0, None);
        let (_, progress) = run(&mut listing, &Node(0), 99);
        let scan = stored(progress, None);
        assert_eq!(Listing::new(goal(800, ALL), Some(scan), 0, None).next_request(), None);
    }

    #[test]
    fn an_interrupted_pass_goes_on_where_it_stopped_and_then_looks_for_newer_ones() {
        let mut first = Listing::new(goal(3000, ALL), None, 0, None);
        let (sizes, progress) = run(&mut first, &Node(2500), 2);
        assert_eq!(sizes, [1000, 1000]);
        let scan = stored(progress, None);
        // Three transactions later another attempt goes on, or begins anew without the row above.
        for (above, expected) in
            [(Some(id(503)), [502, 3].as_slice()), (None, &[1000, 1000, 505, 3])]
        {
            let mut second = Listing::new(goal(3000, ALL), Some(scan.clone()), 1999, above);
            let (sizes, progress) = run(&mut second, &Node(2503), 99);
            assert_eq!(sizes, expected);
            assert_eq!(progress, finished(2503, 3000));
        }
    }

    #[test]
    fn a_refused_place_is_looked_for_from_the_newest_end_once() {
        let (_, progress) = run(&mut Listing::new(goal(3000, ALL), None, 0, None), &Node(2500), 2);
        let scan = stored(progress.clone(), None);
        let begun = || {
            let mut listing =
                Listing::new(goal(3000, ALL), Some(scan.clone()), 1999, Some(id(503)));
            assert!(listing.next_request().unwrap().from.is_some());
            assert!(listing.begin_again());
            listing
        };
        let mut again = begun();
        let (sizes, stored) = run(&mut again, &Node(2503), 1);
        assert_eq!((sizes.as_slice(), stored), (&[1000][..], progress), "the pass keeps its place");
        assert!(again.next_request().unwrap().from.is_some());
        let (sizes, progress) = run(&mut again, &Node(2503), 99);
        assert_eq!((sizes.as_slice(), progress), (&[1000, 505, 3][..], finished(2503, 3000)));

        // A list that ends without the place is another one; so is one that refuses a place again.
        let mut other = begun();
        let request = other.next_request().unwrap();
        let short: Vec<SignatureInfo> = Node(2500).page(&request).drain(..700).collect();
        assert_eq!(other.take(&short), Err(RowGone(id(502))));
        let mut refused = begun();
        run(&mut refused, &Node(2503), 1);
        refused.next_request();
        assert!(!refused.begin_again());
    }

    #[test]
    fn a_refused_place_above_an_open_pass_is_looked_for_too() {
        let (_, progress) =
            run(&mut Listing::new(goal(5000, 1500), None, 0, None), &Node(5000), 99);
        let scan = stored(progress.clone(), None);
        let begun = || {
            let mut later =
                Listing::new(goal(9000, 1500), Some(scan.clone()), 1999, Some(id(3003)));
            run(&mut later, &Node(6200), 1);
            assert!(later.next_request().unwrap().from.is_some() && later.begin_again());
            later
        };
        let (sizes, again) = run(&mut begun(), &Node(6200), 99);
        assert_eq!((sizes.as_slice(), again), (&[1000, 201][..], progress));
        let mut other = begun();
        other.next_request();
        assert_eq!(other.take(&[]), Err(RowGone(id(5201))));
        // At the newest end there is nothing to refuse.
        let mut fresh = Listing::new(goal(5000, ALL), None, 0, None);
        fresh.next_request();
        assert!(!fresh.begin_again());
    }

    #[test]
    fn a_bound_ends_the_walk_one_page_after_it_is_passed() {
        for (bound, expected) in [(100, vec![1000]), (999, vec![1000]), (1000, vec![1000, 1000])] {
            let mut listing = Listing::new(goal(9000, bound), None, 0, None);
            let (sizes, progress) = run(&mut listing, &Node(5000), 99);
            assert_eq!(sizes, expected, "bound {bound}");
            assert!(matches!(progress, Some(ScanProgress::More { .. })));
        }
    }

    #[test]
    fn transactions_after_the_pin_do_not_count_against_the_bound() {
        let goal = ListingGoal { pin_slot: 4000, node_slot: 5000, bound: 100 };
        let (sizes, _) = run(&mut Listing::new(goal, None, 0, None), &Node(5000), 99);
        assert_eq!(sizes, [1000, 1000]);
    }

    #[test]
    fn a_bounded_address_is_topped_up_without_walking_again() {
        let (_, progress) =
            run(&mut Listing::new(goal(5000, 1500), None, 0, None), &Node(5000), 99);
        for (now, expected) in [(5040, vec![40]), (6200, vec![1000, 201]), (9000, vec![1000, 1000])]
        {
            let scan = stored(progress.clone(), None);
            let mut later = Listing::new(goal(9000, 1500), Some(scan), 1999, Some(id(3003)));
            let (sizes, again) = run(&mut later, &Node(now), 99);
            assert_eq!(sizes, expected, "{now} transactions by now");
            assert_eq!(again, progress, "the pass keeps its place");
        }
    }

    #[test]
    fn the_bound_of_one_request_does_not_cut_the_next() {
        let (_, progress) = run(&mut Listing::new(goal(5000, 100), None, 0, None), &Node(2500), 99);
        let scan = Some(stored(progress, None));
        let mut whole = Listing::new(goal(5000, ALL), scan, 1000, Some(id(1502)));
        let (sizes, progress) = run(&mut whole, &Node(2500), 99);
        assert_eq!(sizes, [1000, 502, 0], "the last call looks for newer ones");
        assert_eq!(progress, finished(2500, 5000));
    }
}
