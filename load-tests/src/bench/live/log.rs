//! What clients heard, against the rows of the log.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::Context as _;

use super::client::Story;
use crate::service::PostgresServer;

/// The events of all jobs of a database, as clients have to hear them.
#[derive(Debug, Default)]
pub struct Log {
    /// By job, in their order: what happened, and when, in microseconds since 1970.
    by_job: HashMap<String, Vec<(String, i64)>>,
}

impl Log {
    /// Reads it.
    ///
    /// # Errors
    /// When the database does not answer, or numbers are not 1, 2, 3 … in each job.
    pub async fn read(postgres: &PostgresServer, database: &str) -> anyhow::Result<Self> {
        let rows = postgres
            .psql(
                database,
                "select batch_id, seq, kind, wallet, (extract(epoch from at) * 1000000)::bigint
                 from job_events order by batch_id, seq",
            )
            .await?;
        let mut log = Self::default();
        for row in rows.lines() {
            let columns: Vec<_> = row.split('|').collect();
            let [job, number, kind, wallet, at] = columns[..] else {
                anyhow::bail!("a row of the log: {row}")
            };
            let what = match (kind, wallet) {
                ("done", wallet) if !wallet.is_empty() => format!("wallet.completed {wallet}"),
                (kind, "") => format!("job.{kind} "),
                (kind, wallet) => format!("wallet.{kind} {wallet}"),
            };
            let events = log.by_job.entry(job.to_owned()).or_default();
            let number: usize = number.parse().with_context(|| row.to_owned())?;
            anyhow::ensure!(number == events.len() + 1, "event {number} behind {}", events.len());
            events.push((what, at.parse()?));
        }
        Ok(log)
    }

    /// What is wrong with what a client heard; none: every event behind its beginning, once and in order.
    pub fn contradiction(&self, story: &Story) -> Option<String> {
        let Some(events) = self.by_job.get(&story.job) else {
            return Some(format!("no job {}", story.job));
        };
        let behind = usize::try_from(story.behind).unwrap_or(usize::MAX);
        let expected = events.iter().zip(1..).skip(behind);
        let mut heard = story.heard.iter();
        for ((what, _), number) in expected {
            match heard.next() {
                Some(one) if one.number == number && one.what == *what => {}
                other => return Some(format!("{other:?} in place of {number} {what}")),
            }
        }
        heard.next().map(|one| format!("{one:?} behind the last"))
    }

    /// How long after their time events were heard that happened in one of the ranges, in microseconds
    /// since 1970.
    pub fn delays(&self, stories: &[Story], ranges: &[Range<i64>]) -> Delays {
        let mut microseconds = Vec::new();
        for story in stories {
            let Some(events) = self.by_job.get(&story.job) else { continue };
            for heard in &story.heard {
                let number = usize::try_from(heard.number).unwrap_or_default();
                let Some((_, at)) = number.checked_sub(1).and_then(|at| events.get(at)) else {
                    continue;
                };
                if ranges.iter().any(|range| range.contains(at)) {
                    microseconds.push(heard.at - at);
                }
            }
        }
        microseconds.sort_unstable();
        Delays { microseconds }
    }
}

/// Delays in their order.
#[derive(Debug)]
pub struct Delays {
    microseconds: Vec<i64>,
}

impl Delays {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.microseconds.len()
    }

    /// What so many of a hundred do not exceed, in milliseconds, rounded up; without any a time that meets no limit.
    pub fn milliseconds(&self, percent: usize) -> u64 {
        let rank = (self.microseconds.len() * percent).div_ceil(100).max(1);
        let Some(microseconds) = self.microseconds.get(rank - 1) else { return u64::MAX };
        u64::try_from(*microseconds).unwrap_or_default().div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Heard;
    use super::*;

    fn story(behind: u64, numbers: &[u64]) -> Story {
        let heard = |number: &u64| Heard {
            number: *number,
            what: format!("wallet.completed w{number}"),
            at: 1000 * i64::try_from(*number).expect("a small number"),
        };
        let heard = numbers.iter().map(heard).collect();
        Story { job: "job".to_owned(), behind, heard, connections: 1 }
    }

    #[test]
    fn what_is_missing_double_or_out_of_order_is_found() {
        let events = (1..5).map(|n| (format!("wallet.completed w{n}"), 0)).collect();
        let log = Log { by_job: HashMap::from([("job".to_owned(), events)]) };
        assert_eq!(log.contradiction(&story(0, &[1, 2, 3, 4])), None);
        assert_eq!(log.contradiction(&story(2, &[3, 4])), None);
        for (behind, numbers) in [
            (0, &[1, 2, 4][..]),
            (0, &[1, 2, 2, 3, 4]),
            (0, &[1, 3, 2, 4]),
            (0, &[1, 2, 3]),
            (2, &[2, 3, 4]),
            (0, &[1, 2, 3, 4, 4]),
        ] {
            assert!(log.contradiction(&story(behind, numbers)).is_some(), "{numbers:?}");
        }
        let other = story(0, &[]);
        assert!(log.contradiction(&Story { job: "x".to_owned(), ..other }).is_some());
        let delays = log.delays(&[story(0, &[1, 2, 3, 4])], std::slice::from_ref(&(0..1)));
        assert_eq!((delays.count(), delays.milliseconds(50), delays.milliseconds(99)), (4, 2, 4));
        assert_eq!(log.delays(&[], &[]).milliseconds(99), u64::MAX);
    }
}
