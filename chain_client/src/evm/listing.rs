//! Pages of an explorer's lists: how they are read, and whether they are whole.

use pnl_core::{Address, TxId};
use serde::Deserialize;

use super::explorer::{WINDOW, indivisible, page_request, rows};
use super::logs::whole_page;
use super::node::hash;
use super::ranges::is_round;
use super::{Activity, ActivityPage};
use crate::endpoint::Outgoing;
use crate::error::SourceError;
use crate::failure::Failure;

/// What an allocation of the first block has in place of a hash, before the address.
const GENESIS: &str = "GENESIS_";

/// What a page of a list is worth.
#[derive(Debug)]
pub(super) enum Listing {
    /// Everything up to where it reaches.
    Whole(ActivityPage),
    /// So many rows that there may be more of them.
    Doubtful(Doubtful),
    /// The same, all of one block: the first of several pages about it, maybe.
    Crowded { block: u64, rows: Vec<Activity> },
}

/// A page that is whole, or else reaches to the block before its last one. The list from its last block
/// on tells which.
#[derive(Debug)]
pub(super) struct Doubtful {
    /// All rows.
    pub length: usize,
    /// The last block that has a row, and how many it has.
    pub last: (u64, usize),
    /// What it is worth for sure.
    pub cut: ActivityPage,
    /// What it is worth when nothing follows.
    pub whole: ActivityPage,
}

/// The page of a list that begins with block `from` and goes to `to` at most. Of `doubtful_from` rows
/// on it may have been cut, and one of a round number was, for all that is known.
pub(super) fn read_page(
    body: &[u8],
    from: u64,
    to: u64,
    doubtful_from: usize,
) -> Result<Listing, Failure> {
    let activity = read_activity(body, from);
    let activity = if from < to { activity } else { activity.map_err(indivisible) };
    let (length, mut read) = activity?;
    if !read.is_sorted_by_key(|row| row.block) {
        return Err(Failure::malformed(OUT_OF_ORDER));
    }
    let is_doubtful = is_round(length) || (doubtful_from..WINDOW).contains(&length);
    let newest = read.last().map(|row| row.block).filter(|newest| is_doubtful && *newest <= to);
    let Some(newest) = newest else {
        read.retain(|row| row.block <= to);
        return Ok(Listing::Whole(whole_page(read, to)));
    };
    if newest == from {
        // Its next page must be within the window; nobody caps pages at odd numbers so great.
        if is_round(length) || 2 * length <= WINDOW {
            return Ok(Listing::Crowded { block: newest, rows: read });
        }
        return Ok(Listing::Whole(whole_page(read, to)));
    }
    let before = read.partition_point(|row| row.block < newest);
    let last = (newest, read.len() - before);
    // The last block may be incomplete.
    let cut = whole_page(read[..before].to_vec(), newest - 1);
    if is_round(length) {
        return Ok(Listing::Whole(cut));
    }
    let whole = whole_page(read, to);
    Ok(Listing::Doubtful(Doubtful { length, last, cut, whole }))
}

/// Whether nothing follows the rows of a page in doubt, by the list from its last block on.
pub(super) fn read_rest(body: &[u8], (block, rows): (u64, usize)) -> Result<bool, Failure> {
    let (_, rest) = read_activity(body, block)?;
    Ok(rest.len() == rows && rest.iter().all(|row| row.block == block))
}

/// What is wrong with a page whose end tells nothing about what comes behind it.
const OUT_OF_ORDER: &str = "a page that is not in order";

/// The question for page `page` of a block of which the first page has so many rows.
///
/// # Errors
/// Behind the largest window nothing can be asked for.
pub(super) fn crowd_request(
    action: &str,
    wallet: &Address,
    block: u64,
    (page, rows): (usize, usize),
) -> Result<Outgoing, SourceError> {
    if page.saturating_mul(rows) > WINDOW {
        let detail = format!("block {block} alone fills a window of {WINDOW} rows");
        return Err(SourceError::Permanent { code: "list-too-dense", detail });
    }
    Ok(page_request(action, wallet, (block, block), (page, rows)))
}

/// Further rows of one block.
pub(super) fn read_crowd(body: &[u8], block: u64) -> Result<Vec<Activity>, Failure> {
    let (_, rows) = read_activity(body, block).map_err(indivisible)?;
    let is_other = rows.iter().any(|row| row.block != block);
    if is_other { Err(Failure::malformed("rows of another block")) } else { Ok(rows) }
}

