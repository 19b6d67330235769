//! Counts by time in bounded memory: the last hour by the minute, the last week by the hour.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back somebody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// An hour.
    #[default]
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
}

impl Window {
    /// All of them with their names.
    pub const NAMED: [(&'static str, Self); 3] =
        [("1h", Self::Hour), ("24h", Self::Day), ("7d", Self::Week)];

    /// The name, as in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// One count per minute of the last hour and one per hour of the last week. Times are those since the start of the
/// process.
#[derive(Debug)]
pub struct Windows<T> {
    minutes: Ring<T>,
    hours: Ring<T>,
}

impl<T: Default> Default for Windows<T> {
    fn default() -> Self {
        Self { minutes: Ring::new(MINUTE, 60), hours: Ring::new(HOUR, 7 * 24) }
    }
}

impl<T: Default> Windows<T> {
    /// Counts at `now`.
    pub fn count(&mut self, now: Duration, count: impl Fn(&mut T)) {
        count(self.minutes.at(now));
        count(self.hours.at(now));
    }

    /// What was counted in the window that ends with `now`. It begins with a whole minute or hour.
    pub fn within(&self, window: Window, now: Duration) -> impl Iterator<Item = &T> {
        let (ring, buckets) = self.ring(window);
        ring.last(buckets, now)
    }

    /// What was counted in the last so many minutes, the one under way among them.
    pub fn minutes(&self, minutes: u64, now: Duration) -> impl Iterator<Item = &T> {
        self.minutes.last(minutes, now)
    }

    /// How long ago the window begins; never before the start of the process.
    pub fn age(&self, window: Window, now: Duration) -> Duration {
        let (ring, buckets) = self.ring(window);
        ring.age(buckets, now)
    }

    /// The same of the last so many minutes.
    pub fn age_of_minutes(&self, minutes: u64, now: Duration) -> Duration {
        self.minutes.age(minutes, now)
    }

    const fn ring(&self, window: Window) -> (&Ring<T>, u64) {
        match window {
            Window::Hour => (&self.minutes, 60),
            Window::Day => (&self.hours, 24),
            Window::Week => (&self.hours, 7 * 24),
        }
    }
}

#[derive(Debug)]
struct Ring<T> {
    seconds: u64,
    most: u64,
    /// With their numbers since the start, oldest first; a time without counts has none.
    buckets: VecDeque<(u64, T)>,
}

impl<T: Default> Ring<T> {
    const fn new(seconds: u64, most: u64) -> Self {
        Self { seconds, most, buckets: VecDeque::new() }
    }

    const fn number(&self, now: Duration) -> u64 {
        now.as_secs() / self.seconds
    }

    fn at(&mut self, now: Duration) -> &mut T {
        let newest = self.buckets.back().map_or(0, |(number, _)| *number);
        // Who took the time first need not come first.
        let number = self.number(now).max(newest);
        while self.buckets.front().is_some_and(|(old, _)| old + self.most <= number) {
            self.buckets.pop_front();
        }
        if self.buckets.is_empty() || newest < number {
            self.buckets.push_back((number, T::default()));
        }
        &mut self.buckets.back_mut().expect("one was put there").1
    }

    const fn first(&self, buckets: u64, now: Duration) -> u64 {
        (self.number(now) + 1).saturating_sub(buckets)
    }

    fn last(&self, buckets: u64, now: Duration) -> impl Iterator<Item = &T> {
        let first = self.first(buckets, now);
        self.buckets.iter().filter(move |(number, _)| *number >= first).map(|(_, count)| count)
    }

    fn age(&self, buckets: u64, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_secs(self.first(buckets, now) * self.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sum(windows: &Windows<u64>, window: Window, now: u64) -> u64 {
        windows.within(window, at(now)).sum()
    }

    #[test]
    fn what_is_older_than_a_window_is_not_in_it_and_takes_no_memory() {
        let mut windows = Windows::<u64>::default();
        let week = 7 * 24 * HOUR;
        for minute in 0..2 * week / MINUTE {
            windows.count(at(minute * MINUTE), |count| *count += 1);
        }
        let now = 2 * week - 1;
        assert_eq!((windows.minutes.buckets.len(), windows.hours.buckets.len()), (60, 168));
        for (window, minutes) in [(Window::Hour, 60), (Window::Day, 1440), (Window::Week, 10_080)] {
            assert_eq!(sum(&windows, window, now), minutes, "{window:?}");
            assert_eq!(windows.age(window, at(now)), at(minutes * MINUTE - 1), "{window:?}");
        }
        assert_eq!(windows.minutes(5, at(now)).sum::<u64>(), 5);
        // Silence empties them as well.
        assert_eq!(sum(&windows, Window::Hour, now + HOUR), 0);
        assert_eq!(sum(&windows, Window::Week, now + 2 * week), 0);
    }

    #[test]
    fn a_young_process_has_counted_all_it_ever_did_and_late_comers_count() {
        let mut windows = Windows::<u64>::default();
        for second in [0, 61, 59] {
            windows.count(at(second), |count| *count += 1);
        }
        for (_, window) in Window::NAMED {
            assert_eq!((sum(&windows, window, 61), windows.age(window, at(61))), (3, at(61)));
        }
        assert_eq!(windows.age_of_minutes(1, at(61)), at(1));
    }
}
