//! What a fault did, in numbers and sentences.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The count of one kind over all its rounds.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Faults that were injected.
    pub injected: u64,
    /// Of those the ones after which the service went on as it promises, in a round that was clean
    /// otherwise.
    pub survived: u64,
    /// Wallets that were compared with the undisturbed run.
    pub wallets: u64,
    /// Wallets without an end, or failed where nothing may fail.
    pub lost: u64,
    /// Wallets with a second result or a second attempt that ended well.
    pub doubled: u64,
    /// Wallets whose result has other bytes than in the undisturbed run.
    pub differing: u64,
    /// Wallets that failed, by the code that says why, where a fault may do that.
    pub failed: BTreeMap<String, u64>,
    /// Attempts that were charged to wallets.
    pub attempts_cost: u64,
    /// Times from a process's death to the moment when another one had its wallets.
    pub takeovers: Vec<Duration>,
    /// What is not as promised, one sentence each.
    pub violations: Vec<String>,
    /// Why the kind could not be run here.
    pub skipped: Option<String>,
    /// Faults after which a promise was not kept at once.
    pub broken: u64,
}

impl Tally {
    /// A kind that cannot be run on this machine.
    pub fn skipped(why: &str) -> Self {
        Self { skipped: Some(why.to_owned()), ..Self::default() }
    }

    /// Notes something that is not as promised.
    pub fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// Notes a promise that was not kept.
    pub fn promise(&mut self, kept: anyhow::Result<()>) {
        if let Err(error) = kept {
            self.violation(format!("{error:#}"));
        }
    }

    /// Counts a fault; when `promise` did not hold after it, its sentence is noted.
    pub fn fault(&mut self, promise: anyhow::Result<()>) {
        self.injected += 1;
        self.broken += u64::from(promise.is_err());
        self.promise(promise);
    }

    /// Ends a round: fewer than `least` faults are a violation, since a round that disturbed nothing
    /// shows nothing; and faults count as survived when nothing else was wrong with the round.
    pub fn close(&mut self, least: u64) {
        if self.skipped.is_some() {
            return;
        }
        let only_broken = self.violations.len() as u64 == self.broken;
        if only_broken && self.lost + self.doubled + self.differing == 0 {
            self.survived = self.injected - self.broken;
        }
        if self.injected < least {
            self.violation(format!(
                "only {} faults came about, and {least} are needed: the batch ended too early",
                self.injected
            ));
        }
    }

    /// Whether everything is as promised.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.differing == 0 && self.violations.is_empty()
    }

    /// Adds another round.
    pub fn add(&mut self, other: Self) {
        self.injected += other.injected;
        self.survived += other.survived;
        self.wallets += other.wallets;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.differing += other.differing;
        for (code, wallets) in other.failed {
            *self.failed.entry(code).or_default() += wallets;
        }
        self.attempts_cost += other.attempts_cost;
        self.takeovers.extend(other.takeovers);
        self.violations.extend(other.violations);
        self.broken += other.broken;
        self.skipped = self.skipped.take().or(other.skipped);
    }

    /// The headings over the lines of all kinds.
    pub fn heading() -> String {
        format!(
            "{:<22}{:>9}{:>10}{:>9}{:>6}{:>9}{:>11}  notes",
            "fault", "injected", "survived", "wallets", "lost", "doubled", "differing"
        )
    }

    /// The line of this kind.
    pub fn line(&self, name: &str) -> String {
        if let Some(why) = &self.skipped {
            return format!("{name:<22}not run: {why}");
        }
        let Self { injected, survived, wallets, lost, doubled, differing, .. } = self;
        format!(
            "{name:<22}{injected:>9}{survived:>10}{wallets:>9}{lost:>6}{doubled:>9}{differing:>11}  {}",
            Notes(self)
        )
        .trim_end()
        .to_owned()
    }
}

struct Notes<'a>(&'a Tally);

impl fmt::Display for Notes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Vec::new();
        if !self.0.takeovers.is_empty() {
            let mut sorted = self.0.takeovers.clone();
            sorted.sort();
            let seconds = |place: usize| {
                let millis = sorted[place].as_millis();
                format!("{}.{}", millis / 1000, millis % 1000 / 100)
            };
            notes.push(format!(
                "takeover median {} s, longest {} s of {}",
                seconds(sorted.len() / 2),
                seconds(sorted.len() - 1),
                sorted.len()
            ));
        }
        notes.push(format!("attempts cost {}", self.0.attempts_cost));
        notes.extend(self.0.failed.iter().map(|(code, n)| format!("{n} failed {code}")));
        f.write_str(&notes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_numbers_and_rounds_add_up() {
        let mut tally = Tally { wallets: 5, ..Tally::default() };
        tally.fault(Ok(()));
        tally.close(1);
        assert!(tally.is_clean());
        let mut second = Tally { attempts_cost: 1, ..Tally::default() };
        second.takeovers = vec![Duration::from_millis(1_250), Duration::from_millis(3_100)];
        second.failed.insert("provider-error".to_owned(), 4);
        second.fault(Err(anyhow::anyhow!("it stays down")));
        second.fault(Ok(()));
        second.close(1);
        tally.add(second);
        assert_eq!((tally.injected, tally.survived), (3, 2));
        assert!(!tally.is_clean() && tally.violations == ["it stays down"]);
        let line = tally.line("kill");
        for part in ["kill", "longest 3.1 s of 2", "4 failed provider-error", "attempts cost 1"] {
            assert!(line.contains(part), "{line}");
        }
        let skipped = Tally::skipped("no root");
        assert!(skipped.line("disk").ends_with("not run: no root"));
    }

    #[test]
    fn a_fault_is_survived_only_in_a_round_that_lost_nothing() {
        for (lost, violation, survived) in
            [(0, None, 1), (1, None, 0), (0, Some("it is not ready"), 0)]
        {
            let mut tally = Tally { lost, ..Tally::default() };
            tally.fault(Ok(()));
            tally.violations.extend(violation.map(str::to_owned));
            tally.close(1);
            assert_eq!(tally.survived, survived, "{lost} {violation:?}");
        }
    }

    #[test]
    fn a_round_that_disturbed_too_little_is_not_clean() {
        let closed = |injected, least| {
            let mut tally = Tally { injected, ..Tally::default() };
            tally.close(least);
            tally.is_clean()
        };
        assert!(!closed(0, 1) && !closed(4, 5) && closed(5, 5));
        let mut skipped = Tally::skipped("no root");
        skipped.close(1);
        assert!(skipped.is_clean(), "what was not run is no violation of the service");
    }
}
