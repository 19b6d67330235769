//! Logs that stand in a receipt more than once.

use std::collections::HashSet;

use super::logs::Head;
use super::wire::Log;
use crate::json::Loose;

/// The places of logs that repeat an earlier one: the same index in the block and the same content.
///
/// Providers that join parts of an answer give some twice. A log without an index is none of them: a
/// contract may emit the same event again.
pub(super) fn repeated(logs: &[Loose<Log<'_>>], heads: &[Option<Head>]) -> HashSet<usize> {
    let index = |log: &Loose<Log<'_>>| log.0.as_ref()?.log_index.number();
    if logs.iter().filter_map(index).is_sorted_by(|a, b| a < b) {
        return HashSet::new();
    }
    let mut seen = HashSet::new();
    let is_repeated = |(place, (log, head)): (usize, (&Loose<Log<'_>>, &Option<Head>))| {
        let (index, log, head) = (index(log)?, log.0.as_ref()?, head.as_ref()?);
        let content = (head.contract, head.topics.clone(), log.data.text().map(str::to_owned));
        let is_new = seen.insert((index, content, log.removed.flag()));
        (!is_new).then_some(place)
    };
    logs.iter().zip(heads).enumerate().filter_map(is_repeated).collect()
}
