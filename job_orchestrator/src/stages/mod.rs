//! The steps of one wallet: pin, fetch, order, ledger, finish. The one step of a group: [`group`].
//!
//! Each step may run again after a crash or a time limit: what it stored before is found and not
//! asked for again. A long wallet also leaves what it has computed: its [`looks`], its [`plan`], and
//! the state of its [`ledger`].

pub(crate) mod catalogue;
pub(crate) mod evm;
pub(crate) mod fetch;
pub(crate) mod finish;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod listing;
pub(crate) mod lists;
pub(crate) mod looks;
pub(crate) mod order;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod prices;
pub(crate) mod replay;

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::StageError;

/// Wallets with more transactions than this leave what they have computed for a later attempt. A
/// shorter history is computed again sooner than that is read.
pub(crate) const LONG_HISTORY: usize = 200;

/// Longest time that something computed or fetched waits for its commit.
pub(crate) const COMMIT_AFTER: Duration = Duration::from_secs(2);

/// Reads the JSON lines that an earlier attempt has left.
pub(crate) fn read_lines<T: DeserializeOwned>(page: &[u8]) -> Result<Vec<T>, StageError> {
    serde_json::Deserializer::from_slice(page)
        .into_iter()
        .collect::<Result<Vec<T>, _>>()
        .map_err(|error| StageError::left_work(&error))
}