/// The number of rows, and those that are transactions.
fn read_activity(body: &[u8], from: u64) -> Result<(usize, Vec<Activity>), Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        #[serde(alias = "transactionHash")]
        hash: String,
        block_number: String,
        #[serde(default)]
        time_stamp: Option<String>,
    }
    let rows: Vec<Row> = rows(body)?;
    let count = rows.len();
    let mut read = Vec::with_capacity(count);
    for row in rows {
        let block: u64 = row.block_number.parse().map_err(Failure::malformed)?;
        if block < from {
            return Err(Failure::malformed("a list that does not begin with the block asked for"));
        }
        // What the chain began with is in no transaction: the comparison with the balance tells it.
        if block == 0 && row.hash.starts_with(GENESIS) {
            continue;
        }
        let block_time = row.time_stamp.and_then(|time| time.parse().ok());
        read.push(Activity { block, tx_id: TxId::new(&hash(&row.hash)?), block_time });
    }
    Ok((count, read))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(rows: &[(u64, u64)]) -> Vec<u8> {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(block, id)| {
                json!({"hash": format!("0x{id:064x}"), "blockNumber": block.to_string(), "timeStamp": "7"})
            })
            .collect();
        json!({"status": "1", "message": "OK", "result": rows}).to_string().into_bytes()
    }

    /// A page that is whole.
    fn listed(body: &[u8], from: u64, to: u64) -> Result<ActivityPage, Failure> {
        match read_page(body, from, to, usize::MAX)? {
            Listing::Whole(page) => Ok(page),
            other => panic!("{other:?}"),
        }
    }

    fn outcome(body: &str) -> String {
        match listed(body.as_bytes(), 0, 100) {
            Ok(page) => format!("{} to {}", page.rows.len(), page.reached),
            Err(Failure::Refused { code, .. }) => code.to_owned(),
            Err(other) => other.outcome().to_owned(),
        }
    }

    #[test]
    fn only_one_answer_is_an_empty_list_and_every_other_is_an_error() {
        for (body, expected) in [
            (r#"{"status":"0","message":"No transactions found","result":[]}"#, "0 to 100"),
            (r#"{"status":"0","message":"No token transfers found","result":[]}"#, "0 to 100"),
            (
                r#"{"status":"0","message":"No internal transactions found","result":null}"#,
                "0 to 100",
            ),
            (r#"{"status":"1","message":"OK","result":[]}"#, "0 to 100"),
            (
                r#"{"status":"0","message":"NOTOK","result":"Free API access is not supported for this chain. Please upgrade"}"#,
                "not-in-plan",
            ),
            (
                r#"{"status":"0","message":"NOTOK","result":"Max calls per sec rate limit reached (3/sec)"}"#,
                "throttled",
            ),
            (
                r#"{"status":"0","message":"NOTOK","result":"Invalid API Key"}"#,
                "provider-unauthorized",
            ),
            (
                r#"{"status":"0","message":"NOTOK","result":"Error! Missing Or invalid Action name"}"#,
                "method-not-found",
            ),
            (
                r#"{"status":"0","message":"NOTOK","result":"Query Timeout occured. Please select a smaller result dataset"}"#,
                "range-too-large",
            ),
            (
                r#"{"status":"0","message":"Result window is too large, PageNo x Offset size must be less than or equal to 10000","result":null}"#,
                "invalid-params",
            ),
            (r#"{"status":"0","message":"NOTOK","result":[]}"#, "transient"),
            (r#"{"status":"1","message":"OK","result":null}"#, "transient"),
            (r#"{"status":"2","message":"Some blocks are pending","result":[]}"#, "transient"),
            ("", "transient"),
            ("<html>", "transient"),
            ("[]", "transient"),
        ] {
            assert_eq!(outcome(body), expected, "{body}");
        }
    }

    #[test]
    fn a_page_that_may_be_cut_reaches_the_block_before_its_last_one() {
        let short = listed(&page(&[(3, 1), (5, 2), (5, 2)]), 3, 100).unwrap();
        assert_eq!((short.rows.len(), short.reached), (2, 100));
        assert_eq!(short.rows[0].block_time, Some(7));
        let rows: Vec<(u64, u64)> = (0..50).map(|n| (10 + n / 2, n)).collect();
        let round = listed(&page(&rows), 3, 100).unwrap();
        assert_eq!((round.rows.len(), round.reached), (48, 33));
        // From there on: nothing but the last block, of which there may be more.
        let same = page(&rows.iter().map(|row| (34, row.1)).collect::<Vec<_>>());
        let same = read_page(&same, 34, 100, usize::MAX).unwrap();
        assert!(matches!(same, Listing::Crowded { block: 34, rows } if rows.len() == 50));
        let mut mixed = rows.clone();
        mixed.swap(0, 40);
        assert!(listed(&page(&mixed), 3, 100).is_err(), "not in order");
        assert!(listed(&page(&mixed[..41]), 3, 100).is_err(), "whatever its length");
        assert!(listed(&page(&rows), 11, 100).is_err(), "before the first block");
    }

    #[test]
    fn a_page_longer_than_any_whole_one_is_in_doubt() {
        let rows: Vec<(u64, u64)> = (0..31).map(|n| (10 + n / 2, n)).collect();
        let read = |from, doubtful_from| read_page(&page(&rows), from, 100, doubtful_from).unwrap();
        assert!(matches!(read(3, 32), Listing::Whole(page) if page.reached == 100));
        let Listing::Doubtful(doubt) = read(3, 31) else { panic!("whole") };
        assert_eq!((doubt.length, doubt.last), (31, (25, 1)));
        assert_eq!((doubt.cut.rows.len(), doubt.cut.reached), (30, 24));
        assert_eq!((doubt.whole.rows.len(), doubt.whole.reached), (31, 100));
        for (rest, is_whole) in [
            (&[(25, 30)][..], true),
            (&[(25, 30), (25, 31)], false),
            (&[(25, 30), (26, 32)], false),
        ] {
            assert_eq!(read_rest(&page(rest), doubt.last), Ok(is_whole), "{rest:?}");
        }
        // All of one block: by further pages, as far as there can be any.
        for (rows, is_crowded) in [(31, true), (4_999, true), (5_001, false), (5_050, true)] {
            let rows: Vec<(u64, u64)> = (0..rows).map(|n| (8, n)).collect();
            let read = read_page(&page(&rows), 8, 100, 20).unwrap();
            assert_eq!(matches!(read, Listing::Crowded { .. }), is_crowded, "{}", rows.len());
        }
        // What lies behind the blocks asked for shows that nothing in front of it was left out.
        let beyond = read_page(&page(&rows), 3, 24, 20).unwrap();
        assert!(matches!(beyond, Listing::Whole(page) if page.reached == 24));
    }

    #[test]
    fn a_block_is_asked_for_up_to_the_largest_window() {
        let wallet = Address::from_chain_data("0xa");
        let next = |page, rows| crowd_request("txlist", &wallet, 8, (page, rows));
        assert!(next(200, 50).is_ok() && next(2, 1_000).is_ok());
        for (page, rows) in [(201, 50), (11, 1_000), (2, 10_000)] {
            assert_eq!(next(page, rows).unwrap_err().code(), "list-too-dense");
        }
        let body = page(&[(8, 1), (8, 2)]);
        assert_eq!(read_crowd(&body, 8).unwrap().len(), 2);
        assert!(read_crowd(&body, 7).is_err(), "another block");
    }

    #[test]
    fn what_takes_too_long_and_cannot_be_halved_may_work_later() {
        let busy = json!({"status": "0", "message": "NOTOK",
            "result": "Query Timeout occured. Please select a smaller result dataset"});
        let busy = busy.to_string().into_bytes();
        let code = |failure: Failure| failure.outcome();
        assert_eq!(read_page(&busy, 7, 8, 0).map_err(code).unwrap_err(), "refused");
        assert_eq!(read_page(&busy, 8, 8, 0).map_err(code).unwrap_err(), "transient");
        assert_eq!(read_crowd(&busy, 8).map_err(code).unwrap_err(), "transient");
        assert_eq!(
            super::super::explorer::read_internal(&busy).map_err(code).unwrap_err(),
            "transient"
        );
    }

    #[test]
    fn an_allocation_of_the_first_block_is_no_transaction() {
        let row = |hash: &str, block: &str| {
            json!({"status": "1", "message": "OK", "result": [
                {"hash": hash, "blockNumber": block, "timeStamp": "7"},
                {"hash": format!("0x{:064x}", 1), "blockNumber": "46147", "timeStamp": "8"}]})
        };
        let given = row("GENESIS_a1e4380a3b1f749673e270229993ee55f35663b4", "0").to_string();
        let read = listed(given.as_bytes(), 0, 50_000).unwrap();
        assert_eq!((read.rows.len(), read.rows[0].block, read.reached), (1, 46_147, 50_000));
        for odd in [row("GENESIS_a1", "1"), row("BLOCK_a1", "0")] {
            assert!(read_page(odd.to_string().as_bytes(), 0, 50_000, 0).is_err(), "{odd}");
        }
    }

    #[test]
    fn recorded_lists_of_several_explorers_are_read() {
        let Some(fixtures) = std::env::var_os("TEST_FIXTURES_DIR") else {
            assert!(std::env::var_os("CI").is_none(), "TEST_FIXTURES_DIR must be set on CI");
            eprintln!("SKIPPED: TEST_FIXTURES_DIR is not set");
            return;
        };
        let folder = std::path::Path::new(&fixtures).join("evm/provider_lists");
        let (mut lists, mut rows) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let recorded: Value = serde_json::from_slice(&text).unwrap();
            let result = &recorded["result"];
            let body = json!({"status": "1", "message": "OK", "result": result}).to_string();
            let page = match read_page(body.as_bytes(), 0, u64::MAX, usize::MAX) {
                Ok(Listing::Whole(page)) => page,
                // Some were recorded newest first, which is not what is asked for here.
                Err(failure) if failure.detail().contains(OUT_OF_ORDER) => continue,
                other => panic!("{path:?}: {other:?}"),
            };
            let mut ids: Vec<&TxId> = page.rows.iter().map(|row| &row.tx_id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), page.rows.len());
            lists += 1;
            rows += ids.len();
        }
        assert!(lists >= 27 && rows >= 228, "{lists} lists, {rows} rows");
    }
}
